"""Stage `labels`: every teacher labels every clip that it can; labels are stored, then measured.

A label that breaks the contract becomes a failed row with its reason and has no arrays; the shard
continues. Statistics are computed from what is stored, so they also cover the codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import Arrays, read_table, write_table
from p4d.config import LabelsParams
from p4d.determinism import deterministic
from p4d.errors import LabelError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.teachers.expert4d.network import read_config
from p4d.teachers.labelling.behind import Behind, Kept
from p4d.teachers.labelling.clip_truth import ClipTruths
from p4d.teachers.labelling.sources import write_record
from p4d.teachers.labelling.statistics import STATS_SCHEMA
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import ClipInput, LabelArrays, PredictingTeacher, Teacher
from p4d.teachers.registry import make_teachers
from p4d.video.source_frames import ReadFrames, SourceFrames, SourceSize

INDEX_SCHEMA = {
    "clip_id": pl.String,
    "teacher": pl.String,
    "teacher_digest": pl.String,
    "depth_kind": pl.String,
    "scale_kind": pl.String,
    "map_px": pl.Int64,
    "outcome": pl.String,
    "reason": pl.String,
}


@dataclass(frozen=True, kw_only=True)
class LabelOutcome:
    """Outcome of one clip and one teacher; `reason` is None if the label is stored.

    `scale_kind` is that of the label: a teacher that copies truth has the scale of the truth.
    """

    clip_id: str
    teacher: Teacher
    reason: str | None
    scale_kind: str

    def row(self) -> dict[str, Any]:
        """Row of `index.parquet`."""
        return {
            "clip_id": self.clip_id,
            "teacher": self.teacher.name,
            "teacher_digest": self.teacher.digest,
            "depth_kind": self.teacher.depth_kind,
            "scale_kind": self.scale_kind,
            "map_px": self.teacher.map_px,
            "outcome": "ok" if self.reason is None else "failed",
            "reason": self.reason,
        }


def build_labels(inputs: StageInputs, out: Path) -> StageReport:
    """Label the shard's accepted clips with the configured teachers."""
    params = inputs.params("labels")
    expert_folder = inputs.folder("expert")
    teachers = make_teachers(params, expert_folder)
    tokens_hw = read_config(expert_folder).tokens_hw
    source = any(teacher.reads is not None or teacher.uses for teacher in teachers)
    clips = ShardClips(inputs.folder("clips"), inputs.folder("videos") if source else None)
    with deterministic(params.threads, seed_for("labels"), device=_device(params)):
        outcomes = label_clips(
            clips, teachers, out, batch=params.batch, tokens_hw=tokens_hw,
            progress=inputs.progress,
        )  # fmt: skip
    write_record(out, params, teachers)
    failed = sum(one.reason is not None for one in outcomes)
    stats = read_table(out / "label_stats.parquet").filter(pl.col("teacher") == "expert4d")
    metrics: dict[str, float | int | str] = {"labels": len(outcomes), "failed": failed}
    for name in ("depth_absrel", "flow_epe_px", "flow_zero_epe_px", "motion_iou"):
        mean = stats[name].mean()
        if isinstance(mean, float):
            metrics[name] = round(mean, 4)
    return StageReport(rows={"ok": len(outcomes) - failed, "failed": failed}, metrics=metrics)


def _device(params: LabelsParams) -> str:
    """`cuda` if any teacher runs on a GPU."""
    used = {params.settings[name].device for name in params.teachers if name in params.settings}
    return "cuda" if used - {"cpu"} else "cpu"


