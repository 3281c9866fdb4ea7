"""Evaluates one model on one benchmark (`p4d evaluate`): predictions, metrics, tables, a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from p4d.artifacts import write_bytes, write_json, write_table
from p4d.config import Params
from p4d.determinism import deterministic
from p4d.errors import ConfigError, ContractError
from p4d.evaluation.answering.ask import AskSettings, ask
from p4d.evaluation.answering.placement import Placement, load_placed
from p4d.evaluation.answering.replies import Journal
from p4d.evaluation.answering.visuals import ClipVisuals, VideoVisuals, VisualSource, view_id
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem
from p4d.evaluation.controls.text_rows import asking_with_facts, benchmark_rows
from p4d.evaluation.page import render_page
from p4d.evaluation.reproduction import reproduction_card
from p4d.evaluation.scoring.benchmark_metrics import benchmark_metrics, scores_by_method
from p4d.evaluation.scoring.chance import chance_report
from p4d.evaluation.scoring.predictions import FILE, SCORING_METHODS, predictions
from p4d.evaluation.scoring.published import as_published, published_figures
from p4d.evaluation.scoring.statistics import Bootstrap, by_category_csv
from p4d.ids import content_id, seed_for
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.fact_text import with_facts
from p4d.students.data.questions import Question
from p4d.students.model.chat import question_turn
from p4d.students.model.pretrained import open_student
from p4d.students.model.student import Student, read_card

JOURNAL = "replies.jsonl"
PUBLISHED_PX = 384
"""Side of frames for a checkpoint whose config names none: LLaVA-OneVision's."""


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Settings of an evaluation.

    None takes what a student of this project was trained with; for another checkpoint it takes
    what the benchmark's own evaluation does.

    Attributes:
        batch: rows per batch, each a clip with some of its questions.
        limit: ask only this many items, drawn by their ids.
        frames: frames per clip.
        size_px: side of the frames before the model's own resizing.
        prompt: `student`: the layout students of this project are trained on; `benchmark`: the
            published one.
        max_new_tokens: the longest reply.
        as_published: prompt, frames and longest reply of the published evaluation, unless they are
            given.
        likelihood: score options besides generating text.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, ...
        dtype: of the weights: `auto` (float32 on a CPU, bfloat16 on a GPU), or a type by name.
        attention: the implementation of the network's attention.
        facts: text that stands before a question, by item (`p4d/evaluation/controls`); None: no
            question has any.
    """

    batch: int = 8
    limit: int | None = None
    frames: int | None = None
    size_px: int | None = None
    prompt: Literal["student", "benchmark"] | None = None
    max_new_tokens: int | None = None
    as_published: bool = False
    likelihood: bool = True
    device: str = "cpu"
    dtype: str = "auto"
    attention: str = "sdpa"
    facts: Mapping[str, str] | None = None
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class PromptedQuestion(Question):
    """A question in the words of a benchmark's own evaluation."""

    prompt: str

    def turn(self) -> str:
        """Return the prompt unchanged: it holds options and instructions."""
        return question_turn(self.prompt, ())


def evaluate(
    benchmark: Benchmark,
    model: Path,
    out: Path,
    params: Params,
    settings: EvaluateSettings,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Any]:
    """Ask, score and report. A killed run resumes where it stopped.

    Writes `replies.jsonl` (append-only), `predictions.parquet`, `metrics.json`, `by_category.csv`
    and `index.html` into `out`.

    Args:
        benchmark: as read from its folder.
        model: a student's folder, or a transformers checkpoint.
        out: folder of this model on this benchmark; holds the journal.
        params: `clips` for students of this project, `evaluation` for the statistics.
        settings: see `EvaluateSettings`.
        progress: called as `(done, total, note)`.

    Returns:
        The content of `metrics.json`.

    Raises:
        ContractError: no model, nothing to ask, or `out` holds another run.
        ConfigError: settings that the model cannot use.
    """
    items = _items(benchmark, settings.limit)
    student, placement = load_placed(
        open_student,
        model,
        device=settings.device,
        dtype=settings.dtype,
        attention=settings.attention,
    )
    asked = _how_asked(benchmark, student, model, params, settings)
    views = {item.item_id: view_id(item) for item in items}
    questions = [question_of(benchmark, item, views[item.item_id], asked.prompt) for item in items]
    if settings.facts is not None:
        questions = [_with_text(each, settings.facts.get(each.qa_id, "")) for each in questions]
    visuals = visuals_of(benchmark, items, asked.frames, asked.size_px)
    asking = _asking(asked, settings)
    checkpoint = _model_id(model)
    run = {
        "benchmark": benchmark.name,
        "items": _items_id(benchmark, items),
        "model": checkpoint,
        **_run_settings(asked, asking, placement, settings),
    }
    journal = Journal(out / JOURNAL, run)
    with deterministic(settings.threads, seed=0):
        replies = ask(student, questions, visuals, asking, journal=journal, progress=progress)
    table = predictions(benchmark, items, replies, views)
    by_id = {question.qa_id: question for question in questions}
    about = {
        "run": run,
        "model": model.name,
        "published": as_published(
            benchmark, published_figures(benchmark, items, table), dataclasses.asdict(asked)
        ),
        "reproduction": reproduction_card(
            placement, asking, questions, checkpoint=checkpoint, threads=settings.threads
        ),
        "compared_with": benchmark_rows(benchmark.name, out, run["items"]),
    }
    if settings.facts is not None:
        measured = sum(item.item_id in settings.facts for item in items)
        about["facts"] = {"told": measured, "asked": len(items)}
    bootstrap = Bootstrap(params.evaluation.bootstrap_samples, params.evaluation.confidence)
    metrics = _write_results(out, benchmark, table, bootstrap, about)
    page = render_page(metrics, table, lambda qa_id: visuals.of(by_id[qa_id]))
    write_bytes(out / "index.html", page.encode())
    return metrics


