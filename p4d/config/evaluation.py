"""Sections evaluation and promotion."""

from __future__ import annotations

from dataclasses import dataclass

from p4d.categories import CATEGORIES
from p4d.config.section import check, check_at_least_1


@dataclass(frozen=True, kw_only=True)
class EvaluationParams:
    """Statistics of the evaluation."""

    bootstrap_samples: int
    confidence: float
    batch: int
    generated_questions: int
    threads: int

    def __post_init__(self) -> None:
        check(self.bootstrap_samples >= 100, self, "bootstrap_samples must be at least 100")
        check(0.5 < self.confidence < 1, self, "confidence must be in (0.5, 1)")
        check(self.generated_questions >= 0, self, "generated_questions must not be negative")
        check_at_least_1(self, "batch", "threads")


@dataclass(frozen=True, kw_only=True)
class PromotionParams:
    """When a challenger becomes champion.

    A first one must gain more than `first_min_gain_over_blind` over the control that sees no video,
    a later one more than `min_gain` over the champion; both by the lower bound of their interval.
    """

    min_gain: float
    first_min_gain_over_blind: float
    max_category_drop: float
    protected_categories: tuple[str, ...]

    def __post_init__(self) -> None:
        check(-1 <= self.min_gain <= 1, self, "min_gain must be in [-1, 1]")
        check(
            -1 <= self.first_min_gain_over_blind <= 1,
            self,
            "first_min_gain_over_blind must be in [-1, 1]",
        )
        check(0 <= self.max_category_drop <= 1, self, "max_category_drop must be in [0, 1]")
        unknown = sorted(set(self.protected_categories) - set(CATEGORIES))
        check(
            not unknown,
            self,
            f"protected_categories: unknown {unknown}; known are {list(CATEGORIES)}",
        )
