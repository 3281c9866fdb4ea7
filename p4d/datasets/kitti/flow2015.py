"""KITTI flow 2015: one pair of frames with flow per scene, and the frames around it.

    training/image_2/000000_10.png, _11 (and _00 to _20 of the multi-view extension)
    training/{flow_noc,flow_occ,disp_noc_0,disp_occ_0,obj_map}/000000_10.png
    training/calib_cam_to_cam/000000.txt

Flow is forward, from frame 10 to frame 11, and kept for frame 11 in the other direction: turned
round where its points arrive (`maps.turned_round`), from `flow_noc`, whose points both frames show.
Depth of frame 10 comes from its disparity. The poses of the pair are not shipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject
from p4d.datasets.kitti.calibration import entry, read_calibration, rectified_camera
from p4d.datasets.kitti.maps import depth_of_disparity, read_disparity, read_flow, turned_round
from p4d.datasets.kitti.sparse import DEPTH_SIGMA_RATIO
from p4d.datasets.kitti.terms import KITTI
from p4d.datasets.kitti.times import RATE_HZ, declared_times
from p4d.datasets.masks.indexed import read_indexed
from p4d.datasets.numbered import gaps
from p4d.datasets.pictures import read_rgb
from p4d.datasets.reader import Option, Options
from p4d.datasets.shown import shown
from p4d.errors import DatasetError

FIRST = 10
"""Number of the frame that flow starts from; it ends at the next."""
_PICTURE = re.compile(r"(\d{6})_(\d{2})\.png")


class KittiFlowReader:
    """Reads a root with `training/image_2` and `training/flow_noc` or `flow_occ`."""

    format = "kitti_flow"
    title = "KITTI flow and scene flow 2015, with the multi-view extension where it is there"
    options: Sequence[Option] = ()

    def recognise(self, folder: Path) -> bool:
        """A folder with pictures and flow."""
        root = folder / "training"
        return (root / "image_2").is_dir() and any(
            (root / flow).is_dir() for flow in ("flow_noc", "flow_occ")
        )

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Scenes that have a picture of frame 10."""
        root = folder / "training" / "image_2"
        try:
            names = [path.name for path in root.iterdir()]
        except OSError as error:
            raise DatasetError(
                f"{folder.name} is no KITTI flow: training/image_2 and training/flow_noc are "
                "expected in it"
            ) from error
        found = (_PICTURE.fullmatch(name) for name in names)
        return sorted({match[1] for match in found if match and int(match[2]) == FIRST})

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """A scene: every picture that there is of it, flow of frame 11, depth of frame 10."""
        root = folder / "training"
        frames = {
            int(match[2]): path
            for path in sorted((root / "image_2").glob(f"{sequence}_*.png"))
            if (match := _PICTURE.fullmatch(path.name))
        }
        order = list(frames)
        if len(order) < 2:
            raise DatasetError(
                f"image_2/{sequence}_*.png: {len(order)} picture(s), expected 10, 11"
            )
        height, width = read_rgb(frames[order[0]]).shape[:2]
        problems = [f"image_2/{sequence}_{each:02d}.png is missing" for each in gaps(order)]
        camera = _camera(root / "calib_cam_to_cam" / f"{sequence}.txt", problems)
        scene = _Scene(root, f"{sequence}_{FIRST:02d}.png", frames, camera)
        return Capture(
            dataset=self.format,
            sequence=sequence,
            source=f"KITTI flow 2015, scene {sequence}",
            terms=KITTI,
            times_ns=declared_times(order, RATE_HZ),
            times="declared",
            size_px=(width, height),
            frame=scene.frame,
            K_t33=None if camera is None else np.repeat(camera.K[None], len(order), axis=0),
            objects=scene.objects(problems),
            scale="metric",
            depth_sigma_ratio=DEPTH_SIGMA_RATIO,
            notes=(
                "flow of frame 11: KITTI's forward flow of frame 10, turned round where points "
                "arrive",
                "objects: cars of obj_map, labelled in frame 10 only",
            ),
            problems=tuple(problems),
        )


@dataclass(frozen=True)
class _StereoCamera:
    """K of camera 2, and the distance to camera 3."""

    K: NDArray[np.float64]
    base_m: float


class _Scene:
    """Pictures of a scene, with what is known of two of them."""

    def __init__(
        self, root: Path, pair: str, frames: dict[int, Path], camera: _StereoCamera | None
    ) -> None:
        self._root = root
        self._pair = pair
        self._frames = list(frames.items())
        self._camera = camera

    def objects(self, problems: list[str]) -> tuple[CapturedObject, ...]:
        """The cars of obj_map."""
        path = self._root / "obj_map" / self._pair
        if not path.is_file():
            return ()
        try:
            ids = np.unique(read_indexed(path)[0]).tolist()
        except DatasetError as error:
            problems.append(f"{error}; the scene has no masks")
            return ()
        return tuple(CapturedObject(id=i, name="car", category="car") for i in ids if i)

    def frame(self, index: int) -> CapturedFrame:
        number, path = self._frames[index]
        rgb = read_rgb(path)
        problems: list[str] = []
        if number == FIRST:
            return CapturedFrame(
                rgb_hw3=rgb,
                z_depth_hw=self._depth(problems),
                instance_hw=self._ids(),
                problems=tuple(problems),
            )
        follows = index > 0 and self._frames[index - 1][0] == FIRST
        if number != FIRST + 1 or not follows:
            return CapturedFrame(rgb_hw3=rgb)
        flow = self._flow(problems)
        return CapturedFrame(
            rgb_hw3=rgb,
            flow_px_hw2=None if flow is None else flow[0],
            flow_valid_hw=None if flow is None else flow[1],
            problems=tuple(problems),
        )

    def _depth(self, problems: list[str]) -> NDArray[np.float32] | None:
        path = next(
            (self._root / name / self._pair for name in ("disp_noc_0", "disp_occ_0")
             if (self._root / name / self._pair).is_file()), None
        )  # fmt: skip
        if path is None or self._camera is None:
            return None
        try:
            disparity_px = read_disparity(path)
        except DatasetError as error:
            problems.append(f"{error}; frame {FIRST} has no depth")
            return None
        return depth_of_disparity(disparity_px, float(self._camera.K[0, 0]), self._camera.base_m)

    def _ids(self) -> NDArray[np.int32] | None:
        try:
            return read_indexed(self._root / "obj_map" / self._pair)[0]
        except DatasetError:
            return None  # named by `objects`, or not shipped

    def _flow(self, problems: list[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        path = self._root / "flow_noc" / self._pair
        if not path.is_file():
            problems.append(
                f"{shown(path)}: is missing: flow_occ alone cannot be turned round, as it does "
                "not say "
                "which points the next frame shows"
            )
            return None
        try:
            return turned_round(*read_flow(path))
        except DatasetError as error:
            problems.append(f"{error}; frame {FIRST + 1} has no flow")
            return None


def _camera(path: Path, problems: list[str]) -> _StereoCamera | None:
    try:
        found = read_calibration(path)
        left, right = (
            rectified_camera(entry(path, found, (key,), (3, 4)), f"{shown(path)}: {key}")
            for key in ("P_rect_02", "P_rect_03")
        )
    except DatasetError as error:
        problems.append(f"{error}; the scene has no intrinsics and no depth")
        return None
    base_m = float(left.cam_T_cam0[0, 3] - right.cam_T_cam0[0, 3])
    return _StereoCamera(left.K, base_m)
