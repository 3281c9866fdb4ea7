"""One model on one benchmark: predictions, scores, tables and the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from p4d.artifacts import read_json, write_bytes, write_json, write_table
from p4d.config import Params
from p4d.determinism import deterministic
from p4d.errors import ConfigError, ContractError
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem
from p4d.evaluation.page import render_page
from p4d.evaluation.pictures import VideoPictures, view_id
from p4d.evaluation.scoring.answering import Asking, ClipPictures, Journal, Pictures, ask
from p4d.evaluation.scoring.chance import chance_report
from p4d.evaluation.scoring.methods import WAYS, by_way, metrics, predictions
from p4d.evaluation.scoring.metrics import Bootstrap, by_category_csv
from p4d.ids import content_id, seed_for
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import Question
from p4d.students.model.adapters import adapter_for
from p4d.students.model.chat import question_turn
from p4d.students.model.student import Student, load, load_checkpoint

JOURNAL = "replies.jsonl"
PUBLISHED_FRAMES, PUBLISHED_PX = 16, 384
ANSWER_TOKENS = 24


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be chosen; None takes what the model was trained with.

    Attributes:
        prompt: `student`: the layout our students are trained on; `benchmark`: the published one.
        frames: pictures of a clip.
        size_px: side of the pictures before the model's own resizing.
        limit: ask only so many items, drawn by their ids.
        likelihood: score options, besides text.
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
class Prompted(Question):
    """A question in the words of a benchmark's own evaluation."""

    body: str

    def turn(self) -> str:
        """The body as it is: it holds options and instructions."""
        return question_turn(self.body, ())


