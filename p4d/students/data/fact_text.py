"""Facts as text, for a control student that gets exact facts instead of the video.

The control shows whether a question can be answered from what the pipeline measured, and how well a
student reads. What the student of a video must learn in addition is to see.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table
from p4d.questions.facts.table import Fact, read_facts
from p4d.questions.regions.selection import marked_regions
from p4d.questions.wording import seconds
from p4d.students.data.questions import Question

UNITS_WRITTEN = {"m": " m", "m/s": " m/s"}
POSITION = ("position_right", "position_down", "position_ahead")
WHOLES = {"position": POSITION, "relation": ("side", "depth_order")}
"""Names of groups of facts that one answer states together."""


def fact_text(facts: Sequence[Fact], marks: Mapping[str, int], decimals: int | None = None) -> str:
    """Return sentences grouped by their intervals, like `0 to 1.75: ...`; empty without facts.

    Args:
        facts: of one clip.
        marks: the mark of each region.
        decimals: number of decimals, as in the options, with the groups in `WHOLES` joined. If
            None, two decimals, and every fact separately.
    """
    spans = sorted({(fact.start_ns, fact.end_ns) for fact in facts})
    return "".join(
        _when(*span)
        + "".join(_sentences([f for f in facts if (f.start_ns, f.end_ns) == span], marks, decimals))
        for span in spans
    )


def fact_value(fact: Fact) -> str:
    """Return the value of a fact in words, such as `0.41 m/s` or `left`."""
    return _value([fact], None)


def _sentences(
    facts: Sequence[Fact], marks: Mapping[str, int], decimals: int | None
) -> Iterator[str]:
    """Yield sentences like `<obj_2> mean speed: 0.41 m/s. `."""
    known = {(fact.region_ids, fact.kind): fact for fact in facts}
    for fact in facts:
        kind, said = fact.kind.replace("_", " "), [fact]
        for whole, parts in WHOLES.items():
            found = [known[key] for part in parts if (key := (fact.region_ids, part)) in known]
            if decimals is not None and fact.kind in parts and len(found) == len(parts):
                kind, said = whole, found
        if fact is not said[0]:
            continue
        named = "".join(f"<obj_{marks[region]}> " for region in fact.region_ids)
        yield f"{named}{kind}: {_value(said, decimals)}. "


def _value(facts: Sequence[Fact], decimals: int | None) -> str:
    """Return the value of one fact, or of several facts joined."""
    words = [fact.value_text for fact in facts if fact.value_text is not None]
    if words:
        return " and ".join(words)
    if facts[0].unit == "count":
        return f"{facts[0].value:.0f}"
    numbers = [_number(fact.value, decimals) for fact in facts]
    said = f"({', '.join(numbers)})" if len(numbers) > 1 else numbers[0]
    return f"{said}{UNITS_WRITTEN.get(facts[0].unit, '')}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is None:
        return f"{value:.2f}"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 removes the sign of a zero


def _decimals(options: Sequence[str]) -> int:
    """Return the number of decimals in a question's options; 2 if there are none."""
    digits = [len(found) for option in options for found in re.findall(r"\.(\d+)", option)]
    return max(digits, default=2)


def _when(start_ns: int, end_ns: int) -> str:
    start, end = seconds(start_ns), seconds(end_ns)
    return f"{start}: " if start_ns == end_ns else f"{start} to {end}: "


def with_facts(question: Question, text: str) -> Question:
    """Return the question with facts before it."""
    return dataclasses.replace(question, question=f"{text}\n{question.question}")


