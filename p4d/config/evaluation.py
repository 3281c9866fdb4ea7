"""The sections `evaluation` and `promotion` of params.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass

from p4d.categories import CATEGORIES
from p4d.config.section import check, check_at_least_1
from p4d.config.training import ATTENTION

DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class EvaluationParams:
    """How arms are asked, and the statistics of every evaluation.

    Attributes:
        bootstrap_samples: resamples of videos per interval.
        confidence: of every interval, for example 0.95.
        batch: rows per batch, each a clip with some of its questions.
        generated_questions: questions per arm that are also answered in generated text.
        max_new_tokens: the longest generated answer.
        device: `auto` (the first GPU if there is one, else the CPU), `cpu`, `cuda` or `cuda:N`.
        dtype: of the weights: `auto` (bfloat16 for models of a billion weights or more on a GPU,
            else float32), `float32`, `bfloat16` or `float16`.
        attention: as `training.attention`; with `flash_attention_2`, of text and pictures alone.
        threads: CPU threads.
    """

    bootstrap_samples: int
    confidence: float
    batch: int
    generated_questions: int
    max_new_tokens: int
    device: str
    dtype: str
    attention: str
    threads: int

    def __post_init__(self) -> None:
        check(self.bootstrap_samples >= 100, self, "bootstrap_samples must be at least 100")
        check(0.5 < self.confidence < 1, self, "confidence must be in (0.5, 1)")
        check(self.generated_questions >= 0, self, "generated_questions must not be negative")
        check_at_least_1(self, "batch", "threads", "max_new_tokens")
        check(self.dtype in DTYPES, self, f"dtype must be one of {', '.join(DTYPES)}")
        check(self.attention in ATTENTION, self, f"attention must be among {list(ATTENTION)}")
        known = re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device)
        check(known is not None, self, "device must be auto, cpu, cuda or cuda:N")


@dataclass(frozen=True, kw_only=True)
class PromotionParams:
    """When a challenger becomes champion; all gains are paired differences in accuracy.

    Attributes:
        alpha: largest probability that any of all challengers of one champion is promoted although
            none is better; each try spends a part of it (p4d/evaluation/arms/error_spending.py).
        min_gain: the lower bound of a later challenger's gain over the champion must exceed it; the
            upper bound of a first challenger's gain over student_sft must reach it.
        first_min_gain_over_blind: the lower bound of a first challenger's gain over the text-only
            control must exceed it; -1 requires nothing.
        first_min_gain_over_first_frame: the same over its own answers when it is shown the first
            frame of each clip alone; -1 requires nothing.
        max_category_drop: largest fall allowed in a category; larger ones are recognised by
            intervals that are corrected for the number of categories.
        protected_categories: categories that must be shown not to fall further; the others must
            not be shown to.
        min_shared_questions: share of today's questions that a champion must have answered to be
            compared on them, if the cache no longer has its weights.
        max_general_drop: largest fall allowed on the held-out external rows (share of the tokens of
            an answer that are predicted), against the champion, or against the base student; 1
            asks for nothing.
        min_groups: least number of groups of videos; a percentile bootstrap of fewer clusters is
            too narrow to decide on.
    """

    alpha: float
    min_gain: float
    first_min_gain_over_blind: float
    first_min_gain_over_first_frame: float
    max_category_drop: float
    protected_categories: tuple[str, ...]
    min_shared_questions: float
    max_general_drop: float
    min_groups: int

    def __post_init__(self) -> None:
        check(0 < self.alpha < 0.5, self, "alpha must be in (0, 0.5)")
        for name in ("min_gain", "first_min_gain_over_blind", "first_min_gain_over_first_frame"):
            check(-1 <= getattr(self, name) <= 1, self, f"{name} must be in [-1, 1]")
        check(0 <= self.max_category_drop <= 1, self, "max_category_drop must be in [0, 1]")
        check(0 <= self.max_general_drop <= 1, self, "max_general_drop must be in [0, 1]")
        check(0 < self.min_shared_questions <= 1, self, "min_shared_questions must be in (0, 1]")
        check(self.min_groups >= 2, self, "min_groups must be at least 2")
        unknown = sorted(set(self.protected_categories) - set(CATEGORIES))
        check(
            not unknown,
            self,
            f"protected_categories: unknown {unknown}; known are {list(CATEGORIES)}",
        )