def _items(benchmark: Benchmark, limit: int | None) -> list[BenchmarkItem]:
    items = limited(benchmark.items, limit)
    if not items:
        reasons = sorted({item.reason for item in benchmark.rejected})
        raise ContractError(
            f"{benchmark.folder} has no item that can be asked: {'; '.join(reasons[:3]) or 'empty'}"
        )
    return items


def _asking(asked: _HowAsked, settings: EvaluateSettings) -> AskSettings:
    asking = AskSettings(
        frames=asked.frames,
        batch=settings.batch,
        answer_tokens=asked.max_new_tokens,
        likelihood=settings.likelihood,
    )
    return asking if settings.facts is None else asking_with_facts(asking)


def _run_settings(
    asked: _HowAsked, asking: AskSettings, placement: Placement, settings: EvaluateSettings
) -> dict[str, Any]:
    """What may change a reply, so that a journal is continued with equal settings only."""
    return {
        "prompt": asked.prompt,
        "size_px": asked.size_px,
        "threads": settings.threads,
        **({} if placement.dtype == "float32" else {"dtype": placement.dtype}),
        **({} if settings.attention == "sdpa" else {"attention": placement.attention}),
        **({} if settings.facts is None else {"facts": content_id("facts", settings.facts)}),
        **{k: v for k, v in dataclasses.asdict(asking).items() if k != "questions_per_row"},
    }


