"""The candidates that are not asked, counted per clip, family and reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.questions.asking.candidates import Candidates, FoundCandidates
from p4d.questions.asking.families import FAMILIES
from p4d.questions.columns import Ints, gather

REFUSALS_SCHEMA: dict[str, Any] = {
    "clip_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "reason": pl.String,
    "count": pl.Int64,
}

NO_FACT = "the clip lacks a fact it needs"
UNCERTAIN = "margin of the answer below the limit"
NO_PARTNERS = "no partners with other answers to exchange options with"
CLIP_FULL = "a clip of its exchange group has its share of questions"
CROWDED = "the clip has enough candidates that read and answer alike"
NOT_DRAWN = "its video is not among those that are asked about (questions.asked_share)"
REASONS = (NO_FACT, UNCERTAIN, CROWDED, NO_PARTNERS, CLIP_FULL, NOT_DRAWN)


def refusal_table(
    candidates: Candidates,
    reason: Ints,
    is_asked: NDArray,
    found: FoundCandidates,
    clips: pl.DataFrame,
) -> pl.DataFrame:
    """Count the candidates that are not asked, per clip, family and reason.

    Args:
        candidates: in the families that may be asked.
        reason: of each, the index in REASONS if it is not asked.
        is_asked: of each.
        found: counts of the candidates that were refused before.
        clips: sorted by id.
    """
    shape = (len(REASONS), len(FAMILIES), len(clips))
    at = np.ravel_multi_index((reason, candidates.family, candidates.clip), shape)
    counts = np.bincount(at[~is_asked], minlength=int(np.prod(shape))).reshape(shape)
    counts[REASONS.index(NO_FACT)] = found.lacking
    counts[REASONS.index(UNCERTAIN)] = found.uncertain
    counts[REASONS.index(CROWDED)] = found.crowded
    # Clips are sorted; with families and reasons in the order of their names, so are the rows.
    families = sorted(range(len(FAMILIES)), key=lambda f: (FAMILIES[f].category, FAMILIES[f].name))
    reasons = sorted(range(len(REASONS)), key=REASONS.__getitem__)
    counts = counts.transpose(2, 1, 0)[:, families][:, :, reasons]
    clip, family, why = np.nonzero(counts)
    return pl.DataFrame(
        {
            "clip_id": clips["clip_id"].gather(clip),
            "category": gather([FAMILIES[f].category for f in families], family),
            "family": gather([FAMILIES[f].name for f in families], family),
            "reason": gather([REASONS[r] for r in reasons], why),
            "count": counts[clip, family, why].astype(np.int64),
        },
        schema=REFUSALS_SCHEMA,
    )
