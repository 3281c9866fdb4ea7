"""Compares our published rules with the benchmarks' own scripts on the same predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p4d.artifacts import read_json
from p4d.categories import STATIC
from p4d.evaluation.benchmarks import vlm4d
from p4d.evaluation.benchmarks.item import BenchmarkItem, PublishedRules, ScoredItem
from p4d.evaluation.benchmarks.registry import READERS

FILE = Path(__file__).parent / "published_golden.json"
REMARKS: Mapping[str, str] = {
    "vlm4d": "figures for given verdicts; the judge of the replies was not run",
    "r4d-bench": "replies of one letter; the script's parser of longer ones is not public",
    "dsr-bench": "replies with a capital A to D; the second attempt by option text was not run",
    "sti-bench": "replies that are not empty; the script stops at an empty one",
}


@dataclass(frozen=True)
class Comparison:
    """One benchmark's rule against its own script.

    Attributes:
        items: predictions.
        equal: how many of them have an equal score.
        figures: reported figures.
        equal_figures: how many of them are equal to 1e-9.
        scored_here: whether single replies are scored; otherwise only the figures are compared,
            from scores that are given.
        remark: what the comparison leaves out.
    """

    items: int
    equal: int
    figures: int
    equal_figures: int
    scored_here: bool
    remark: str

    @property
    def all_equal(self) -> bool:
        """Whether every score and every figure is equal."""
        return self.items == self.equal and self.figures == self.equal_figures


def comparisons() -> Iterator[tuple[str, Comparison]]:
    """Compare every benchmark of the golden file."""
    for name, golden in read_json(FILE).items():
        yield name, _compare(name, READERS[name].RULES, golden)


def _compare(name: str, rules: PublishedRules, golden: Mapping[str, Any]) -> Comparison:
    scored_here = name != "vlm4d"  # a language model judges there
    rows, equal = [], 0
    for row in golden["rows"]:
        item = _item(name, row)
        score = rules.score(item, row["text"]) if scored_here else row["score"]
        equal += score == row["score"]
        rows.append(ScoredItem(item, score))
    figures = rules.overall(rows)
    close = sum(
        abs(figures.get(key, -1.0) - value) < 2e-9 for key, value in golden["figures"].items()
    )
    return Comparison(
        items=len(rows),
        equal=equal,
        figures=len(golden["figures"]),
        equal_figures=close,
        scored_here=scored_here,
        remark=REMARKS.get(name, ""),
    )


def _item(name: str, row: Mapping[str, Any]) -> BenchmarkItem:
    category = row.get("category", "")
    common: dict[str, Any] = {
        "item_id": row["id"],
        "category": category,
        "dynamic": category not in STATIC,
        "question": "?",
        "video": Path("video.mp4"),
        "group": "video.mp4",
        "subset": row.get("subset"),
    }
    if name == "vlm4d":
        part = row["id"].split("/")[0]
        common["subset"] = vlm4d.subset_of(part, row["id"], row["answer"])
        return BenchmarkItem(**common, kind="mcq", options=("a", "b", "c", "d"), answer_index=0)
    if row.get("kind") == "numeric":
        return BenchmarkItem(**common, kind="numeric", answer_value=float(row["truth"]))
    letters = "ABCDE" if name in ("sti-bench", "r4d-bench") else "ABCD"
    options = tuple(f"option {letter}" for letter in letters)
    index = letters.index(row["answer"])
    return BenchmarkItem(**common, kind="mcq", options=options, answer_index=index)
