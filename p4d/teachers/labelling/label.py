"""Stage `labels`: every teacher labels every clip that it can; labels are stored, then measured.

A label that breaks the contract becomes a failed row with its reason and has no arrays; the shard
continues. Statistics are computed from the store as written, so they also cover the codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from p4d.teachers.labelling.clip_truth import ClipTruths
from p4d.teachers.labelling.sources import write_record
from p4d.teachers.labelling.statistics import STATS_SCHEMA, label_statistics
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import ClipInput, LabelArrays, Teacher
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
    outcomes: list[LabelOutcome] = []
    for teacher in teachers:
        wanted = [c for c in clips.clip_ids if clips.has_truth(c) or not teacher.needs_truth]
        done = 0
        for given in _batches(clips, teacher, wanted, teacher.batch or batch):
            reasons = _label_batch(teacher, given, writer)
            outcomes += [
                LabelOutcome(
                    clip_id=c,
                    teacher=teacher,
                    reason=reasons[c],
                    scale_kind=clips.scale_kind(c) if teacher.needs_truth else teacher.scale_kind,
                )
                for c in reasons
            ]
            done += len(given)
            progress(done, len(wanted), f"labelled by {teacher.name}")
    writer.write(out)
    index = pl.DataFrame([one.row() for one in outcomes], schema=INDEX_SCHEMA)
    write_table(out / "index.parquet", index, sort_by=["clip_id", "teacher"])
    store = LabelStore(out)
    rows = [
        row
        for one in outcomes
        if one.reason is None
        for row in label_statistics(store, one.teacher, clips.read(one.clip_id), tokens_hw)
    ]
    stats = pl.DataFrame(rows, schema=STATS_SCHEMA)
    write_table(out / "label_stats.parquet", stats, sort_by=["clip_id", "teacher", "modality"])
    return outcomes


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
    teacher: Teacher, given: Mapping[str, _Read], writer: LabelWriter
) -> dict[str, str | None]:
    """Reason of failure or None, by clip. A batch that fails is repeated clip by clip."""
    try:
        labels = teacher.label([_with_labels(read(), teacher, writer) for read in given.values()])
    except LabelError as error:
        if len(given) == 1:
            return dict.fromkeys(given, str(error))
        single = [_label_batch(teacher, {c: read}, writer) for c, read in given.items()]
        return {clip_id: reason for one in single for clip_id, reason in one.items()}
    return {
        clip_id: _add(writer, clip_id, teacher.name, arrays)
        for clip_id, arrays in zip(given, labels, strict=True)
    }


def _with_labels(clip: ClipInput, teacher: Teacher, writer: LabelWriter) -> ClipInput:
    """The clip with the stored labels of the teachers that this one uses."""
    if not teacher.uses:
        return clip
    store = writer.stored()
    return replace(clip, labels={name: store.get_all(clip.clip_id, name) for name in teacher.uses})


def _add(writer: LabelWriter, clip_id: str, teacher: str, arrays: LabelArrays) -> str | None:
    try:
        writer.add(clip_id, teacher, arrays)
    except LabelError as error:
        return str(error)
    return None