class FactTexts:
    """The facts behind the questions of one shard, as text."""

    def __init__(self, regions: Path, facts: Path, questions: Path | None = None) -> None:
        """Folders of one shard; `questions` for the facts behind each (`of` and `short`)."""
        marked = marked_regions(read_table(regions / "regions.parquet"))
        self._marks = {
            clip_id: {region: mark for mark, region in enumerate(regions_, start=1)}
            for clip_id, regions_ in marked.items()
        }
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        for clip_id, found in read_facts(facts / "facts.parquet").items():
            self._facts[clip_id] = list(found)
        self._ids = {fact.fact_id for found in self._facts.values() for fact in found}
        self._evidence: dict[str, tuple[str, ...]] = {}
        if questions is not None:
            rows = read_table(questions / "questions.parquet").select("qa_id", "fact_ids")
            self._evidence = {qa_id: tuple(ids) for qa_id, ids in rows.iter_rows()}

    def has(self, fact_id: str) -> bool:
        """Return whether a fact of the shard has this id."""
        return fact_id in self._ids

    def marks(self, clip_id: str) -> Mapping[str, int]:
        """Return the marks of a clip's regions by region id."""
        return self._marks.get(clip_id, {})

    def named(self, clip_id: str) -> list[Fact]:
        """Return a clip's facts about marked regions, or about no region (the camera)."""
        marks = self.marks(clip_id)
        return [fact for fact in self._facts[clip_id] if set(fact.region_ids) <= set(marks)]

    def of_times(self, question: Question, times: tuple[str, ...] | None) -> str:
        """Return the clip's facts at the instant or interval that a question names.

        Args:
            question: of the shard.
            times: one instant or two, in seconds, as `questions.wording` writes them; None: the
                facts of all times about the regions that the question names.
        """
        marks = self.marks(question.clip_id)
        facts = self.named(question.clip_id)
        if times is not None:
            wanted = times[0], times[-1]
            facts = [f for f in facts if (seconds(f.start_ns), seconds(f.end_ns)) == wanted]
        else:
            shown = {region for region, mark in marks.items() if f"<obj_{mark}>" in question.turn()}
            facts = [fact for fact in facts if set(fact.region_ids) <= shown]
        facts.sort(key=lambda f: ([marks[r] for r in f.region_ids], f.kind))
        return fact_text(facts, marks)

    def of(self, question: Question, *, as_asked: bool = False) -> str:
        """Return the facts of the question's kinds and interval, about all regions.

        With `as_asked`, numbers are rounded as in the options. A student that reads 0.41 m while
        the option is 0.4 m would have to learn rounding.
        """
        needed = self._needed(question)
        kinds = list(dict.fromkeys(fact.kind for fact in needed))
        spans = {(fact.start_ns, fact.end_ns) for fact in needed}
        marks = self._marks[question.clip_id]
        beside = [
            fact
            for fact in self._facts[question.clip_id]
            if fact.kind in kinds and (fact.start_ns, fact.end_ns) in spans
        ]
        beside.sort(key=lambda f: ([marks.get(r, 0) for r in f.region_ids], kinds.index(f.kind)))
        named = [fact for fact in beside if set(fact.region_ids) <= set(marks)]
        return fact_text(named, marks, _decimals(question.options) if as_asked else None)

    def short(self, question: Question, *, as_asked: bool = False) -> str:
        """Return only the facts that answer the question; `as_asked` as in `of`."""
        decimals = _decimals(question.options) if as_asked else None
        return fact_text(self._needed(question), self._marks[question.clip_id], decimals)

    def _needed(self, question: Question) -> list[Fact]:
        by_id = {fact.fact_id: fact for fact in self._facts[question.clip_id]}
        return [by_id[fact_id] for fact_id in self._evidence[question.qa_id]]


def shard_questions(folder: Path, shard: str) -> list[Question]:
    """Return all questions of a shard's `questions` folder, of every split."""
    names = [field.name for field in dataclasses.fields(Question) if field.name != "shard"]
    rows: Iterable[Mapping[str, Any]] = (
        read_table(folder / "questions.parquet").select(pl.col(names)).iter_rows(named=True)
    )
    return [Question(**{**row, "shard": shard, "options": tuple(row["options"])}) for row in rows]
