"""A shadow that passes is no thing and moves nothing; a dark thing on the same way does."""

from __future__ import annotations

import numpy as np
import pytest

from p4d.questions.facts.stirring_facts import LEAST_STIR, SIGMAS
from p4d.questions.regions.flow.clip_motion import ClipMotion, clip_motion
from p4d.questions.regions.flow.light import light_alone
from p4d.teachers.flow_dis import opencv

SIZE_HW = (144, 192)
FRAMES = 29
INSTANTS = list(range(0, FRAMES, 4))
RADIUS_PX, SPEED_PX = 18, 2.0
RIM = np.s_[24:-24, 24:-24]
CERTAIN = LEAST_STIR + 3 * SIGMAS.stirs
"""Square root of the share of the picture that must move in a part, for a question to say so."""


def _patches(seed: int) -> np.ndarray:
    """Patches of random colours, sides of 6 px, of one brightness, [H, W, 3]."""
    rng = np.random.default_rng(seed)
    height, width = SIZE_HW
    colour = rng.uniform(90, 210, (height // 6, width // 6, 3))
    colour *= 140 / (colour @ [0.299, 0.587, 0.114])[..., None]
    return colour.repeat(6, 0).repeat(6, 1).clip(0, 255)


def _disc(t: int) -> np.ndarray:
    """How much of each pixel a disc covers that goes to the right, [H, W, 1]."""
    v, u = np.indices(SIZE_HW)
    away_px = np.hypot(u - 50 - SPEED_PX * t, v - 72)
    return np.clip(RADIUS_PX + 0.5 - away_px, 0, 1)[..., None]


def _grain(seed: int) -> np.ndarray:
    """Grey patches, sides of 4 px, whose brightness differs, [H, W, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 200, (SIZE_HW[0] // 4, SIZE_HW[1] // 4, 1))
    return coarse.repeat(4, 0).repeat(4, 1).repeat(3, 2)


def _ground(plain: bool) -> np.ndarray:
    """Patches of one brightness or none, within a rim whose texture shows that the camera rests."""
    ground = _grain(4)
    ground[RIM] = (140, 120, 100) if plain else _patches(1)[RIM]
    return ground


def _shadow_passes(ground_hw3: np.ndarray) -> np.ndarray:
    frames = [ground_hw3 * (1 - 0.4 * _disc(t)) for t in range(FRAMES)]
    return np.stack(frames).round().astype(np.uint8)


def _disc_passes(ground_hw3: np.ndarray) -> np.ndarray:
    """A disc that is as dark as the shadow, with a texture of its own."""
    own = 0.6 * _grain(2)
    frames = []
    for t in range(FRAMES):
        led = np.roll(own, round(SPEED_PX * t), axis=1)
        frames.append(ground_hw3 * (1 - _disc(t)) + led * _disc(t))
    return np.stack(frames).round().astype(np.uint8)


def _measured(rgb_thw3: np.ndarray) -> ClipMotion:
    return clip_motion(opencv("test"), rgb_thw3, INSTANTS, 64)


def test_nothing_moves_where_a_shadow_passes_over_colours_of_one_brightness():
    motion = _measured(_shadow_passes(_ground(plain=False)))
    assert np.sqrt(motion.stirs_tt33[0, -1]).max() < CERTAIN / 2
    assert np.sqrt(motion.may_stir_tt33[0, -1]).max() > LEAST_STIR  # and it is not still there
    assert motion.things == ()


@pytest.mark.parametrize("plain", [False, True])
def test_a_dark_thing_with_a_texture_moves_and_gets_a_mark(plain):
    motion = _measured(_disc_passes(_ground(plain=plain)))
    assert np.sqrt(motion.stirs_tt33[0, -1]).max() > CERTAIN
    (thing,) = motion.things
    assert thing.place_t2[0] == pytest.approx((50, 72), abs=2)


def test_a_shadow_on_a_plain_ground_gets_no_mark_and_moves_nothing():
    motion = _measured(_shadow_passes(_ground(plain=True)))
    assert np.sqrt(motion.stirs_tt33[0, -1]).max() < CERTAIN / 2
    assert motion.things == ()
    assert "it darkens what is there by one factor, as a shadow does" in motion.doubts


def test_texture_that_goes_with_the_flow_is_no_light():
    shift = 4
    here = _patches(3).round().astype(np.uint8)
    there = np.roll(here, shift, axis=1)
    darker = (0.6 * here).round().astype(np.uint8)
    flow = np.zeros((*SIZE_HW, 2), np.float32)
    flow[..., 0] = shift
    cv = opencv("test")
    assert light_alone(cv, here, there, flow)[RIM].mean() < 0.01
    assert light_alone(cv, here, darker, flow)[RIM].mean() > 0.9
