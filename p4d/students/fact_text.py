"""Facts as text, for a student that is given perfect facts in the place of the video.

That control shows whether a question can be answered at all from what the pipeline has
measured, and how well a student reads; what then remains to be learned is to see.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_table
from p4d.questions.fact_table import Fact, read_facts
from p4d.questions.regions import marked_regions
from p4d.questions.wording import seconds
from p4d.students.data import Question

UNITS_WRITTEN = {"m": " m", "m/s": " m/s"}


def sentence(fact: Fact, marks: Mapping[str, int]) -> str:
    """Like `<obj_2> mean speed: 0.41 m/s. `; intervals are stated before."""
    named = "".join(f"<obj_{marks[region]}> " for region in fact.region_ids)
    if fact.value_text is not None:
        value = fact.value_text
    elif fact.unit == "count":
        value = f"{fact.value:.0f}"
    else:
        value = f"{fact.value:.2f}{UNITS_WRITTEN.get(fact.unit, '')}"
    return f"{named}{fact.kind.replace('_', ' ')}: {value}. "


def fact_text(facts: Sequence[Fact], marks: Mapping[str, int]) -> str:
    """Sentences grouped by their intervals, like `0 to 1.75: ...`; empty without facts."""
    spans = sorted({(fact.start_ns, fact.end_ns) for fact in facts})
    return "".join(
        _when(*span)
        + "".join(sentence(fact, marks) for fact in facts if (fact.start_ns, fact.end_ns) == span)
        for span in spans
    )


def _when(start_ns: int, end_ns: int) -> str:
    start, end = seconds(start_ns), seconds(end_ns)
    return f"{start}: " if start_ns == end_ns else f"{start} to {end}: "


def with_facts(question: Question, text: str) -> Question:
    """The question with facts before it."""
    return dataclasses.replace(question, question=f"{text}\n{question.question}")


class FactTexts:
    """Facts that belong to the questions of one shard, as text."""

    def __init__(self, regions: Path, facts: Path, questions: Path) -> None:
        """Folders of one shard."""
        marked = marked_regions(read_table(regions / "regions.parquet"))
        self._marks = {
            clip_id: {region: mark for mark, region in enumerate(regions_, start=1)}
            for clip_id, regions_ in marked.items()
        }
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        for clip_id, found in read_facts(facts / "facts.parquet").items():
            self._facts[clip_id] = list(found)
        rows = read_table(questions / "questions.parquet").select("qa_id", "clip_id", "fact_ids")
        self._evidence: dict[str, tuple[str, ...]] = {
            row["qa_id"]: tuple(row["fact_ids"]) for row in rows.iter_rows(named=True)
        }

    def of(self, question: Question) -> str:
        """Facts of the kinds and the interval that the question is about, of all regions."""
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
        return fact_text([fact for fact in beside if set(fact.region_ids) <= set(marks)], marks)

    def short(self, question: Question) -> str:
        """The facts that answer the question, and no others."""
        return fact_text(self._needed(question), self._marks[question.clip_id])

    def _needed(self, question: Question) -> list[Fact]:
        by_id = {fact.fact_id: fact for fact in self._facts[question.clip_id]}
        return [by_id[fact_id] for fact_id in self._evidence[question.qa_id]]


def questions_of(folder: Path, shard: str) -> list[Question]:
    """All questions of a shard's `questions` folder, whatever their split."""
    names = [field.name for field in dataclasses.fields(Question) if field.name != "shard"]
    rows: Iterable[Mapping[str, Any]] = (
        read_table(folder / "questions.parquet").select(pl.col(names)).iter_rows(named=True)
    )
    return [Question(**{**row, "shard": shard, "options": tuple(row["options"])}) for row in rows]
