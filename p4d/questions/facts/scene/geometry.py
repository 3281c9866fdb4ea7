"""The exact geometry of one clip: poses, sizes and visibility of its marked objects.

Sigma is not zero for exact truth: an answer must be visible, and an image fixes a point to half a
pixel. So a position carries the footprint of half a pixel at its distance.

Facts ask for the same few places, ranges and sigmas many times, so those of all objects and frames
are computed once per scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from p4d.errors import TruthError
from p4d.geometry.cameras import inverse, transform
from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    POSITION_SIGMA_M,
    row_lengths,
    vector_length,
)
from p4d.questions.facts.scene.turns import AccumulatedTurn, StepTurns
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

    @cached_property
    def camera_m_kt3(self) -> np.ndarray:
        """Object centres in the camera of each frame."""
        centre_m_kt3, cameras = self.centre_m_kt3, self._camera_T_world_t
        found = np.empty(centre_m_kt3.shape)
        # One by one: products of whole stacks differ in the last bits.
        for k, t in np.ndindex(*found.shape[:2]):
            found[k, t] = transform(cameras[t], centre_m_kt3[k, t])
        return found

    @cached_property
    def pixel_kt2(self) -> np.ndarray:
        """Object centres in the image of each frame, (u, v) px; NaN behind the camera."""
        return self._in_image(self.camera_m_kt3)

    def pixels_from(self, frame: int, points_m_n3: np.ndarray) -> np.ndarray:
        """Points of the world in the image of a frame, (u, v) px; NaN behind the camera."""
        return self._in_image(transform(self._camera_T_world_t[frame], points_m_n3))

    @cached_property
    def _camera_T_world_t(self) -> list[np.ndarray]:
        return [inverse(pose) for pose in self.world_T_cam_t44]

    def _in_image(self, camera_m: np.ndarray) -> np.ndarray:
        (fx, _, cx), (_, fy, cy), _ = self.K_33.tolist()
        z = camera_m[..., 2]
        z = np.where(z > 0, z, np.nan)
        found = np.empty((*z.shape, 2))
        found[..., 0] = fx * camera_m[..., 0] / z + cx
        found[..., 1] = fy * camera_m[..., 1] / z + cy
        return found

    @cached_property
    def range_m_kt(self) -> np.ndarray:
        """Distances of object centres from the camera of each frame."""
        apart_m_kt3 = self.centre_m_kt3 - self.world_T_cam_t44[:, :3, 3]
        return row_lengths(apart_m_kt3)

    @cached_property
    def steps_m_kt(self) -> np.ndarray:
        """Distances of object centres from each frame to the next, [K, T - 1]."""
        return row_lengths(self.centre_m_kt3[:, 1:] - self.centre_m_kt3[:, :-1])

    def position_sigma_m(self, k: int, frame: int) -> float:
        """Return the error of the place of an object in a frame.

        It is the footprint of half a pixel at its distance, and how far it moves between the time
        of the frame and the time that texts name.
        """
        return self._position_sigma_m_kt[k][frame]

    @cached_property
    def _position_sigma_m_kt(self) -> list[list[float]]:
        sigma_m_kt = POSITION_SIGMA_M + HALF_PIXEL * self.range_m_kt / float(self.K_33[0, 0])
        sigma_m_kt = sigma_m_kt + np.array(self._naming_m_kt).reshape(sigma_m_kt.shape)
        if self.place_sigma_m_kt is not None:
            sigma_m_kt = sigma_m_kt + self.place_sigma_m_kt
        found: list[list[float]] = sigma_m_kt.tolist()
        return found

    def rest_of(self, k: int) -> float:
        """Return the error of the distance between two equal places of an object."""
        return self.rest_sigma_m if self.rest_sigma_m_k is None else float(self.rest_sigma_m_k[k])

    def naming_m(self, k: int, frame: int) -> float:
        """Return how far an object moves in the world, or relative to the camera, until its name.

        Zero if the frame was taken at the time that texts name.
        """
        return self._naming_m_kt[k][frame]

    @cached_property
    def _naming_m_kt(self) -> list[list[float]]:
        frames = range(len(self.time_ns))
        return [
            [self._moves_until_named(k, frame) for frame in frames]
            for k in range(len(self.region_ids))
        ]

    def _moves_until_named(self, k: int, frame: int) -> float:
        late_s = self.late_s(frame)
        if not late_s:
            return 0.0
        around = self._around(frame)
        return late_s * max(
            self._speed_m_s(self.centre_m_kt3[k, around], frame),
            self._speed_m_s(self.camera_m_kt3[k, around], frame),
        )

    def camera_naming_m(self, frame: int) -> float:
        """Return how far the camera moves between the time of a frame and its name."""
        places_t3 = self.world_T_cam_t44[self._around(frame), :3, 3]
        return self.late_s(frame) * self._speed_m_s(places_t3, frame)

    def turn(self, k: int, begin: int, end: int) -> AccumulatedTurn:
        """The turn of an object between two frames."""
        key = k, begin, end
        if key not in self._turns:
            self._turns[key] = self._step_turns_k[k].between(begin, end)
        return self._turns[key]

    @cached_property
    def _turns(self) -> dict[tuple[int, int, int], AccumulatedTurn]:
        return {}

    @cached_property
    def _step_turns_k(self) -> list[StepTurns]:
        return [StepTurns(poses_t44[:, :3, :3]) for poses_t44 in self.world_T_obj_kt44]

    def turn_naming_rad(self, total_rad: float, begin: int, end: int) -> float:
        """Return how far an even turn goes on between the times of two frames and their names."""
        return total_rad * (self.late_s(begin) + self.late_s(end)) / self.seconds(begin, end)

    def late_s(self, frame: int) -> float:
        """Seconds from the time of a frame to the time that texts name."""
        return self._late_s_t[frame]

    @cached_property
    def _late_s_t(self) -> list[float]:
        pairs = zip(self.named_ns.tolist(), self.time_ns.tolist(), strict=True)
        return [abs(named_ns - time_ns) * 1e-9 for named_ns, time_ns in pairs]

    def seconds(self, begin: int, end: int) -> float:
        """Seconds between the times of two frames."""
        return (int(self.time_ns[end]) - int(self.time_ns[begin])) * 1e-9

    def _around(self, frame: int) -> list[int]:
        return list(range(max(0, frame - 1), min(len(self.time_ns), frame + 2)))

    def _speed_m_s(self, places_t3: np.ndarray, frame: int) -> float:
        """Return the largest speed of the steps around a frame."""
        steps_m = row_lengths(places_t3[1:] - places_t3[:-1])
        return float((steps_m / (np.diff(self.time_ns[self._around(frame)]) * 1e-9)).max(initial=0))

    @cached_property
    def level_axes(self) -> np.ndarray:
        """Rows right, up, ahead in the world: the first camera without pitch and roll.

        Raises:
            TruthError: the first camera looks straight up or down.

        """
        up = np.array([0.0, 0.0, 1.0])
        forward = self.world_T_cam_t44[0, :3, 2]
        ahead = forward - forward[2] * up
        length = vector_length(ahead)
        if not length > 0.1:
            raise TruthError(
                f"{self.source.clip_id}: the camera looks straight up or down, "
                "so left and right of a movement are undefined"
            )
        ahead = ahead / length
        return np.stack([np.cross(ahead, up), up, ahead])

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Times of two frames, as texts name them."""
        named_ns = self._named_ns_t
        return named_ns[begin], named_ns[end]

    @cached_property
    def _named_ns_t(self) -> list[int]:
        named_ns: list[int] = self.named_ns.tolist()
        return named_ns
