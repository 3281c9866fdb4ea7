"""A recorded release as an export reads it: the exact versions behind it, opened once.

The files of each version are linked or copied below `.p4d/`, so that a run which publishes
meanwhile changes nothing of the export.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from p4d.artifacts import read_json, read_table
from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Resolver
from p4d.audit.takedown import tombstones
from p4d.errors import LedgerError
from p4d.exports.terms import TermsOfExport, terms_of
from p4d.origins import read_origins
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.record import Record
from p4d.versioning.run.pinned_view import PinnedView


@dataclass(frozen=True, kw_only=True)
class ReleasedClip:
    """A clip of a release, with what an export needs of its rows.

    Attributes:
        clip_id, video_id, shard, split: as in the release.
        start_ns: of the clip, absolute in its video.
        frame_index, frame_pts_ns: the source frames that it samples, absolute in its video.
        scale_kind: metric or relative.
        has_truth: whether exact truth of it exists.
    """

    clip_id: str
    video_id: str
    shard: str
    split: str
    start_ns: int
    frame_index: tuple[int, ...]
    frame_pts_ns: tuple[int, ...]
    scale_kind: str
    has_truth: bool

    @property
    def times_s(self) -> tuple[float, ...]:
        """True time of each frame since the start of the clip, to the nanosecond."""
        return tuple((pts - self.start_ns) / 1e9 for pts in self.frame_pts_ns)


@dataclass(frozen=True, kw_only=True)
class OpenRelease:
    """A release and the versions behind it.

    Attributes:
        project: where it is recorded.
        version, record, release_id: of the release.
        upstream: versions of the release and of what the export reads beside it.
        folders: by stage, and by shard where the stage has shards.
        number: how many versions of the release were made before.
    """

    project: Project
    version: ArtifactVersion
    record: Record
    release_id: str
    upstream: tuple[ArtifactVersion, ...]
    folders: Mapping[str, Any]
    number: int

    @property
    def folder(self) -> Path:
        """The files of the release itself."""
        found: Path = self.folders["release"]
        return found

    def shard_folder(self, stage: str, shard: str) -> Path:
        """The files of one shard of a stage."""
        found: Path = self.folders[stage][shard]
        return found

    @property
    def shards(self) -> tuple[str, ...]:
        """Shards of the release, in landing order."""
        return tuple(self.folders["clips"])

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """`manifest.json` of the release."""
        found: Mapping[str, Any] = read_json(self.folder / "manifest.json")
        return found

    @cached_property
    def recorded_questions(self) -> pl.DataFrame:
        """All questions of the release, sorted by id."""
        return read_table(self.folder / "questions.parquet").sort("qa_id")

    @cached_property
    def questions(self) -> pl.DataFrame:
        """Questions of videos that may leave in some form, sorted by id."""
        absent = list(self.terms.absent)
        return self.recorded_questions.filter(~pl.col("video_id").is_in(absent))

    @cached_property
    def videos(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows of `videos.parquet` of the released videos, with `shard`, by id."""
        wanted = set(read_table(self.folder / "clips.parquet", ["video_id"])["video_id"])
        return {
            row["video_id"]: {**row, "shard": shard}
            for shard in self.shards
            for row in self._table("videos", shard).to_dicts()
            if row["video_id"] in wanted
        }

    @cached_property
    def terms(self) -> TermsOfExport:
        """What may leave of each video."""
        gone = [entry["video_id"] for entry in tombstones(self.project)]
        origins = {
            video: origin
            for shard in self.shards
            for video, origin in read_origins(self.shard_folder("videos", shard)).items()
        }
        return terms_of(self.videos, origins, gone)

    @cached_property
    def clips(self) -> Mapping[str, ReleasedClip]:
        """The released clips of videos that may leave in some form, by id, in order."""
        released = read_table(self.folder / "clips.parquet").sort("clip_id")
        kept = released.filter(~pl.col("video_id").is_in(list(self.terms.absent)))
        split = {(row["shard"], row["clip_id"]): row["split"] for row in kept.to_dicts()}
        found = {}
        for shard in self.shards:
            for row in self._table("clips", shard).to_dicts():
                if (shard, row["clip_id"]) in split:
                    found[row["clip_id"]] = ReleasedClip(
                        clip_id=row["clip_id"],
                        video_id=row["video_id"],
                        shard=shard,
                        split=split[shard, row["clip_id"]],
                        start_ns=row["start_ns"],
                        frame_index=tuple(row["frame_index"]),
                        frame_pts_ns=tuple(row["frame_pts_ns"]),
                        scale_kind=row["scale_kind"],
                        has_truth=row["has_truth"],
                    )
        return dict(sorted(found.items()))

    def video_file(self, video_id: str) -> Path:
        """The landed file of a video."""
        row = self.videos[video_id]
        return self.shard_folder("videos", row["shard"]) / str(row["file"])

    def _table(self, stage: str, shard: str) -> pl.DataFrame:
        table = read_table(self.shard_folder(stage, shard) / f"{stage}.parquet")
        return table.filter(pl.col("outcome") == "ok")


HELD_OUT = "test"
"""The split whose answers do not leave unless they are asked for."""

TRAINING_STAGES = ("videos", "clips", "regions", "facts", "questions")
"""Stages, per shard, that an export of questions reads beside the release."""


@contextmanager
def open_release(
    project: Project, identifier: str, stages: tuple[str, ...]
) -> Iterator[OpenRelease]:
    """Open a release and the versions of `stages` that it was made from.

    Args:
        project: where.
        identifier: `release` (the current one), a `rel_` id or an md5 of a release.
        stages: per-shard stages to open; of those between the release and its videos.

    Raises:
        LedgerError: no such release is recorded, or the ledger does not say what it was made from.
        PublishError: a version is neither in place nor in the cache.
    """
    with Lookup(project) as lookup:
        version = Resolver(lookup).resolve(identifier).version
        record = lookup.index.record(version) if version.md5 else None
        if version.key.stage != "release" or record is None:
            raise LedgerError(f"{identifier} is no recorded release")
        upstream = (version, *_behind(lookup, version, record, stages))
        home = project.state / "exports" / version.md5[:12]
        shutil.rmtree(home, ignore_errors=True)  # of an export that was killed
        try:
            with project_lock(project):
                view = PinnedView(lookup.workspace, upstream, home)
            yield OpenRelease(
                project=project,
                version=version,
                record=record,
                release_id=str(record["metrics"].get("release_id", version.md5)),
                upstream=upstream,
                folders=view.folders,
                number=lookup.index.versions("release").index(version),
            )
            view.refuse_edits()
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _behind(
    lookup: Lookup, release: ArtifactVersion, record: Record, stages: tuple[str, ...]
) -> Iterator[ArtifactVersion]:
    """The versions of `stages` behind the shards of a release, in landing order."""
    path = lookup.file(release, "manifest.json")
    if path is None:
        raise LedgerError(f"manifest.json of {release} is not in the cache; `dvc pull` fetches it")
    for entry in read_json(path)["shards"]:
        shard, pinned = entry["shard"], entry["versions"]
        for stage in stages:
            key = ArtifactKey(stage, shard)
            if stage in pinned:
                yield ArtifactVersion(key, bare_md5(pinned[stage]))
                continue
            reader = ArtifactVersion(ArtifactKey("questions", shard), bare_md5(pinned["questions"]))
            found = lookup.upstream(reader, stage)
            if found is None:
                raise LedgerError(
                    f"the ledger does not say which {key} release {record['md5']} is of"
                )
            yield found
