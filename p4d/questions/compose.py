"""Stage `questions`: from facts to multiple-choice questions, in balanced exchange groups."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table, write_table
from p4d.categories import CATEGORIES
from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ContractError
from p4d.ids import content_id, seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.questions.balance import LETTERS, Candidate, Dealt, draw_group, margin
from p4d.questions.fact_table import Fact, read_facts
from p4d.questions.families import BY_NAME, FAMILIES, Ask, ClipView, Family
from p4d.questions.regions import marked_regions
from p4d.splits import split_for

SCHEMA: dict[str, Any] = {
    "qa_id": pl.String,
    "clip_id": pl.String,
    "video_id": pl.String,
    "category": pl.String,
    "family": pl.String,
    "template": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),
    "answer_index": pl.Int64,
    "answer": pl.String,
    "answer_text": pl.String,
    "fact_ids": pl.List(pl.String),
    "region_ids": pl.List(pl.String),
    "margin_sigma": pl.Float64,
    "dynamic": pl.Boolean,
    "has_truth": pl.Boolean,
}
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
CLIP_FULL = "the clip has its share of questions"
CATEGORY_FULL = "the clip has its share of questions of the category"

PoolKey = tuple[str, str, str]  # family, how it reads, split


@dataclass(frozen=True)
class Clip:
    """What the composer knows of one clip."""

    clip_id: str
    video_id: str
    has_truth: bool
    region_ids: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Composed:
    """Questions and refused candidates, as rows of their tables."""

    questions: list[dict[str, Any]]
    refusals: list[dict[str, Any]]


@dataclass(frozen=True)
class _Entry:
    family: Family
    clip: Clip
    ask: Ask


def build_questions(inputs: StageInputs, out: Path) -> StageReport:
    """Write `questions.parquet` and `refusals.parquet` of one shard."""
    params: QuestionsParams = inputs.params("questions")
    table = read_table(inputs.folder("clips") / "clips.parquet").filter(pl.col("outcome") == "ok")
    regions = marked_regions(read_table(inputs.folder("regions") / "regions.parquet"))
    facts = read_facts(inputs.folder("facts") / "facts.parquet")
    clips = [
        Clip(
            clip_id=row["clip_id"],
            video_id=row["video_id"],
            has_truth=bool(row["has_truth"]),
            region_ids=regions.get(row["clip_id"], ()),
            facts=tuple(facts.get(row["clip_id"], ())),
        )
        for row in table.sort("clip_id").to_dicts()
    ]
    composed = compose(clips, params, inputs.params("release"))
    write_table(
        out / "questions.parquet", pl.DataFrame(composed.questions, schema=SCHEMA),
        sort_by=["qa_id"],
    )  # fmt: skip
    write_table(
        out / "refusals.parquet",
        pl.DataFrame(composed.refusals, schema=REFUSALS_SCHEMA),
        sort_by=["clip_id", "category", "family", "reason"],
    )
    refused = sum(row["count"] for row in composed.refusals)
    by_category = Counter(row["category"] for row in composed.questions)
    inputs.progress(len(clips), len(clips), f"{len(composed.questions)} questions")
    return StageReport(
        rows={"ok": len(composed.questions), "filtered": refused},
        metrics={
            "questions": len(composed.questions),
            "clips_with_questions": len({row["clip_id"] for row in composed.questions}),
            **{f"questions_{name}": by_category[name] for name in CATEGORIES},
        },
    )


def compose(clips: Sequence[Clip], params: QuestionsParams, splits: ReleaseParams) -> Composed:
    """All questions of a shard.

    Categories take turns at drawing one exchange group, and the family with fewest groups draws for
    its category, until nobody finds another. No category may take more than its share of a clip,
    until all have had theirs, and never more than twice that.
    """
    refusals: Counter[tuple[str, str, str]] = Counter()
    pools, entries = _candidates(clips, params, splits, refusals)
    shares = _Shares(clips, params.max_per_clip)
    rows: list[dict[str, Any]] = []
    drawn: Counter[str] = Counter()
    share = -(-params.max_per_clip // len(CATEGORIES))
    for quota in (share, 2 * share):
        # Pools of each family in turn; a pool that gives no group is exhausted for this quota.
        waiting = {f.name: deque(sorted(k for k in pools if k[0] == f.name)) for f in FAMILIES}
        while any(waiting.values()):
            for category in CATEGORIES:
                families = [f for f in FAMILIES if f.category == category]
                for family in sorted(families, key=lambda f: drawn[f.name]):
                    capacity = shares.left(category, quota)
                    group = _draw(family, waiting[family.name], pools, capacity, params)
                    if group:
                        drawn[family.name] += 1
                        shares.take(category, [dealt.candidate.clip_id for dealt in group])
                        rows.extend(_row(entries[dealt.candidate.key], dealt) for dealt in group)
                        break
    for (name, *_), pool in pools.items():
        for candidate in pool.values():
            reason = shares.why_full(candidate.clip_id, BY_NAME[name].category, 2 * share)
            refusals[(candidate.clip_id, name, reason or NO_PARTNERS)] += 1
    refusal_rows = [
        {"clip_id": clip_id, "category": BY_NAME[name].category, "family": name,
         "reason": reason, "count": count}
        for (clip_id, name, reason), count in sorted(refusals.items())
    ]  # fmt: skip
    return Composed(sorted(rows, key=lambda row: row["qa_id"]), refusal_rows)


class _Shares:
    """How many questions each clip may still get, in all and of one category."""

    def __init__(self, clips: Sequence[Clip], max_per_clip: int) -> None:
        self._left = {clip.clip_id: max_per_clip for clip in clips}
        self._used: Counter[tuple[str, str]] = Counter()

    def left(self, category: str, quota: int) -> dict[str, int]:
        """Per clip, within `quota` questions of the category."""
        used = self._used
        return {
            clip_id: min(left, quota - used[(clip_id, category)])
            for clip_id, left in self._left.items()
        }

    def why_full(self, clip_id: str, category: str, quota: int) -> str | None:
        """Why the clip gets no more questions of the category, if it gets none."""
        if self._left[clip_id] <= 0:
            return CLIP_FULL
        return CATEGORY_FULL if self._used[(clip_id, category)] >= quota else None

    def take(self, category: str, clip_ids: Iterable[str]) -> None:
        """Book one question of the category for each named clip."""
        for clip_id in clip_ids:
            self._left[clip_id] -= 1
            self._used[(clip_id, category)] += 1


def _draw(
    family: Family,
    waiting: deque[PoolKey],
    pools: Mapping[PoolKey, dict[str, Candidate]],
    capacity: Mapping[str, int],
    params: QuestionsParams,
) -> list[Dealt]:
    """A group from the family's next pool that gives one, taken out of it; empty if none does."""
    while waiting:
        key = waiting.popleft()
        group = draw_group(
            list(pools[key].values()),
            family.rule,
            size=family.rule.size(params.options),
            margin_sigma=params.margin_sigma,
            capacity=capacity,
        )
        if group is not None:
            waiting.append(key)
            for dealt in group:
                del pools[key][dealt.candidate.key]
            return group
    return []


