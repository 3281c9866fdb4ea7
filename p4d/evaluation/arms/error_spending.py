"""How the error rate of promotions is spent over many challengers.

The k-th challenger of a champion is tested at `alpha * 6 / (pi^2 k^2)`, one-sided. All parts
together are `alpha`, so the probability that any challenger that is no better than its champion is
promoted is at most `alpha`, however many come and however much their answers have in common
(Bonferroni's inequality with a sum that converges; Foster and Stine 2008 call it alpha-spending).
After a promotion the count begins again, against the new champion.

Tries are counted in the champion ledger, which is append-only and a part of every version of the
champion. Nothing but a promotion lowers the count: other questions, another rule and another
release do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ErrorSpending:
    """What one try may spend.

    Attributes:
        alpha: probability of any false promotion against one champion (`promotion.alpha`).
        number: which try it is, from 1.
    """

    alpha: float
    number: int

    @classmethod
    def of_next_try(
        cls, history: Sequence[Mapping[str, Any]], champion: str | None, alpha: float
    ) -> ErrorSpending:
        """The try that follows the decisions of a ledger.

        Args:
            history: all decisions.
            champion: version of the champion that is challenged; None: there is none, and the
                challenger is compared with the controls.
            alpha: `promotion.alpha`.
        """
        return cls(alpha, 1 + sum(_spent(record, champion) for record in history))

    @property
    def of_try(self) -> float:
        """The one-sided error rate of this try."""
        return self.alpha * 6 / (math.pi * self.number) ** 2

    def as_dict(self, *, spent: bool) -> dict[str, float | int | bool]:
        """As a decision records it; `spent`: whether this decision could have promoted."""
        return {
            "alpha": self.alpha,
            "alpha_of_try": float(f"{self.of_try:.6g}"),
            "spent": spent,
            "try": self.number,
        }


def _spent(record: Mapping[str, Any], champion: str | None) -> bool:
    """Whether a decision was a try against the champion.

    Decisions of earlier versions count: they recorded no spending, but they could have promoted.
    """
    if record.get("incumbent") != champion or record.get("challenger") == champion:
        return False
    return bool(record.get("error_rate", {}).get("spent", True))
