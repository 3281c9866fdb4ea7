"""The sources of candidate regions: exact truth, pretrained networks, flow, a motion map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.config import RegionsParams
from p4d.ids import seed_for
from p4d.questions.regions.flow.clip_motion import ClipMotion
from p4d.questions.regions.flow.source import FlowSource, tracks
from p4d.questions.regions.motion import motion_tracks, nearest_resize
from p4d.questions.regions.selection import select_regions
from p4d.questions.regions.tracks import Track
from p4d.truth import read_parts
from p4d.truth.clip_parts import WHOLE


class TrackSource:
    """Finds the candidate regions of a clip in the configured sources."""

    def __init__(
        self, clips: Path, labels: Path, videos: Callable[[], Path], params: RegionsParams
    ) -> None:
        """Open what the sources read; `videos` returns the folder of that stage if it is needed."""
        self._params = params
        self._clips, self._videos = clips, videos
        self._flow: FlowSource | None = None
        self._labels = labels
        self._store: Any = None
        self._checkpoint: Any = None
        truth = clips / "truth.safetensors"
        self._truth: Mapping[str, np.ndarray] = Arrays(truth) if truth.is_file() else {}
        self._parts = read_parts(clips)
        objects = clips / "objects.parquet"
        self._objects: dict[str, list[dict[str, Any]]] = {}
        if objects.is_file():
            for row in read_table(objects).sort(["clip_id", "instance"]).to_dicts():
                self._objects.setdefault(row["clip_id"], []).append(row)

    @property
    def file_digests(self) -> Mapping[str, Mapping[str, str]]:
        """SHA-256 of the files of the pretrained networks, if a clip needed them."""
        found: Mapping[str, Mapping[str, str]] = (
            self._checkpoint.file_digests if self._checkpoint else {}
        )
        return found

    def __call__(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        """Return the tracks of one row of `clips.parquet`, with masks at the size of its frames."""
        tracks: list[Track] = []
        for source in self._params.sources:
            tracks += self._of(source, clip, rgb_thw3)
            if source == "truth" and self._parts[clip["clip_id"]] is WHOLE:
                break  # facts of a clip with whole truth need the objects of the truth
            if self._is_marked(clip["clip_id"], tracks):
                break
        return tracks

    def _of(self, source: str, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        clip_id = clip["clip_id"]
        if source == "truth":
            return self._from_truth(clip_id)
        if source == "checkpoint":
            return self._from_checkpoint(clip, rgb_thw3)
        if source == "flow":
            return list(tracks(self._flow_of(clip, rgb_thw3)))
        if self._store is None:
            # Imported here because shards with truth need no label codec.
            from p4d.teachers.labelling.sources import LabelSources

            self._store = LabelSources(self._labels)
        teacher = self._store.needed(clip_id, "motion")
        motion_thw = self._store.store.get(clip_id, teacher, "motion").astype(np.float32)
        resized_thw = nearest_resize(motion_thw, rgb_thw3.shape[1])
        return motion_tracks(resized_thw, self._params.motion_threshold)

    def motion(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> ClipMotion | None:
        """What source `flow` measured of a clip without truth; None if it is not asked."""
        has_truth = bool(self._parts[clip["clip_id"]].gives)
        if has_truth or "flow" not in self._params.sources:
            return None
        return self._flow_of(clip, rgb_thw3)

    def _flow_of(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> ClipMotion:
        if self._flow is None:
            table = read_table(self._clips / "clips.parquet").filter(pl.col("outcome") == "ok")
            asked = [clip_id for clip_id in table["clip_id"] if not self._truth_suffices(clip_id)]
            self._flow = FlowSource(self._videos(), table.filter(pl.col("clip_id").is_in(asked)))
        return self._flow.motion(clip, rgb_thw3.shape[1])

    def _truth_suffices(self, clip_id: str) -> bool:
        """Whether source `truth` ends the search of `__call__`, so that no flow is asked for."""
        return self._parts[clip_id] is WHOLE or self._is_marked(clip_id, self._from_truth(clip_id))

    def _is_marked(self, clip_id: str, tracks: list[Track]) -> bool:
        return any(region.mark for region in select_regions(clip_id, tracks, self._params))

    def _from_truth(self, clip_id: str) -> list[Track]:
        """The objects of the truth, if it has masks; of a truth in parts, those that are seen."""
        parts = self._parts[clip_id]
        if "instances" not in parts.gives:
            return []
        instance_thw = self._truth[f"{clip_id}.instance_thw"]
        shown = None if parts is WHOLE else set(np.unique(instance_thw).tolist())
        return [
            Track(
                source="truth",
                key=int(row["instance"]),
                instance=int(row["instance"]),
                name=row["name"] or None,
                mask_thw=instance_thw == row["instance"],
            )
            for row in self._objects.get(clip_id, [])
            if shown is None or int(row["instance"]) in shown
        ]

    def _from_checkpoint(self, clip: Mapping[str, Any], rgb_thw3: np.ndarray) -> list[Track]:
        # Imported here because nothing else in this stage needs torch.
        from p4d.determinism import deterministic
        from p4d.questions.regions.checkpoint import CheckpointTracks

        frame_ns = [pts_ns - clip["frame_pts_ns"][0] for pts_ns in clip["frame_pts_ns"]]
        with deterministic(self._params.threads, seed_for("regions")):
            if self._checkpoint is None:
                self._checkpoint = CheckpointTracks(self._params)
            found: list[Track] = self._checkpoint(rgb_thw3, frame_ns)
        return found