def evaluate(
    benchmark: Benchmark,
    model: Path,
    out: Path,
    params: Params,
    settings: Settings,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> dict[str, Any]:
    """Ask, score and report; a run that was killed goes on where it stopped.

    Writes `replies.jsonl` (append-only), `predictions.parquet`, `metrics.json`, `by_category.csv`
    and `index.html` into `out`.

    Args:
        benchmark: as read from its folder.
        model: a student's folder, or a transformers checkpoint.
        out: for this model on this benchmark; holds the journal.
        params: `clips` for students of this project, `evaluation` for the statistics.
        settings: see `Settings`.
        progress: called as `(done, total, note)`.

    Returns:
        The content of `metrics.json`.

    Raises:
        ContractError: no model, nothing to ask, or `out` holds another run.
        ConfigError: settings that the model cannot use.
    """
    items = limited(benchmark.items, settings.limit)
    if not items:
        reasons = sorted({bad.reason for bad in benchmark.bad})
        raise ContractError(
            f"{benchmark.folder} has no item that can be asked: {'; '.join(reasons[:3]) or 'empty'}"
        )
    student = open_model(model)
    student.adapter.model.to(settings.device)  # type: ignore[arg-type]
    frames, size_px, prompt = _as_trained(student, model, params, settings)
    views = {item.item_id: view_id(item) for item in items}
    questions = [question_of(benchmark, item, views[item.item_id], prompt) for item in items]
    pictures = pictures_of(benchmark, items, frames, size_px)
    how = Asking(
        frames=frames,
        batch=settings.batch,
        answer_tokens=ANSWER_TOKENS,
        likelihood=settings.likelihood,
    )
    run = {
        "benchmark": benchmark.name,
        "items": _items_id(benchmark, items),
        "model": _model_id(model),
        "prompt": prompt,
        "size_px": size_px,
        "threads": settings.threads,
        **dataclasses.asdict(how),
    }
    journal = Journal(out / JOURNAL, run)
    with deterministic(settings.threads, seed=0):
        replies = ask(student, questions, pictures, how, journal=journal, progress=progress)
    table = predictions(benchmark, items, replies, views)
    statistics = Bootstrap(params.evaluation.bootstrap_samples, params.evaluation.confidence)
    found = metrics(benchmark, table, statistics) | {"run": run, "model": model.name}
    if table.filter((pl.col("outcome") == "ok") & pl.col("family").is_not_null()).height:
        found["against_chance"] = chance_report(table, params.evaluation.confidence)
    write_table(out / "predictions.parquet", table, sort_by=["qa_id"])
    write_json(out / "metrics.json", found)
    write_bytes(out / "by_category.csv", by_category_csv(by_way(table, statistics), "way"))
    by_id = {question.qa_id: question for question in questions}
    page = render_page(found, table, lambda qa_id: pictures.of(by_id[qa_id]))
    write_bytes(out / "index.html", page.encode())
    return found


def open_model(folder: Path) -> Student:
    """A student of this project (with its `card.json`), or a plain transformers checkpoint.

    Raises:
        ContractError: the folder holds neither.
    """
    if (folder / "card.json").is_file():
        return load(folder)
    if not (folder / "config.json").is_file():
        raise ContractError(
            f"{folder} holds no model: expected card.json of a student or config.json of a "
            "transformers checkpoint"
        )
    model, tokenizer = load_checkpoint(folder, folder)
    return Student(adapter=adapter_for(model), tokenizer=tokenizer, sees_video=True)


def limited(items: Sequence[BenchmarkItem], limit: int | None) -> list[BenchmarkItem]:
    """A fixed part of the items, drawn by id and in order of ids; None takes all."""
    if limit is None or limit >= len(items):
        return list(items)
    drawn = sorted(items, key=lambda item: seed_for("limit", item.item_id))[:limit]
    return sorted(drawn, key=lambda item: item.item_id)


def _as_trained(
    student: Student, model: Path, params: Params, settings: Settings
) -> tuple[int, int, Literal["student", "benchmark"]]:
    card_file = model / "card.json"
    ours = card_file.is_file()
    card = read_json(card_file) if ours else {}
    frames = settings.frames or card.get("frames") or (params.clips.frames if ours else None)
    vision = getattr(student.adapter.model.config, "vision_config", None)
    side = card.get("size_px") or getattr(vision, "image_size", None)
    size_px = settings.size_px or side or (params.clips.size_px if ours else PUBLISHED_PX)
    prompt = settings.prompt or ("student" if ours else "benchmark")
    if not isinstance(size_px, int) or not 16 <= size_px <= 2048:
        raise ConfigError(f"pictures of {size_px} px: pass --size-px between 16 and 2048")
    return int(frames or PUBLISHED_FRAMES), size_px, prompt


def question_of(benchmark: Benchmark, item: BenchmarkItem, view: str, prompt: str) -> Question:
    """An item as our students or, with prompt `benchmark`, others are asked it."""
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
    return Prompted(**common, body=benchmark.body(item))


def pictures_of(
    benchmark: Benchmark, items: Sequence[BenchmarkItem], frames: int, size_px: int
) -> Pictures:
    """Clips in our own layout where they fit the model, masks included; else the video files."""
    if benchmark.stages is not None and all(item.clip for item in items):
        shards = sorted({item.clip[0] for item in items if item.clip})
        own = ClipReader(
            *({shard: benchmark.stages / stage / shard for shard in shards}
              for stage in ("clips", "regions"))
        )  # fmt: skip
        first = own.read(*items[0].clip) if items[0].clip else None
        if first is not None and first.frames.shape[:2] == (1 + frames, size_px):
            return ClipPictures(own)
    by_id = {item.item_id: item for item in items}
    return VideoPictures(by_id, frames=frames, size_px=size_px, sampling=benchmark.sampling)


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


def summary_lines(found: Mapping[str, Any]) -> list[str]:
    """The result for a terminal: the slices of the score of record, and what was not read."""
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in found["outcomes"].items())
    lines = [f"{found['model']} on {found['benchmark']}: {outcomes}"]
    lines.append(f"by {WAYS[found['way_of_record']]}:")
    for name, i in found["scores"].get(found["way_of_record"], {}).items():
        lines.append(f"  {name:<29}{i['n']:>6}  {i['value']:.3f} [{i['low']:.3f}, {i['high']:.3f}]")
    if found["chance"] is not None:
        lines.append(f"  chance of choices{'':<20}{found['chance']:.3f}")
    if found["generated"]:
        lines.append(f"texts without an answer: {found['unparsed']} of {found['generated']}")
    return lines


def latest_table(folder: Path) -> pl.DataFrame:
    """The predictions of a finished evaluation.

    Raises:
        ContractError: the folder holds none.
    """
    path = folder / "predictions.parquet"
    if not path.is_file():
        raise ContractError(f"{folder} holds no predictions.parquet; run p4d evaluate first")
    return pl.read_parquet(path)