def _candidates(
    clips: Sequence[Clip],
    params: QuestionsParams,
    splits: ReleaseParams,
    refusals: Counter[tuple[str, str, str]],
) -> tuple[dict[PoolKey, dict[str, Candidate]], dict[str, _Entry]]:
    """Candidates that are certain enough, in pools of one split that read alike."""
    pools: dict[PoolKey, dict[str, Candidate]] = defaultdict(dict)
    entries: dict[str, _Entry] = {}
    max_marks = max((len(clip.region_ids) for clip in clips), default=0)
    for clip in clips:
        view = ClipView(clip.clip_id, clip.facts, clip.region_ids, max_marks)
        split = split_for(clip.video_id, splits)
        present = {fact.kind for fact in clip.facts}
        for family in FAMILIES:
            if not set(family.needs) <= present:
                refusals[(clip.clip_id, family.name, NO_FACT)] += 1
                continue
            for ask in family.asks(view):
                if family.rule.reach / ask.sigma < params.margin_sigma:
                    refusals[(clip.clip_id, family.name, UNCERTAIN)] += 1
                    continue
                key = content_id(
                    "ask", family.name, sorted(ask.fills.items()), [f.fact_id for f in ask.facts]
                )
                pools[(family.name, ask.reads_as, split)][key] = Candidate(
                    key=key,
                    clip_id=clip.clip_id,
                    answer=family.answer(ask.facts),
                    sigma=ask.sigma,
                )
                entries[key] = _Entry(family, clip, ask)
    return pools, entries


def _row(entry: _Entry, dealt: Dealt) -> dict[str, Any]:
    family, clip, ask = entry.family, entry.clip, entry.ask
    rng = np.random.default_rng(seed_for(dealt.candidate.key, "phrasing"))
    template = family.phrasings[int(rng.integers(len(family.phrasings)))]
    question = template.format(**ask.fills)
    options = list(dealt.options)
    answer_text = options[dealt.answer_index]
    fact_ids = [fact.fact_id for fact in ask.facts]
    return {
        "qa_id": content_id(
            "qa", clip.clip_id, family.name, question, options, answer_text, fact_ids
        ),
        "clip_id": clip.clip_id,
        "video_id": clip.video_id,
        "category": family.category,
        "family": family.name,
        "template": template,
        "question": question,
        "options": options,
        "answer_index": dealt.answer_index,
        "answer": LETTERS[dealt.answer_index],
        "answer_text": answer_text,
        "fact_ids": fact_ids,
        "region_ids": list(ask.regions),
        "margin_sigma": round(min(dealt.margin_sigma, 1e6), 3),
        "dynamic": family.dynamic,
        "has_truth": clip.has_truth,
    }


def recompute(question_row: Mapping[str, Any], facts: Iterable[Fact] | Mapping[str, Fact]) -> int:
    """The index of the right option by the question's facts alone.

    Args:
        question_row: a row of `questions.parquet`; its stored answer is not looked at.
        facts: facts that contain the question's, or a mapping by `fact_id`.

    Raises:
        ContractError: a fact or the family is missing, or no single option is nearest.

    """
    by_id = facts if isinstance(facts, Mapping) else {fact.fact_id: fact for fact in facts}
    name = question_row["qa_id"]
    missing = [fact_id for fact_id in question_row["fact_ids"] if fact_id not in by_id]
    if missing:
        raise ContractError(f"{name}: facts {missing} are missing; rebuild facts and questions")
    if question_row["family"] not in BY_NAME:
        raise ContractError(f"{name}: unknown family {question_row['family']!r}")
    family = BY_NAME[question_row["family"]]
    answer = family.answer([by_id[fact_id] for fact_id in question_row["fact_ids"]])
    options = list(question_row["options"])
    if not margin(family.rule, answer, 1.0, options) > 0:
        raise ContractError(f"{name}: {answer!r} fits no single one of the options {options}")
    distances = family.rule.distances(answer, options)
    return distances.index(min(distances))