class ShardClips:
    """The clips of a shard with outcome ok, read one at a time."""

    def __init__(self, folder: Path, videos: Path | None = None) -> None:
        """Open `clips.parquet` and the array files of `folder`.

        `videos`: folder of the stage `videos`, for teachers that read source frames.
        """
        table = read_table(folder / "clips.parquet")
        kept = table.filter(pl.col("outcome") == "ok").sort("clip_id")
        self._clip_ids = tuple(kept["clip_id"])
        self._table, self._videos = kept, videos
        self._frames = Arrays(folder / "frames.safetensors")
        self._truths = ClipTruths(folder)

    def first(self, count: int) -> ShardClips:
        """The same shard with its first clips alone, in the order of their ids."""
        part = copy(self)
        part._table = self._table.head(count)
        part._clip_ids = self._clip_ids[:count]
        return part

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Sorted ids."""
        return self._clip_ids

    def has_truth(self, clip_id: str) -> bool:
        """Whether the clip has exact truth that a label can hold."""
        return bool(self._truths.modalities(clip_id))

    def scale_kind(self, clip_id: str) -> str:
        """Scale of the clip's truth."""
        return self._truths.parts(clip_id).scale

    def read(self, clip_id: str) -> ClipInput:
        """Frames and truth of one clip.

        Raises:
            LabelError: an array of a clip in the table is missing.
        """
        try:
            truth = self._truths.read(clip_id)
            rgb = self._frames[f"{clip_id}.rgb_thw3"]
        except KeyError as error:
            raise LabelError(f"clip {clip_id}: array {error} is missing") from error
        return ClipInput(
            clip_id=clip_id,
            rgb_thw3=rgb,
            truth=truth or None,
            truth_px=rgb.shape[1],
            truth_scale=self.scale_kind(clip_id),
            picture_px=self._sizes.get(clip_id),
        )

    @cached_property
    def _sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height of the videos, by clip."""
        if self._videos is None or not (self._videos / "videos.parquet").is_file():
            return {}
        videos = read_table(self._videos / "videos.parquet")
        sized = self._table.join(videos, on="video_id").select("clip_id", "width_px", "height_px")
        return {clip_id: (width, height) for clip_id, width, height in sized.iter_rows()}

    def source_frames(self, clip_ids: Sequence[str], size: SourceSize) -> SourceFrames:
        """The frames of some clips at the resolution of their videos.

        Raises:
            ContractError: the shard was made without landed videos.
        """
        videos = self._videos or Path("videos")
        return SourceFrames(videos, self._table.filter(pl.col("clip_id").is_in(clip_ids)), size)


def label_clips(
    clips: ShardClips,
    teachers: Sequence[Teacher],
    out: Path,
    *,
    batch: int,
    tokens_hw: int,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> list[LabelOutcome]:
    """Label, store and measure clips; writes the four files of a shard's labels to `out`.

    Args:
        clips: the clips.
        teachers: one that needs truth has no row for clips without truth.
        out: folder to write to.
        batch: clips per call of a teacher that does not state its own.
        tokens_hw: side of the grid on which exact rays are compared.
        progress: called after every batch.

    Returns:
        One outcome per clip and teacher.
    """
    writer = LabelWriter()
    kept: dict[str, list[_Batch]] = {teacher.name: [] for teacher in teachers}
    with Behind(writer, tokens_hw) as behind:
        for group in _together(teachers):
            works = [_labelled(clips, teacher, batch, behind) for teacher in group]
            for done, total, found in _in_turn(works):
                kept[found[0].teacher.name] += found
                progress(done, total, f"labelled by {found[0].teacher.name}")
        outcomes: list[LabelOutcome] = []
        rows: list[dict[str, Any]] = []
        for one in (each for name in kept for each in kept[name]):
            for clip_id, label in one.results():
                outcomes.append(_outcome(clips, clip_id, one.teacher, label.reason))
                rows += label.statistics
    writer.write(out)
    index = pl.DataFrame([one.row() for one in outcomes], schema=INDEX_SCHEMA)
    write_table(out / "index.parquet", index, sort_by=["clip_id", "teacher"])
    stats = pl.DataFrame(rows, schema=STATS_SCHEMA)
    write_table(out / "label_stats.parquet", stats, sort_by=["clip_id", "teacher", "modality"])
    return outcomes


def _together(teachers: Sequence[Teacher]) -> Iterator[list[Teacher]]:
    """Teachers that take turns: those that read no labels of others, then each other one.

    Those that copy truth come first: their labels are stored beside the first pass of a network,
    and behind the last one only its own are left.
    """
    alone = [teacher for teacher in teachers if not teacher.uses]
    yield sorted(alone, key=lambda teacher: not teacher.needs_truth)
    yield from ([teacher] for teacher in teachers if teacher.uses)


def _in_turn(works: Sequence[Iterator[_Done]]) -> Iterator[_Done]:
    """A batch of each in turn: what a fast teacher leaves to be stored is stored beside a slow."""
    left = list(works)
    while left:
        for work in list(left):
            found = next(work, None)
            if found is None:
                left.remove(work)
            else:
                yield found


def _outcome(clips: ShardClips, clip_id: str, teacher: Teacher, reason: str | None) -> LabelOutcome:
    kind = clips.scale_kind(clip_id) if teacher.needs_truth else teacher.scale_kind
    return LabelOutcome(clip_id=clip_id, teacher=teacher, reason=reason, scale_kind=kind)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Clips that a teacher labelled in one call, or one that it refused with a reason."""

    teacher: Teacher
    clip_ids: Sequence[str]
    labels: Future[list[Kept]] | Kept

    def results(self) -> Iterator[tuple[str, Kept]]:
        """Each clip with what became of its label; waits until they are stored."""
        found = [self.labels] if isinstance(self.labels, Kept) else self.labels.result()
        return zip(self.clip_ids, found, strict=True)


