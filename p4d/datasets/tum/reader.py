"""Reader of the TUM RGB-D layout: colour leads, depth and poses join it by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.association import associate, poses_at
from p4d.datasets.capture import Capture, CapturedFrame, Terms
from p4d.datasets.pictures import read_depth_u16, read_rgb
from p4d.datasets.reader import Option, Options, number_option, option
from p4d.datasets.shown import shown
from p4d.datasets.tum.cameras import LensCamera, bonn_camera_poses, camera_of
from p4d.datasets.tum.lists import StampedFiles, read_files, read_trajectory
from p4d.datasets.undistortion import Undistortion
from p4d.errors import DatasetError

TUM_TERMS = Terms(
    terms_id="CC-BY-4.0",
    text="TUM RGB-D benchmark: CC BY 4.0, with the names of its authors (Sturm et al., IROS 2012).",
    url="https://cvg.cit.tum.de/data/datasets/rgbd-dataset",
    redistributable=True,
)
BONN_TERMS = Terms(
    terms_id="Bonn-RGB-D-Dynamic",
    text="Bonn RGB-D dynamic dataset (Palazzolo et al., IROS 2019): for research; its page states "
    "no licence to pass copies on, so none is assumed.",
    url="https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset/",
    redistributable=False,
)
UNSTATED_TERMS = Terms(
    terms_id="unstated",
    text="A folder in the TUM layout of unstated terms: no permission to pass copies on is "
    "assumed; `--set terms=own` states that the pictures are yours to give.",
    url="",
    redistributable=False,
)
OWN_TERMS = Terms(
    terms_id="own", text="The project's own capture.", url="", redistributable=True
)  # fmt: skip

DEPTH_WITHIN_NS = 20_000_000
POSE_GAP_NS = 100_000_000
"""Longest gap of a trajectory (100 per second) that is interpolated."""
POSE_NEAREST_NS = 10_000_000
DEPTH_SIGMA_RATIO = 0.01  # a structured-light sensor at 2 to 3 m
POSE_SIGMA_M = 0.005

_OPTIONS = (
    Option("camera", "", "fr1, fr2, fr3, bonn, or fx,fy,cx,cy[,k1,k2,p1,p2[,k3]] in OpenCV's "
           "pixels; default: by the name of the sequence"),
    Option("depth_per_m", "5000", "value of one metre in the depth pictures"),
    Option("background", "unknown", "still, if nothing in the scene moves but the camera"),
    Option("terms", "", "own, for your own capture"),
)  # fmt: skip


class TumReader:
    """Reads one sequence: the folder with `rgb.txt`."""

    format = "tum"
    title = "TUM RGB-D, and captures in its layout"
    options: Sequence[Option] = _OPTIONS
    pose_notes: tuple[str, ...] = ("poses: interpolated over at most 0.1 s of the trajectory",)

    def recognise(self, folder: Path) -> bool:
        """A folder with the list of colour pictures."""
        return (folder / "rgb.txt").is_file()

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """The folder is the one sequence."""
        if not self.recognise(folder):
            raise DatasetError(
                f"{shown(folder)} is no sequence in the TUM layout: rgb.txt is missing; it lists "
                "`stamp path` of the colour pictures"
            )
        return [folder.resolve().name]

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """The sequence."""
        problems: list[str] = []
        rgb = read_files(folder, "rgb.txt", problems)
        depth = self._depth(folder, rgb, problems)
        height, width = _first_picture(rgb).shape[:2]
        camera, lens = self._camera(sequence, options, (width, height), problems)
        poses = self._poses(folder, rgb.times_ns, problems)
        depth_per_m = number_option(self, options, "depth_per_m")
        background = option(self, options, "background")
        if background not in ("still", "unknown"):
            raise DatasetError(f"--set background={background[:40]}: expected still or unknown")
        frames = _Frames(rgb.paths, depth, depth_per_m, lens)
        notes = [f"depth: {depth_per_m:g} per metre, joined within 20 ms"] if depth else []
        if lens:
            notes.append("undistorted: colour bilinear, depth nearest")
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"{self.title}, sequence {sequence}",
            terms=self._terms(folder, options),
            times_ns=rgb.times_ns,
            times="measured",
            size_px=(width, height),
            frame=frames.frame,
            K_t33=None if camera is None else np.repeat(camera.K[None], len(rgb.paths), axis=0),
            world_T_cam_t44=None if poses is None else poses[0],
            pose_valid_t=None if poses is None else poses[1],
            up_known=self.up_known(sequence),
            background="still" if background == "still" else "unknown",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            pose_sigma_m=POSE_SIGMA_M,
            notes=(*notes, *self.pose_notes),
            problems=tuple(problems),
        )

    def up_known(self, sequence: str) -> bool:
        """The motion-capture frame of TUM has z up; that of others is not known."""
        return "freiburg" in sequence

    def camera_poses(self, poses_n44: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses of the colour camera from those of the list."""
        return poses_n44

    def _terms(self, folder: Path, options: Options) -> Terms:
        if option(self, options, "terms") == "own":
            return OWN_TERMS
        return TUM_TERMS if "freiburg" in folder.resolve().name else UNSTATED_TERMS

    def _depth(self, folder: Path, rgb: StampedFiles, problems: list[str]) -> dict[int, Path]:
        """The depth picture of each colour picture that has one."""
        if not (folder / "depth.txt").is_file():
            problems.append("depth.txt is missing: no depth")
            return {}
        try:
            found = read_files(folder, "depth.txt", problems)
        except DatasetError as error:
            problems.append(str(error))
            return {}
        pairs = associate(rgb.times_ns, found.times_ns, DEPTH_WITHIN_NS)
        if missing := len(rgb.paths) - len(pairs):
            problems.append(f"{missing} of {len(rgb.paths)} pictures have no depth within 20 ms")
        return {index: found.paths[other] for index, other in pairs.items()}

    def _poses(
        self, folder: Path, times_ns: NDArray[np.int64], problems: list[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
        path = folder / "groundtruth.txt"
        if not path.is_file():
            problems.append("groundtruth.txt is missing: no poses")
            return None
        try:
            track = read_trajectory(path, problems)
        except DatasetError as error:
            problems.append(str(error))
            return None
        found, known = poses_at(
            times_ns,
            track.times_ns,
            self.camera_poses(track.poses_n44),
            gap_ns=POSE_GAP_NS,
            nearest_ns=POSE_NEAREST_NS,
        )
        if lost := int((~known).sum()):
            problems.append(f"{lost} of {len(known)} pictures have no pose: a gap of the list")
        return found, known

    def _camera(
        self, sequence: str, options: Options, size_px: tuple[int, int], problems: list[str]
    ) -> tuple[LensCamera | None, Undistortion | None]:
        camera = camera_of(sequence, option(self, options, "camera"))
        if camera is None:
            problems.append(
                "the folder states no camera and its name names none: no intrinsics; "
                "--set camera=fx,fy,cx,cy gives them"
            )
            return None, None
        if camera.size_px not in (None, size_px):
            problems.append(
                f"the pictures have {size_px[0]}x{size_px[1]} px, the known camera 640x480: no "
                "intrinsics; --set camera=fx,fy,cx,cy gives them"
            )
            return None, None
        if not camera.bends:
            return camera, None
        return camera, Undistortion.of(camera.K, camera.distortion, size_px[1], size_px[0])


class BonnReader(TumReader):
    """The Bonn dynamic dataset: its list of poses is that of a body, and its terms are its own."""

    format = "bonn"
    title = "Bonn RGB-D dynamic dataset"
    pose_notes = (
        *TumReader.pose_notes,
        "poses: of the colour camera, from those of the body (PRBonn/refusion, issue 14)",
    )

    def recognise(self, folder: Path) -> bool:
        """A folder in the TUM layout whose name names Bonn."""
        return "bonn" in folder.resolve().name and super().recognise(folder)

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """The folder is the one sequence, whatever its name."""
        return TumReader.sequences(TumReader(), folder, options)

    def up_known(self, sequence: str) -> bool:
        """Nothing states which axis of Bonn's world points up."""
        return False

    def camera_poses(self, poses_n44: NDArray[np.float64]) -> NDArray[np.float64]:
        """Poses of the colour camera from those of the body."""
        return bonn_camera_poses(poses_n44)

    def _terms(self, folder: Path, options: Options) -> Terms:
        return BONN_TERMS

    def _camera(
        self, sequence: str, options: Options, size_px: tuple[int, int], problems: list[str]
    ) -> tuple[LensCamera | None, Undistortion | None]:
        given = {**options, "camera": option(self, options, "camera") or "bonn"}
        return super()._camera(sequence, given, size_px, problems)


@dataclass(frozen=True)
class _Frames:
    """Pictures and depth of a sequence by index."""

    rgb: Sequence[Path]
    depth: dict[int, Path]
    depth_per_m: float
    lens: Undistortion | None

    def frame(self, index: int) -> CapturedFrame:
        rgb = read_rgb(self.rgb[index])
        straight = self.lens is not None and self.lens.uv_hw2.shape[:2] == rgb.shape[:2]
        if self.lens is not None and straight:
            rgb = self.lens.colour(rgb)
        z_m: NDArray[np.float32] | None = None
        problems: list[str] = []
        if index in self.depth:
            try:
                values = read_depth_u16(self.depth[index]).astype(np.float32)
                z_m = values / np.float32(self.depth_per_m)
            except DatasetError as error:
                problems.append(str(error))
        if z_m is not None and self.lens is not None and z_m.shape == self.lens.uv_hw2.shape[:2]:
            z_m = self.lens.depth(z_m)
        return CapturedFrame(rgb_hw3=rgb, z_depth_hw=z_m, problems=tuple(problems))


def _first_picture(rgb: StampedFiles) -> NDArray[np.uint8]:
    """The first picture that can be read: it has the size of the sequence.

    Raises:
        DatasetError: none can be read.
    """
    for path in rgb.paths:
        try:
            return read_rgb(path)
        except DatasetError:
            continue
    raise DatasetError(f"none of the {len(rgb.paths)} pictures of rgb.txt can be read")
