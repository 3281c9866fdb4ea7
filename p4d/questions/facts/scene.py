"""The exact geometry of one clip, and what is measured alike everywhere: margins and turns.

Sigma is not zero for exact truth: an answer must be visible, and a picture fixes a point to half a
pixel. So positions carry the footprint of half a pixel at their distance, and angles of movement
carry `HEADING_SIGMA_RAD`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from p4d.errors import TruthError
from p4d.geometry.cameras import inverse, project, transform
from p4d.questions.facts.table import Source

POSITION_SIGMA_M = 0.005  # float32 storage and the resampling of poses
HALF_PIXEL = 0.5
HEADING_SIGMA_RAD = 0.06  # about 3.5 degrees: nobody tells headings apart more finely from a clip
TURN_SIGMA_RAD = 0.03
LEAST_MOVEMENT_PX = 2.0  # the least that is called a movement in the picture
MAX_STEP_RAD = 2.4  # a larger turn between two frames may be one the other way round
MIN_STRAIGHTNESS = 0.8  # displacement over path length, below which one direction says too little


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Exact geometry of one clip, of its marked objects only.

    Attributes:
        source: who measured.
        time_ns: [T], relative to the clip's start.
        world_T_cam_t44, K_33: camera poses and first intrinsics at the size of the masks.
        region_ids: objects in mark order.
        world_T_obj_kt44: their poses.
        size_m_k3: full extents along their own axes.
        visible_kt: whether the object is seen in the frame.
        names: what the objects are called, or empty.
        absent_name: what no object of the whole scene is called, marked or not.
        rest_sigma_m: error of the distance between two places that are the same; constancy is
            certain by it. That of exact poses, unless places were read off pictures.

    """

    source: Source
    time_ns: np.ndarray
    world_T_cam_t44: np.ndarray
    K_33: np.ndarray
    region_ids: tuple[str, ...]
    world_T_obj_kt44: np.ndarray
    size_m_k3: np.ndarray
    visible_kt: np.ndarray
    names: tuple[str, ...] = ()
    absent_name: str | None = None
    rest_sigma_m: float = 2 * POSITION_SIGMA_M

    @property
    def metric(self) -> bool:
        """Whether metres mean metres."""
        return self.source.scale_kind == "metric"

    @property
    def centre_m_kt3(self) -> np.ndarray:
        """Object centres in the world."""
        return self.world_T_obj_kt44[:, :, :3, 3]

    def position_sigma_m(self, centre_m_3: np.ndarray, frame: int) -> float:
        """Footprint of half a pixel at a point, seen in a frame."""
        range_m = float(np.linalg.norm(centre_m_3 - self.world_T_cam_t44[frame, :3, 3]))
        return POSITION_SIGMA_M + HALF_PIXEL * range_m / float(self.K_33[0, 0])

    def level_axes(self) -> np.ndarray:
        """Rows right, up, ahead in the world: the first camera, pitch and roll removed.

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
        """Where the centre of an object is seen in a frame, (u, v) px; NaN behind the camera."""
        world_T_cam = self.world_T_cam_t44[frame]
        uv_px, _ = project(self.centre_m_kt3[k, frame], self.K_33, world_T_cam)
        return uv_px

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Times of two frames."""
        return int(self.time_ns[begin]), int(self.time_ns[end])


def beyond(
    extent_m: float, threshold_m: float, visible_sigma_m: float, rest_sigma_m: float
) -> float:
    """Signed margin of a movement. To move it must be seen to; to rest it must be measured to."""
    excess_m = extent_m - threshold_m
    return excess_m / (visible_sigma_m if excess_m > 0 else rest_sigma_m)


def excess_of_length(length: float, sigma: float) -> float:
    """By how much noise lengthens a vector on average, `sigma` being its error along each axis.

    The mean of a noncentral Maxwell distribution less the length, taken two sigmas below `length`:
    what is measured may itself be noise.
    """
    shortest = max(0.0, length - 2 * sigma) / sigma
    if shortest < 1e-6:
        return 2 * sigma * (2 / math.pi) ** 0.5
    mean = (2 / math.pi) ** 0.5 * math.exp(-(shortest**2) / 2)
    mean += (shortest + 1 / shortest) * math.erf(shortest / 2**0.5)
    return sigma * (mean - shortest)