def _write_results(
    out: Path,
    benchmark: Benchmark,
    table: pl.DataFrame,
    bootstrap: Bootstrap,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write predictions, metrics and the table by category; return the metrics."""
    metrics = {**benchmark_metrics(benchmark, table, bootstrap), **about}
    if table.filter((pl.col("outcome") == "ok") & pl.col("family").is_not_null()).height:
        metrics["against_chance"] = chance_report(table, bootstrap.confidence)
    write_table(out / FILE, table, sort_by=["qa_id"])
    write_json(out / "metrics.json", metrics)
    by_category = by_category_csv(scores_by_method(table, bootstrap), "scoring")
    write_bytes(out / "by_category.csv", by_category)
    return metrics


def limited(items: Sequence[BenchmarkItem], limit: int | None) -> list[BenchmarkItem]:
    """Return a fixed subset of the items, drawn by id and in order of ids; None takes all."""
    if limit is None or limit >= len(items):
        return list(items)
    drawn = sorted(items, key=lambda item: seed_for("limit", item.item_id))[:limit]
    return sorted(drawn, key=lambda item: item.item_id)


@dataclass(frozen=True, kw_only=True)
class _HowAsked:
    """Resolved settings of what a model is shown and how long it may answer."""

    frames: int
    size_px: int | None
    prompt: Literal["student", "benchmark"]
    max_new_tokens: int


def _how_asked(
    benchmark: Benchmark,
    student: Student,
    model: Path,
    params: Params,
    settings: EvaluateSettings,
) -> _HowAsked:
    """Resolve what is not given: as trained for our students, else as published."""
    ours = (model / "card.json").is_file()
    card = read_card(model) if ours else {}
    published = settings.as_published or not ours
    vision = getattr(student.adapter.model.config, "vision_config", None)
    side = card.get("size_px") or getattr(vision, "image_size", None)
    size_px = settings.size_px or side or (params.clips.size_px if ours else PUBLISHED_PX)
    if student.as_published and settings.size_px is None:
        size_px = None  # its processor resizes the frames itself
    elif not isinstance(size_px, int) or not 16 <= size_px <= 2048:
        raise ConfigError(f"frames of {size_px} px: pass --size-px between 16 and 2048")
    rules = benchmark.rules
    trained = card.get("frames") or params.clips.frames
    return _HowAsked(
        frames=settings.frames or int(rules.frames if published else trained),
        size_px=size_px,
        prompt=settings.prompt or ("benchmark" if published else "student"),
        max_new_tokens=settings.max_new_tokens
        or (rules.max_new_tokens if published else params.evaluation.max_new_tokens),
    )


def question_of(benchmark: Benchmark, item: BenchmarkItem, view: str, prompt: str) -> Question:
    """Return an item as a question, in the students' layout or, with `benchmark`, the published."""
    common: dict[str, Any] = {
        "qa_id": item.item_id,
        "clip_id": view,
        "video_id": item.group,
        "shard": item.clip[0] if item.clip else "",
        "category": item.category,
        "question": item.question,
        "options": item.options,
        "answer_index": item.answer_index or 0,
        "dynamic": bool(item.dynamic),
    }
    if prompt == "student" and item.kind == "mcq":
        return Question(**common)
    return PromptedQuestion(**common, prompt=benchmark.rules.prompt(item))


def _with_text(question: Question, text: str) -> Question:
    """The question with a text before it, in the layout that it has."""
    if not text:
        return question
    if isinstance(question, PromptedQuestion):
        return dataclasses.replace(question, prompt=f"{text}\n{question.prompt}")
    return with_facts(question, text)


def visuals_of(
    benchmark: Benchmark, items: Sequence[BenchmarkItem], frames: int, size_px: int | None
) -> VisualSource:
    """Return the benchmark's own clips with masks if they fit the model, else its video files."""
    if benchmark.stages is not None and all(item.clip for item in items):
        shards = sorted({item.clip[0] for item in items if item.clip})
        own = ClipReader(
            *({shard: benchmark.stages / stage / shard for shard in shards}
              for stage in ("clips", "regions"))
        )  # fmt: skip
        first = own.read(*items[0].clip) if items[0].clip else None
        if first is not None and first.frames.shape[:2] == (1 + frames, size_px):
            return ClipVisuals(own)
    by_id = {item.item_id: item for item in items}
    return VideoVisuals(by_id, frames=frames, size_px=size_px, sampling=benchmark.sampling)


def _items_id(benchmark: Benchmark, items: Sequence[BenchmarkItem]) -> str:
    def fields(item: BenchmarkItem) -> list[object]:
        found = dataclasses.asdict(item)
        for name in ("video", "marks"):
            path = found[name]
            found[name] = path.relative_to(benchmark.folder.resolve()).as_posix() if path else None
        if found["subset"] is None:  # as older journals name their items
            del found["subset"]
        return [found[name] for name in sorted(found)]

    return content_id("items", [fields(item) for item in items])


def _model_id(model: Path) -> str:
    from p4d.versioning.files.artifact_key import data_version
    from p4d.versioning.files.hashes import tree_of

    return data_version(tree_of(model).digest.md5)


def summary_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Return the result for a terminal: the slices by the primary metric, and unparsed texts."""
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in metrics["outcomes"].items())
    primary = metrics["primary_metric"]
    lines = [f"{metrics['model']} on {metrics['benchmark']}: {outcomes}"]
    lines.append(f"by {SCORING_METHODS[primary]}:")
    for name, i in metrics["scores"].get(primary, {}).items():
        lines.append(f"  {name:<29}{i['n']:>6}  {i['value']:.3f} [{i['low']:.3f}, {i['high']:.3f}]")
    if metrics["chance"] is not None:
        lines.append(f"  chance{'':<31}{metrics['chance']:.3f}")
    published = metrics["published"]
    if published["figures"]:
        differs = ", ".join(published["differs"])
        lines.append(
            f"by the benchmark's own rule: {published['figures']['overall']:.3f} "
            f"({'with other ' + differs if differs else 'as published'})"
        )
    if metrics["generated"]:
        lines.append(f"texts without an answer: {metrics['unparsed']} of {metrics['generated']}")
    return lines
