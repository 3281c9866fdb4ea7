"""The table of facts that were measured as columns (`blocks.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
import polars as pl

from p4d.questions.facts.blocks import Bools, FactBlock, Floats, Ints
from p4d.questions.facts.table import SCHEMA, SIGMA_MAX, SIGMA_MIN, Source, encoded

DECIMALS = 6


@dataclass(frozen=True)
class MeasuredClip:
    """What all facts of a clip share, and its regions in mark order."""

    source: Source
    region_ids: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredFacts:
    """The table of the finite facts, and what was left out.

    Attributes:
        table: by the schema of facts.parquet, in no particular order.
        not_finite: number of facts with a NaN or an infinity, which are left out.
        about_regions_c: whether a clip has a fact about regions.
    """

    table: pl.DataFrame
    not_finite: int
    about_regions_c: Bools


def facts_table(blocks: Sequence[FactBlock], clips: Sequence[MeasuredClip]) -> MeasuredFacts:
    """Return the facts of all blocks; `clips` in the order of their numbers."""
    if not blocks:
        return MeasuredFacts(pl.DataFrame(schema=SCHEMA), 0, np.zeros(len(clips), bool))
    block_n = np.repeat(np.arange(len(blocks)), [len(block.value_n) for block in blocks])
    value_n = rounded(np.concatenate([block.value_n for block in blocks]))
    sigma_n = np.concatenate([block.sigma_n for block in blocks])
    sigma_n = rounded(np.clip(sigma_n, SIGMA_MIN, SIGMA_MAX))
    finite_n = np.isfinite(value_n) & np.isfinite(sigma_n)
    clip_n = np.concatenate([block.clip_n for block in blocks])[finite_n]
    block_n = block_n[finite_n]
    regions = _Regions(blocks, clips)
    region_n = regions.number_n(blocks, clip_n, finite_n)
    start_ns_n = np.concatenate([block.start_ns_n for block in blocks])[finite_n]
    end_ns_n = np.concatenate([block.end_ns_n for block in blocks])[finite_n]
    sources = [clip.source for clip in clips]

    def of_block(name: str) -> pl.Series:
        return _gathered([getattr(block, name) for block in blocks], block_n)

    def of_clip(name: str) -> pl.Series:
        return _gathered([getattr(source, name) for source in sources], clip_n)

    json_texts = pl.select(
        pl.concat_str(
            _gathered([f"[{encoded(source.clip_id)}," for source in sources], clip_n),
            _gathered([f"{encoded(block.kind)},[" for block in blocks], block_n),
            _gathered(regions.json_texts, region_n),
            pl.lit("],"),
            pl.Series(start_ns_n),
            pl.lit(","),
            pl.Series(end_ns_n),
            _gathered([f",{encoded(block.frame)}," for block in blocks], block_n),
            _gathered([f"{encoded(source.teacher)}]" for source in sources], clip_n),
        )
    ).to_series()
    columns = {
        "fact_id": _fact_ids(json_texts),
        "clip_id": of_clip("clip_id"),
        "kind": of_block("kind"),
        "region_ids": regions.lists.gather(region_n),
        "start_ns": start_ns_n,
        "end_ns": end_ns_n,
        "value": value_n[finite_n],
        "value_text": _texts(blocks).filter(pl.Series(finite_n)),
        "unit": of_block("unit"),
        "sigma": sigma_n[finite_n],
        "frame": of_block("frame"),
        "method": of_block("method"),
        "scale_kind": of_clip("scale_kind"),
        "teacher": of_clip("teacher"),
        "teacher_digest": of_clip("teacher_digest"),
    }
    about_regions_c = np.zeros(len(clips), bool)
    about_regions_c[clip_n[regions.any[region_n]]] = True
    table = pl.DataFrame(columns, schema=SCHEMA)
    return MeasuredFacts(table, int((~finite_n).sum()), about_regions_c)


def rounded(values: Floats) -> Floats:
    """Return values rounded to six decimals, to the bit those of Python's `round`."""
    scaled = values * 10**DECIMALS
    found = np.rint(scaled) / 10**DECIMALS
    # Near a tie the product may lie on its other side, and a large one has no decimals to round.
    unsure = (np.abs(scaled - np.floor(scaled) - 0.5) < 1e-3) | (np.abs(scaled) > 1e14)
    at = np.flatnonzero(unsure & np.isfinite(values))
    found[at] = [round(value, DECIMALS) for value in values[at].tolist()]
    return np.asarray(found)


class _Regions:
    """The lists of regions that facts are about; few differ, so each is made once."""

    def __init__(self, blocks: Sequence[FactBlock], clips: Sequence[MeasuredClip]) -> None:
        found = {tuple(row): None for block in blocks for row in block.about_pr.tolist()}
        self._place = {row: place for place, row in enumerate(found)}
        lists = [
            [clip.region_ids[k] for k in row] if max(row, default=0) < len(clip.region_ids) else []
            for clip in clips
            for row in found
        ] if found else []  # fmt: skip
        self.lists = pl.Series(lists, dtype=pl.List(pl.String))
        self.any = np.array([bool(row) for row in lists], bool)
        self.json_texts = [",".join(map(encoded, row)) for row in lists]

    def number_n(self, blocks: Sequence[FactBlock], clip_n: Ints, finite_n: Bools) -> Ints:
        """The list of each fact, as its index in `lists`."""
        parts = []
        for block in blocks:
            places = [self._place[tuple(row)] for row in block.about_pr.tolist()]
            parts.append(np.array(places, np.int64)[block.about_n])
        return np.asarray(clip_n * len(self._place) + np.concatenate(parts)[finite_n])


def _texts(blocks: Sequence[FactBlock]) -> pl.Series:
    """The words of facts; null for quantities."""
    words = [word for block in blocks for word in block.words]
    firsts = np.cumsum([0, *(len(block.words) for block in blocks)])
    word_n = np.concatenate(
        [
            np.full(len(block.value_n), -1) if block.word_n is None else first + block.word_n
            for (first, _), block in zip(pairwise(firsts.tolist()), blocks, strict=True)
        ]
    )
    numbers = pl.Series(word_n).to_frame("n").select(pl.when(pl.col("n") >= 0).then(pl.col("n")))
    return pl.Series(words, dtype=pl.String).gather(numbers.to_series())


def _gathered(texts: Sequence[str], number_n: Ints) -> pl.Series:
    return pl.Series(texts, dtype=pl.String).gather(number_n)


def _fact_ids(json_texts: pl.Series) -> pl.Series:
    """Ids of the canonical JSON of facts, as `p4d.ids.content_id` makes them."""
    digests = [sha256(text).digest()[:8] for text in json_texts.cast(pl.Binary).to_list()]
    return "fact_" + pl.Series(digests, dtype=pl.Binary).bin.encode("hex")
