"""Light that changes is no thing and moves nothing; a thing on the same way does.

Shadows, lit patches, glass and images in a glossy floor pass; exposure and noise change; things
turn without a change of their picture. Each clip shows one of them alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from p4d.questions.facts.stirring_facts import LEAST_STIR, MOST_STILL, SIGMAS
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


def _film(picture: Callable[[int], np.ndarray]) -> np.ndarray:
    frames = np.stack([picture(t) for t in range(FRAMES)])
    return frames.round().clip(0, 255).astype(np.uint8)


def _light_passes(ground_hw3: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """A disc within which the light on the ground changes by a factor, or one per colour."""
    return _film(lambda t: ground_hw3 * (1 + (factor - 1) * _disc(t)))


def _shadow_passes(ground_hw3: np.ndarray) -> np.ndarray:
    return _light_passes(ground_hw3, 0.6)


def _pole_shadow_passes(ground_hw3: np.ndarray) -> np.ndarray:
    u = np.indices(SIZE_HW)[1]
    return _film(lambda t: ground_hw3 * (1 - 0.4 * (abs(u - 50 - SPEED_PX * t) < 4)[..., None]))


def _colour_passes(ground_hw3: np.ndarray) -> np.ndarray:
    """A plain disc of another colour and nearly the same brightness."""
    return _film(lambda t: ground_hw3 * (1 - _disc(t)) + np.array([90, 130, 160]) * _disc(t))


def _image_passes(ground_hw3: np.ndarray) -> np.ndarray:
    """A disc of another colour, seen in a floor that reflects a fifth of it."""
    return _film(lambda t: 0.8 * ground_hw3 + 0.2 * np.array([60, 180, 220]) * _disc(t))


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
    assert "it changes the light on what is there, as a shadow does" in motion.doubts


@pytest.mark.parametrize("plain", [False, True])
def test_a_thing_of_another_colour_moves(plain):
    motion = _measured(_colour_passes(_ground(plain=plain)))
    assert np.sqrt(motion.stirs_tt33[0, -1]).max() > CERTAIN


@pytest.mark.parametrize(
    ("film", "gets_a_mark"),
    [
        pytest.param(lambda: _pole_shadow_passes(_ground(plain=True)), False, id="pole's shadow"),
        pytest.param(
            lambda: _light_passes(_ground(plain=True), np.array([0.5, 0.56, 0.63])), False,
            id="shadow under a blue sky",
        ),
        # A plain white thing looks the same.
        pytest.param(lambda: _light_passes(_ground(plain=True), 1.5), True, id="lit patch"),
        pytest.param(lambda: _light_passes(_ground(plain=False), 1.3), False, id="lit texture"),
        pytest.param(
            lambda: _light_passes(_ground(plain=False), np.array([0.8, 0.9, 0.7])), False,
            id="green glass",
        ),
        pytest.param(lambda: _image_passes(_ground(plain=False)), False, id="image in a floor"),
    ],
)  # fmt: skip
def test_nothing_certainly_moves_nor_rests_where_light_passes(film, gets_a_mark):
    motion = _measured(film())
    assert np.sqrt(motion.stirs_tt33[0, -1]).max() < CERTAIN
    assert np.sqrt(motion.may_stir_tt33[0, -1]).max() > MOST_STILL
    assert bool(motion.things) == gets_a_mark


def test_a_change_of_exposure_moves_nothing_and_hides_what_may_move():
    ground = _ground(plain=False)
    motion = _measured(_film(lambda t: ground * (1 + 0.15 * np.sin(t))))
    assert np.nan_to_num(motion.stirs_tt33).max() == 0
    assert not np.sqrt(np.nan_to_num(motion.may_stir_tt33[0, -1], nan=1.0)).min() < MOST_STILL


def test_nothing_moves_in_noise():
    ground, rng = _ground(plain=True), np.random.default_rng(5)
    motion = _measured(_film(lambda _: ground + rng.normal(0, 2, ground.shape)))
    assert motion.stirs_tt33[0, -1].max() == 0
    assert np.sqrt(motion.may_stir_tt33[0, -1]).max() < MOST_STILL


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