def length_sigma(length: float, sigma: float) -> float:
    """Error of the length of a vector whose every component errs by `sigma`."""
    return math.hypot(sigma, excess_of_length(length, sigma))


def path_sigma_m(
    points_m_t3: np.ndarray, sigma_m: float, less_m_3: np.ndarray | None = None
) -> float:
    """Error of the length of a way through points, each of which errs by `sigma_m` along each axis.

    The ends move the length as they move along the way, and each point between by as much as the
    way turns there; so errors cancel along a straight way and add up over a crooked one. What turns
    also goes farther between the points than straight on: an arc by a 24th of its angle squared.

    Args:
        points_m_t3: the points in order.
        sigma_m: error of each.
        less_m_3: of what is subtracted from the length, the derivative by the last point, if it is
            a function of the difference of the ends.
    """
    steps_m = np.diff(points_m_t3, axis=0)
    lengths_m = np.linalg.norm(steps_m, axis=1, keepdims=True)
    # A step shorter than its own error has no heading to speak of.
    headings = steps_m / np.hypot(lengths_m, sigma_m)
    turns = (np.diff(headings, axis=0) ** 2).sum(axis=1)
    between_m = float((turns * (lengths_m[1:, 0] + lengths_m[:-1, 0])).sum()) / 24
    excess_m = excess_of_length(float(lengths_m.sum()), 2**0.5 * sigma_m)
    ends = 2.0 if less_m_3 is None else float(((headings[[0, -1]] - less_m_3) ** 2).sum())
    return math.hypot(sigma_m * (ends + float(turns.sum())) ** 0.5, excess_m, between_m)


def dominant(vector: np.ndarray) -> tuple[int, float, float]:
    """Largest axis of a vector, its sign, and the angle to the nearest border in sigmas."""
    sizes = np.abs(vector)
    axis = int(sizes.argmax())
    rest = float(np.sort(sizes)[-2])
    to_border_rad = np.pi / 4 - float(np.arctan2(rest, sizes[axis]))
    return axis, float(np.sign(vector[axis])), to_border_rad / HEADING_SIGMA_RAD


@dataclass(frozen=True)
class Turn:
    """A rotation over several frames."""

    sum_rad: np.ndarray  # [3], signed, about the axes of the world
    vertical_rad: float  # signed, about world z
    level_rad: float  # sum of sizes about level axes
    total_rad: float
    total_sigma_rad: float
    largest_step_rad: float


def turn_of(rotations_t33: np.ndarray) -> Turn:
    """Rotation accumulated from frame to frame, in the world."""
    steps_t33 = rotations_t33[1:] @ np.swapaxes(rotations_t33[:-1], -1, -2)
    vectors = rotation_vectors(steps_t33)
    angles = np.linalg.norm(vectors, axis=1)
    return Turn(
        sum_rad=vectors.sum(axis=0),
        vertical_rad=float(vectors[:, 2].sum()),
        level_rad=float(np.linalg.norm(vectors[:, :2], axis=1).sum()),
        total_rad=float(angles.sum()),
        # Angles are never negative: what each step errs by adds up where little or nothing turns.
        total_sigma_rad=TURN_SIGMA_RAD
        + sum(excess_of_length(float(angle), TURN_SIGMA_RAD / 3**0.5) for angle in angles),
        largest_step_rad=float(angles.max(initial=0.0)),
    )


def rotation_vectors(rotations_t33: np.ndarray) -> np.ndarray:
    """Axis times angle of rotations by less than pi, [T, 3]."""
    r = rotations_t33
    twice_sine = np.stack(
        [r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], axis=1
    )
    length = np.linalg.norm(twice_sine, axis=1)
    angle = np.arctan2(length, np.trace(r, axis1=1, axis2=2) - 1.0)
    scale = np.divide(angle, length, out=np.zeros_like(angle), where=length >= 1e-9)
    return np.asarray(twice_sine * scale[:, None])
