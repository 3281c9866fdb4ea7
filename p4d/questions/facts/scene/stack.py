"""Scenes of several clips as arrays, and what follows from their geometry.

Sigma is not zero for exact truth: an answer must be visible, and an image fixes a point to half a
pixel. So a position carries the footprint of half a pixel at its distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from p4d.errors import TruthError
from p4d.geometry.cameras import inverse
from p4d.questions.facts.scene.geometry import LEAST_LEVEL, Scene
from p4d.questions.facts.scene.margins import (
    HALF_PIXEL,
    POSITION_SIGMA_M,
    Bools,
    Floats,
    Ints,
    row_lengths,
)
from p4d.questions.facts.scene.turns import AccumulatedTurns, StepTurns


class Scenes:
    """Scenes with equally many objects and frames."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes = tuple(scenes)
        self.objects = len(self.scenes[0].region_ids)
        self.frames = len(self.scenes[0].time_ns)
        self.time_ns_ct: Ints = self._stacked("time_ns")
        self.named_ns_ct: Ints = self._stacked("named_ns")
        self.world_T_cam_ct44: Floats = self._stacked("world_T_cam_t44")
        self.K_c33: Floats = self._stacked("K_33")
        self.world_T_obj_ckt44: Floats = self._stacked("world_T_obj_kt44")
        self.size_m_ck3: Floats = self._stacked("size_m_k3")
        self.visible_ckt: Bools = self._stacked("visible_kt")
        self.metric_c: Bools = self._stacked("metric")
        self.camera_sigma_m_c: Floats = self._stacked("camera_sigma_m")
        self.rest_sigma_m_c: Floats = self._stacked("rest_sigma_m")
        """Error of the distance between two equal places, the largest of a clip's objects."""

    def _stacked(self, name: str) -> NDArray:
        return np.stack([np.asarray(getattr(scene, name)) for scene in self.scenes])

    @cached_property
    def rest_sigma_m_ck(self) -> Floats:
        """Error of the distance between two equal places of an object."""
        found = np.repeat(self.rest_sigma_m_c[:, None], self.objects, axis=1)
        for clip, scene in enumerate(self.scenes):
            if scene.rest_sigma_m_k is not None:
                found[clip] = scene.rest_sigma_m_k
        return found

    @property
    def centre_m_ckt3(self) -> Floats:
        """Object centres in the world."""
        return self.world_T_obj_ckt44[..., :3, 3]

    @cached_property
    def camera_m_ckt3(self) -> Floats:
        """Object centres in the camera of each frame."""
        return transformed(inverse(self.world_T_cam_ct44)[:, None], self.centre_m_ckt3)

    @cached_property
    def pixel_ckt2(self) -> Floats:
        """Object centres in the image of each frame, (u, v) px; NaN behind the camera."""
        return in_image(self.K_c33[:, None, None], self.camera_m_ckt3)

    def pixel_from_ck2(self, frame: int, points_m_ck3: Floats) -> Floats:
        """Points of the world in the image of a frame, (u, v) px; NaN behind the camera."""
        camera_T_world_c44 = inverse(self.world_T_cam_ct44[:, frame])
        return in_image(self.K_c33[:, None], transformed(camera_T_world_c44[:, None], points_m_ck3))

    @cached_property
    def range_m_ckt(self) -> Floats:
        """Distances of object centres from the camera of each frame."""
        return row_lengths(self.centre_m_ckt3 - self.world_T_cam_ct44[:, None, :, :3, 3])

    @cached_property
    def steps_m_ckt(self) -> Floats:
        """Distances of object centres from each frame to the next, [C, K, T - 1]."""
        return _steps(self.centre_m_ckt3)

    @cached_property
    def position_sigma_m_ckt(self) -> Floats:
        """Errors of the places of objects.

        An error is the footprint of half a pixel at the object's distance, and how far it moves
        between the time of the frame and the time that texts name.
        """
        footprint_m_ckt = HALF_PIXEL * self.range_m_ckt / self.K_c33[:, 0, 0, None, None]
        found = POSITION_SIGMA_M + footprint_m_ckt + self.naming_m_ckt
        for clip, scene in enumerate(self.scenes):
            if scene.place_sigma_m_kt is not None:
                found[clip] += scene.place_sigma_m_kt
        return found

    @cached_property
    def late_s_ct(self) -> Floats:
        """Seconds from the time of a frame to the time that texts name."""
        return np.abs(self.named_ns_ct - self.time_ns_ct) * 1e-9

    @cached_property
    def naming_m_ckt(self) -> Floats:
        """How far an object moves in the world, or relative to the camera, until its name.

        Zero if the frame was taken at the time that texts name.
        """
        in_world, in_camera = self.steps_m_ckt, _steps(self.camera_m_ckt3)
        speed_m_s_ckt = self._beside(np.maximum(in_world, in_camera) / self._steps_s_ct[:, None])
        late_s_ckt = self.late_s_ct[:, None]
        return np.where(late_s_ckt > 0, late_s_ckt * speed_m_s_ckt, 0.0)

    @cached_property
    def camera_naming_m_ct(self) -> Floats:
        """How far the camera moves between the time of a frame and its name."""
        steps_m_ct = _steps(self.world_T_cam_ct44[..., :3, 3])
        return self.late_s_ct * self._beside(steps_m_ct / self._steps_s_ct)

    @cached_property
    def _steps_s_ct(self) -> Floats:
        return np.diff(self.time_ns_ct) * 1e-9

    @staticmethod
    def _beside(steps: Floats) -> Floats:
        """The larger of the steps before and after each frame."""
        none = np.zeros((*steps.shape[:-1], 1))
        return np.maximum(np.append(none, steps, axis=-1), np.append(steps, none, axis=-1))

    def turns(self, begin: int, end: int) -> AccumulatedTurns:
        """The turns of the objects between two frames, [C, K]."""
        return self._step_turns.between(begin, end)

    @cached_property
    def _step_turns(self) -> StepTurns:
        return StepTurns(self.world_T_obj_ckt44[..., :3, :3])

    def turn_naming_rad(self, total_rad_ck: Floats, begin: int, end: int) -> Floats:
        """How far even turns go on between the times of two frames and their names."""
        late_s_c = self.late_s_ct[:, begin] + self.late_s_ct[:, end]
        return total_rad_ck * late_s_c[:, None] / self.seconds_c(begin, end)[:, None]

    def seconds_c(self, begin: int, end: int) -> Floats:
        """Seconds between the times of two frames."""
        return np.asarray((self.time_ns_ct[:, end] - self.time_ns_ct[:, begin]) * 1e-9)

    @cached_property
    def level_axes_c33(self) -> Floats:
        """Rows right, up, ahead in the world: the first camera without pitch and roll.

        Raises:
            TruthError: a first camera looks straight up or down.

        """
        ahead_c3 = self.world_T_cam_ct44[:, 0, :3, 2] * (1.0, 1.0, 0.0)
        length_c = row_lengths(ahead_c3)
        for scene, length in zip(self.scenes, length_c.tolist(), strict=True):
            if not length > LEAST_LEVEL:
                raise TruthError(
                    f"{scene.source.clip_id}: the camera looks straight up or down, "
                    "so left and right of a movement are undefined"
                )
        ahead_c3 = ahead_c3 / length_c[:, None]
        up_c3 = np.broadcast_to((0.0, 0.0, 1.0), ahead_c3.shape)
        return np.stack([np.cross(ahead_c3, up_c3), up_c3, ahead_c3], axis=1)


def transformed(a_T_b: Floats, points: Floats) -> Floats:
    """Points [..., 3] of frames b in frames a, by transforms [..., 4, 4]."""
    return np.asarray((a_T_b[..., :3, :3] @ points[..., None])[..., 0] + a_T_b[..., :3, 3])


def in_image(K: Floats, camera_m: Floats) -> Floats:
    """Points [..., 3] of cameras in their images, (u, v) px; NaN behind the camera."""
    z_m = np.where(camera_m[..., 2] > 0, camera_m[..., 2], np.nan)
    u_px = K[..., 0, 0] * camera_m[..., 0] / z_m + K[..., 0, 2]
    v_px = K[..., 1, 1] * camera_m[..., 1] / z_m + K[..., 1, 2]
    return np.stack([u_px, v_px], axis=-1)


def _steps(places_t3: Floats) -> Floats:
    return row_lengths(places_t3[..., 1:, :] - places_t3[..., :-1, :])
