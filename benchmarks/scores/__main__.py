"""`python -m benchmarks.scores`: measures the reader of answers and the published rules."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from benchmarks.scores.forms import Case, cases, numbers, replies
from benchmarks.scores.golden import comparisons
from p4d.evaluation.reading.choices import read_choice
from p4d.evaluation.reading.numbers import read_number


def parser_figures() -> dict[str, object]:
    """Return, per form, how many texts are read, misread and unread.

    A text that states nothing is `read` if nothing is read in it.
    """
    by_form: dict[str, Counter[str]] = {}
    written: Iterable[Case] = [*cases(), *replies()]
    started = time.perf_counter()
    for case in written:
        _count(by_form, case.form, case.index, read_choice(case.text, case.options))
    seconds = time.perf_counter() - started
    for text, value in numbers():
        _count(by_form, "numbers", value, read_number(text))
    totals = sum(by_form.values(), Counter[str]())
    return {
        "forms": {name: _row(counts) for name, counts in by_form.items()},
        "total": _row(totals),
        "choices_per_second": round(len(list(written)) / seconds),
    }


def _count(by_form: dict[str, Counter[str]], form: str, stated: object, found: object) -> None:
    right = stated == found or (
        isinstance(stated, float) and isinstance(found, float) and abs(stated - found) < 1e-9
    )
    kind = "read" if right else "unread" if found is None else "misread"
    by_form.setdefault(form, Counter())[kind] += 1


def _row(counts: Counter[str]) -> dict[str, int]:
    return {"texts": counts.total(), **{k: counts[k] for k in ("read", "misread", "unread")}}


def main() -> None:
    """Measure, print, and merge both keys into the results."""
    machine = describe(CHECKOUT)
    parser = parser_figures()
    rules = {name: {**asdict(found), "all_equal": found.all_equal} for name, found in comparisons()}
    command = "python -m benchmarks.scores"
    merge_results(
        RESULTS / "scores.json",
        {
            "parser": {**parser, "command": command, "machine": machine},
            "published_rules": {**rules, "command": command, "machine": machine},
        },
    )
    print(parser["total"])
    for name, found in rules.items():
        print(name, found)


if __name__ == "__main__":
    main()
