"""The exact geometry of one clip: poses, sizes and visibility of its marked objects.

Sigma is not zero for exact truth: an answer must be visible, and an image fixes a point to half a
pixel. So a position carries the footprint of half a pixel at its distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p4d.errors import TruthError
from p4d.geometry.cameras import inverse, project, transform
from p4d.questions.facts.scene.margins import HALF_PIXEL, POSITION_SIGMA_M
from p4d.questions.facts.table import Source


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Exact geometry of the marked objects of one clip.

    Attributes:
        source: teacher and clip of the facts.
        time_ns: [T], relative to the clip's start.
        named_ns: [T], the times that texts name, for example those of the time grid. Frames are
            shown at them, and were taken up to a frame interval before.
        world_T_cam_t44, K_33: camera poses and first intrinsics at the size of the masks.
        region_ids: objects in mark order.
        world_T_obj_kt44: their poses.
        size_m_k3: full extents along their own axes.
        visible_kt: whether the object is visible in the frame.
        names: of the objects, or empty.
        absent_name: a name that no object of the whole scene has, marked or not.
        rest_sigma_m: error of the distance between two equal places, which decides whether
            constancy is certain. That of exact poses, unless places were read off images.
        rest_sigma_m_k: the same by object, where objects differ; the other is then the largest.
        camera_sigma_m: error of a camera position, beside that of exact truth.
        place_sigma_m_kt: errors of the places of objects, beside those of exact truth; None: zero.

    """

    source: Source
    time_ns: np.ndarray
    named_ns: np.ndarray
    world_T_cam_t44: np.ndarray
    K_33: np.ndarray
    region_ids: tuple[str, ...]
    world_T_obj_kt44: np.ndarray
    size_m_k3: np.ndarray
    visible_kt: np.ndarray
    names: tuple[str, ...] = ()
    absent_name: str | None = None
    rest_sigma_m: float = 2 * POSITION_SIGMA_M
    rest_sigma_m_k: np.ndarray | None = None
    camera_sigma_m: float = 0.0
    place_sigma_m_kt: np.ndarray | None = None

    @property
    def metric(self) -> bool:
        """Whether lengths are metric."""
        return self.source.scale_kind == "metric"

    @property
    def centre_m_kt3(self) -> np.ndarray:
        """Object centres in the world."""
        return self.world_T_obj_kt44[:, :, :3, 3]

    def position_sigma_m(self, k: int, frame: int) -> float:
        """Return the error of the place of an object in a frame.

        It is the footprint of half a pixel at its distance, and how far it moves between the time
        of the frame and the time that texts name.
        """
        range_m = float(
            np.linalg.norm(self.centre_m_kt3[k, frame] - self.world_T_cam_t44[frame, :3, 3])
        )
        footprint_m = POSITION_SIGMA_M + HALF_PIXEL * range_m / float(self.K_33[0, 0])
        measured_m = 0.0
        if self.place_sigma_m_kt is not None:
            measured_m = float(self.place_sigma_m_kt[k, frame])
        return footprint_m + self.naming_m(k, frame) + measured_m

    def rest_of(self, k: int) -> float:
        """Return the error of the distance between two equal places of an object."""
        return self.rest_sigma_m if self.rest_sigma_m_k is None else float(self.rest_sigma_m_k[k])

    def naming_m(self, k: int, frame: int) -> float:
        """Return how far an object moves in the world, or relative to the camera, until its name.

        Zero if the frame was taken at the time that texts name.
        """
        late_s = self.late_s(frame)
        if not late_s:
            return 0.0
        seen_t3 = np.array([self.where(k, t) for t in self._around(frame)])
        return late_s * max(
            self._speed_m_s(self.centre_m_kt3[k, self._around(frame)], frame),
            self._speed_m_s(seen_t3, frame),
        )

    def camera_naming_m(self, frame: int) -> float:
        """Return how far the camera moves between the time of a frame and its name."""
        places_t3 = self.world_T_cam_t44[self._around(frame), :3, 3]
        return self.late_s(frame) * self._speed_m_s(places_t3, frame)

    def turn_naming_rad(self, total_rad: float, begin: int, end: int) -> float:
        """Return how far an even turn goes on between the times of two frames and their names."""
        return total_rad * (self.late_s(begin) + self.late_s(end)) / self.seconds(begin, end)

    def late_s(self, frame: int) -> float:
        """Seconds from the time of a frame to the time that texts name."""
        return abs(int(self.named_ns[frame]) - int(self.time_ns[frame])) * 1e-9

    def seconds(self, begin: int, end: int) -> float:
        """Seconds between the times of two frames."""
        return (int(self.time_ns[end]) - int(self.time_ns[begin])) * 1e-9

    def _around(self, frame: int) -> list[int]:
        return list(range(max(0, frame - 1), min(len(self.time_ns), frame + 2)))

    def _speed_m_s(self, places_t3: np.ndarray, frame: int) -> float:
        """Return the largest speed of the steps around a frame."""
        steps_m = np.linalg.norm(np.diff(places_t3, axis=0), axis=1)
        return float((steps_m / (np.diff(self.time_ns[self._around(frame)]) * 1e-9)).max(initial=0))

    def level_axes(self) -> np.ndarray:
        """Return rows right, up, ahead in the world: the first camera without pitch and roll.

        Raises:
            TruthError: the first camera looks straight up or down.

        """
        up = np.array([0.0, 0.0, 1.0])
        forward = self.world_T_cam_t44[0, :3, 2]
        ahead = forward - forward[2] * up
        length = np.linalg.norm(ahead)
        if not length > 0.1:
            raise TruthError(
                f"{self.source.clip_id}: the camera looks straight up or down, "
                "so left and right of a movement are undefined"
            )
        ahead = ahead / length
        return np.stack([np.cross(ahead, up), up, ahead])

    def where(self, k: int, frame: int) -> np.ndarray:
        """Centre of an object in the camera of a frame, [3], m."""
        return transform(inverse(self.world_T_cam_t44[frame]), self.centre_m_kt3[k, frame])

    def range_m(self, k: int, begin: int, end: int) -> np.ndarray:
        """Distances to the camera of each frame, [end + 1 - begin]."""
        frames = slice(begin, end + 1)
        camera_m_t3 = self.world_T_cam_t44[frames, :3, 3]
        return np.asarray(np.linalg.norm(self.centre_m_kt3[k, frames] - camera_m_t3, axis=1))

    def pixel(self, k: int, frame: int) -> np.ndarray:
        """Centre of an object in the image of a frame, (u, v) px; NaN behind the camera."""
        world_T_cam = self.world_T_cam_t44[frame]
        uv_px, _ = project(self.centre_m_kt3[k, frame], self.K_33, world_T_cam)
        return uv_px

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Times of two frames, as texts name them."""
        return int(self.named_ns[begin]), int(self.named_ns[end])