_Done = tuple[int, int, list[_Batch]]
"""Clips that a teacher did so far, all of its clips, and its last batch."""


def _labelled(clips: ShardClips, teacher: Teacher, batch: int, behind: Behind) -> Iterator[_Done]:
    """Label the clips of a teacher, batch by batch."""
    wanted = [c for c in clips.clip_ids if clips.has_truth(c) or not teacher.needs_truth]
    done = 0
    for given in _batches(clips, teacher, wanted, teacher.batch or batch):
        found = _label_batch(clips, teacher, given, behind)
        done += len(given)
        yield done, len(wanted), found


_Read = Callable[[], ClipInput]
"""Reads a clip. It raises `LabelError` if an array is missing, so that a batch can be split."""


def _batches(
    clips: ShardClips, teacher: Teacher, clip_ids: Sequence[str], batch: int
) -> Iterator[dict[str, _Read]]:
    """What a teacher reads of its clips, `batch` clips at a time."""
    if teacher.reads is None:
        every: Iterable[tuple[str, _Read]] = (
            (clip_id, partial(clips.read, clip_id)) for clip_id in clip_ids
        )
    else:
        every = _from_source(clips, clip_ids, teacher.reads)
    left = iter(every)
    while part := dict(islice(left, batch)):
        yield part


def _from_source(
    clips: ShardClips, clip_ids: Sequence[str], size: SourceSize
) -> Iterator[tuple[str, _Read]]:
    for found in clips.source_frames(clip_ids, size):

        def read(found: ReadFrames = found) -> ClipInput:
            if found.rgb_thw3 is None:
                raise LabelError(f"clip {found.clip_id}: source frames: {found.reason}")
            return replace(clips.read(found.clip_id), rgb_thw3=found.rgb_thw3)

        yield found.clip_id, read


def _label_batch(
    clips: ShardClips, teacher: Teacher, given: Mapping[str, _Read], behind: Behind
) -> list[_Batch]:
    """The labels of a batch on their way to the store. One that fails is repeated clip by clip."""
    try:
        read = [_with_labels(read(), teacher, behind) for read in given.values()]
        labels = _labels_of(teacher, read)
    except LabelError as error:
        if len(given) == 1:
            failed = Kept(reason=str(error))
            return [_Batch(teacher=teacher, clip_ids=list(given), labels=failed)]
        single = [_label_batch(clips, teacher, {c: one}, behind) for c, one in given.items()]
        return [batch for found in single for batch in found]
    # Statistics are of the square frames, whatever the teacher saw.
    square = read if teacher.reads is None else [clips.read(clip_id) for clip_id in given]
    stored = behind.keep(teacher, list(zip(square, labels, strict=True)))
    return [_Batch(teacher=teacher, clip_ids=list(given), labels=stored)]


def _labels_of(teacher: Teacher, clips: Sequence[ClipInput]) -> Sequence[Callable[[], LabelArrays]]:
    """The labels of a batch; the thread behind makes those of a teacher that predicts."""
    if isinstance(teacher, PredictingTeacher):
        return teacher.predict(clips)
    return [partial(_same, label) for label in teacher.label(clips)]


def _same(label: LabelArrays) -> LabelArrays:
    return label


def _with_labels(clip: ClipInput, teacher: Teacher, behind: Behind) -> ClipInput:
    """The clip with the stored labels of the teachers that this one uses."""
    if not teacher.uses:
        return clip
    store = behind.stored()
    return replace(clip, labels={name: store.get_all(clip.clip_id, name) for name in teacher.uses})
