"""`python -m benchmarks.promotion`: see the package's text."""

from __future__ import annotations

from benchmarks.machine import CHECKOUT, RESULTS, clean_commit
from benchmarks.promotion.simulation import HeldOut, false_promotions, power
from p4d.artifacts import write_json
from p4d.project import Project

TRIES, SETS, SETS_OF_POWER = 100, 4000, 1000
GROUPS = (20, 60, 200)
QUESTIONS_PER_GROUP = 15
GAINS = (0.02, 0.05, 0.1, 0.15)
NUMBERS = (1, 10, 100)


def main() -> None:
    """Simulate, and write the rates."""
    commit = clean_commit(CHECKOUT)
    alpha = Project(CHECKOUT).params.promotion.alpha
    rows = []
    for groups in GROUPS:
        held_out = HeldOut(groups=groups, questions=QUESTIONS_PER_GROUP)
        rates = {
            name: false_promotions(
                held_out, alpha=alpha, tries=TRIES, sets=SETS, spending=name == "spending"
            )
            for name in ("spending", "without_spending")
        }
        found = {
            f"{gain:g}": {
                str(number): power(
                    held_out, gain=gain, alpha=alpha, number=number, sets=SETS_OF_POWER
                )
                for number in NUMBERS
            }
            for gain in GAINS
        }
        rows.append({"groups": groups, "false_promotions": rates, "power": found})
        print(groups, rates, found, flush=True)
    report = {
        "command": "python -m benchmarks.promotion",
        "commit": commit,
        "alpha": alpha,
        "challengers": TRIES,
        "held_out_sets": SETS,
        "held_out_sets_of_power": SETS_OF_POWER,
        "questions_per_group": QUESTIONS_PER_GROUP,
        "by_groups": rows,
    }
    write_json(RESULTS / "promotion.json", report)


if __name__ == "__main__":
    main()
