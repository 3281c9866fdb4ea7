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
from p4d.evaluation.answering.replies import Journal
from p4d.evaluation.answering.visuals import ClipVisuals, VideoVisuals, VisualSource, view_id
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem
from p4d.evaluation.page import render_page
from p4d.evaluation.scoring.benchmark_metrics import benchmark_metrics, scores_by_method
from p4d.evaluation.scoring.chance import chance_report
from p4d.evaluation.scoring.predictions import FILE, SCORING_METHODS, predictions
from p4d.evaluation.scoring.statistics import Bootstrap, by_category_csv
from p4d.ids import content_id, seed_for
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import Question
from p4d.students.model.chat import question_turn
from p4d.students.model.pretrained import open_student
from p4d.students.model.student import Student, read_card

JOURNAL = "replies.jsonl"
PUBLISHED_FRAMES, PUBLISHED_PX = 16, 384
"""Defaults for a plain checkpoint: 16 frames as the 4D-RGPT release, and LLaVA-OneVision's size."""


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Settings of an evaluation; None takes what the model was trained with.

    Attributes:
        batch: clips per batch.
        limit: ask only this many items, drawn by their ids.
        frames: frames per clip.
        size_px: side of the frames before the model's own resizing.
        prompt: `student`: the layout students of this project are trained on; `benchmark`: the
            published one.
        likelihood: score options besides generating text.
    """

    batch: int = 8
    limit: int | None = None
    frames: int | None = None
    size_px: int | None = None
    prompt: Literal["student", "benchmark"] | None = None
    likelihood: bool = True
    device: str = "cpu"
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
    items = limited(benchmark.items, settings.limit)
    if not items:
        reasons = sorted({item.reason for item in benchmark.rejected})
        raise ContractError(
            f"{benchmark.folder} has no item that can be asked: {'; '.join(reasons[:3]) or 'empty'}"
        )
    student = open_model(model)
    student.adapter.model.to(settings.device)  # type: ignore[arg-type]
    frames, size_px, prompt = _as_trained(student, model, params, settings)
    views = {item.item_id: view_id(item) for item in items}
    questions = [question_of(benchmark, item, views[item.item_id], prompt) for item in items]
    visuals = visuals_of(benchmark, items, frames, size_px)
    asking = AskSettings(frames=frames, batch=settings.batch, likelihood=settings.likelihood)
    run = {
        "benchmark": benchmark.name,
        "items": _items_id(benchmark, items),
        "model": _model_id(model),
        "prompt": prompt,
        "size_px": size_px,
        "threads": settings.threads,
        **dataclasses.asdict(asking),
    }
    journal = Journal(out / JOURNAL, run)
    with deterministic(settings.threads, seed=0):
        replies = ask(student, questions, visuals, asking, journal=journal, progress=progress)
    table = predictions(benchmark, items, replies, views)
    by_id = {question.qa_id: question for question in questions}
    metrics = _write_results(
        out,
        table,
        Bootstrap(params.evaluation.bootstrap_samples, params.evaluation.confidence),
        {"benchmark": benchmark.name, "run": run, "model": model.name},
    )
    page = render_page(metrics, table, lambda qa_id: visuals.of(by_id[qa_id]))
    write_bytes(out / "index.html", page.encode())
    return metrics


def _write_results(
    out: Path, table: pl.DataFrame, bootstrap: Bootstrap, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write predictions, metrics and the table by category; return the metrics."""
    metrics = {**benchmark_metrics(about["benchmark"], table, bootstrap), **about}
    if table.filter((pl.col("outcome") == "ok") & pl.col("family").is_not_null()).height:
        metrics["against_chance"] = chance_report(table, bootstrap.confidence)
    write_table(out / FILE, table, sort_by=["qa_id"])
    write_json(out / "metrics.json", metrics)
    by_category = by_category_csv(scores_by_method(table, bootstrap), "scoring")
    write_bytes(out / "by_category.csv", by_category)
    return metrics


def open_model(folder: Path) -> Student:
    """Load a student of this project, an exported one, or a published checkpoint as it is.

    Raises:
        ContractError: the folder holds none of them.
    """
    return open_student(folder)


def limited(items: Sequence[BenchmarkItem], limit: int | None) -> list[BenchmarkItem]:
    """Return a fixed subset of the items, drawn by id and in order of ids; None takes all."""
    if limit is None or limit >= len(items):
        return list(items)
    drawn = sorted(items, key=lambda item: seed_for("limit", item.item_id))[:limit]
    return sorted(drawn, key=lambda item: item.item_id)


def _as_trained(
    student: Student, model: Path, params: Params, settings: EvaluateSettings
) -> tuple[int, int, Literal["student", "benchmark"]]:
    """Resolve frames, size and prompt from the settings, else the model, else the parameters."""
    card_file = model / "card.json"
    ours = card_file.is_file()
    card = read_card(model) if ours else {}
    frames = settings.frames or card.get("frames") or (params.clips.frames if ours else None)
    vision = getattr(student.adapter.model.config, "vision_config", None)
    side = card.get("size_px") or getattr(vision, "image_size", None)
    size_px = settings.size_px or side or (params.clips.size_px if ours else PUBLISHED_PX)
    prompt = settings.prompt or ("student" if ours else "benchmark")
    if not isinstance(size_px, int) or not 16 <= size_px <= 2048:
        raise ConfigError(f"frames of {size_px} px: pass --size-px between 16 and 2048")
    return int(frames or PUBLISHED_FRAMES), size_px, prompt


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


def visuals_of(
    benchmark: Benchmark, items: Sequence[BenchmarkItem], frames: int, size_px: int
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
    if metrics["generated"]:
        lines.append(f"texts without an answer: {metrics['unparsed']} of {metrics['generated']}")
    return lines
