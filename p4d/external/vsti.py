"""VSTI's training files (VLM-3R) and their erratum: the camera centre of older files is wrong.

The files are LLaVA lists with `question_type` and `scene_name`. Those made before 13 July 2026 took
-R^T t for the camera centre, although ScanNet's poses are camera-to-world and the centre is t. The
answers of `camera_displacement`, `camera_obj_abs_dist` and `camera_obj_rel_dist_*` follow from it.

Which centre a set follows is measured. The set's own frame metadata (a JSON object of scenes with
`frames`, each with `frame_id` and `camera_pose_camera_to_world`) gives the displacement of every
question about it under both readings. A row whose answer follows the wrong one is rejected, and so
are the questions about objects of a set whose displacements are wrong. Without metadata nothing can
be measured: such rows need the statement `"camera_centre": "corrected"` in the set's `source.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from p4d.external.conversation import ForeignRow, RowFault

DISPLACEMENT = "camera_displacement"
OBJECT_DISTANCE = ("camera_obj_abs_dist", "camera_obj_rel_dist")
CORRECTED = "corrected"
ROUNDING_M = 0.051
"""Answers are rounded to 0.1 m; what differs by no more than half of that is equal."""

_FRAMES = re.compile(r"frame\s+(\d+)\D{1,40}?(\d+)\s+of\s+(\d+)", re.IGNORECASE)


def is_affected(row: ForeignRow) -> bool:
    """Whether the answer depends on where the camera was."""
    return row.question_type.startswith((DISPLACEMENT, *OBJECT_DISTANCE))


def is_frame_metadata(value: object) -> bool:
    """Whether a JSON file holds the poses of scenes and no rows."""
    return isinstance(value, Mapping) and any(
        isinstance(scene, Mapping) and isinstance(scene.get("frames"), list)
        for scene in value.values()
    )


@dataclass(frozen=True)
class CameraCentres:
    """Poses of the frames of a set, by scene: camera to world `[frames, 4, 4]`, metres."""

    world_T_cam_of: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> CameraCentres:
        """The valid poses of every scene, in the order of frames."""
        return cls({name: _poses(scene) for name, scene in metadata.items()})

    def displacements_m(self, row: ForeignRow) -> tuple[float, float] | None:
        """Displacement that a question asks for, by the centre t and by -R^T t.

        None if the poses or the frames of the question are unknown.
        """
        poses = self.world_T_cam_of.get(row.scene)
        named = _FRAMES.search(row.turns[0].asked)
        if poses is None or named is None:
            return None
        first, second = int(named[1]), int(named[2])
        if not 1 <= first < second <= len(poses):
            return None
        of_both = poses[[first - 1, second - 1]]
        centres = of_both[:, :3, 3]
        wrong = -np.einsum("nji,nj->ni", of_both[:, :3, :3], centres)
        return (
            float(np.linalg.norm(centres[1] - centres[0])),
            float(np.linalg.norm(wrong[1] - wrong[0])),
        )


def _poses(scene: Mapping[str, Any]) -> np.ndarray:
    found = []
    frames = [f for f in scene.get("frames", []) if isinstance(f, Mapping)]
    for frame in sorted(frames, key=lambda f: int(f.get("frame_id", 0))):
        pose = np.asarray(frame.get("camera_pose_camera_to_world") or [], np.float64)
        if pose.shape == (4, 4) and np.isfinite(pose).all():
            found.append(pose)
    return np.stack(found) if found else np.zeros((0, 4, 4))


@dataclass(frozen=True, kw_only=True)
class Erratum:
    """What was measured about the camera centres of a set.

    Attributes:
        stated: the set's `source.json` says that it is corrected.
        right: displacements whose answer follows t and not -R^T t.
        wrong: those that follow -R^T t alone.
        neither: those that follow neither.
        undecided: those where both readings round to the same.
    """

    stated: bool = False
    right: int = 0
    wrong: int = 0
    neither: int = 0
    undecided: int = 0

    @property
    def verdict(self) -> str:
        """`corrected`, `erroneous` or `unknown`, for questions that poses alone do not decide."""
        if self.wrong > self.right:
            return "erroneous"
        if self.right or self.stated:
            return CORRECTED
        return "unknown"


def measure(rows: Sequence[ForeignRow], centres: CameraCentres | None, *, stated: bool) -> Erratum:
    """Count which camera centre the displacements of a set follow."""
    counts = {"right": 0, "wrong": 0, "neither": 0, "undecided": 0}
    for row in rows:
        if centres is not None and row.question_type == DISPLACEMENT:
            outcome = _outcome(row, centres)
            if outcome in counts:
                counts[outcome] += 1
    return Erratum(stated=stated, **counts)


def check(row: ForeignRow, centres: CameraCentres | None, erratum: Erratum) -> None:
    """Check one row against the erratum.

    Raises:
        RowFault: its answer follows, or may follow, the wrong camera centre.
    """
    if not is_affected(row):
        return
    if row.question_type == DISPLACEMENT and centres is not None:
        found = centres.displacements_m(row)
        outcome = _outcome(row, centres)
        if found is not None and outcome in ("wrong", "neither"):
            raise RowFault(
                f"the answer {row.turns[0].answer.strip()} is not the displacement of the camera, "
                f"{found[0]:.1f} m by the poses"
                + (f"; it follows the wrong centre -R^T t ({found[1]:.1f} m)"
                   if outcome == "wrong" else "")
            )  # fmt: skip
        if found is not None:
            return
    if erratum.verdict == CORRECTED:
        return
    if erratum.verdict == "erroneous":
        raise RowFault(
            f"{erratum.wrong} displacements of this set follow the wrong camera centre -R^T t, "
            "so its distances do too; make the answers again from the poses"
        )
    raise RowFault(
        "answers of this type follow a wrong camera centre in files made before 13 July 2026; put "
        'the frame metadata beside the file, or state "camera_centre": "corrected" in source.json'
    )


def _outcome(row: ForeignRow, centres: CameraCentres) -> str:
    found = centres.displacements_m(row)
    try:
        answer = float(row.turns[0].answer.strip().removesuffix("m").strip().rstrip("."))
    except ValueError:
        return "unread"
    if found is None:
        return "unread"
    right, wrong = (abs(each - answer) <= ROUNDING_M for each in found)
    if right and wrong:
        return "undecided"
    return "right" if right else "wrong" if wrong else "neither"
