"""Shots: cuts, fades and dissolves are found where they are, and motion is none of them."""

import numpy as np
import pytest

from p4d.video.shots import Shot, Transition, find_shots, find_transitions
from tests.video.media import params

SHOTS = params().shots


def scene(seed, frames=30, speed=0.3):
    """Small grey pictures of a texture that drifts to the left: u8 [frames, 18, 32]."""
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.integers(20, 236, (6, 40)), np.ones((3, 3)))
    film = []
    for t in range(frames):
        whole, part = divmod(speed * t, 1)
        one, other = (np.roll(texture, -int(whole) - step, axis=1) for step in (0, 1))
        film.append(((1 - part) * one + part * other)[:, :32])
    return np.stack(film).round().astype(np.uint8)


def blend(one, other, count):
    """`count` frames that lead from a frame to another."""
    share = np.linspace(0, 1, count + 2)[1:-1, None, None]
    return ((1 - share) * one + share * other).round().astype(np.uint8)


BLACK = np.zeros((1, 18, 32), np.uint8)


def test_a_cut_is_found_at_its_frame():
    film = np.concatenate([scene(1)[:13], scene(2)])
    assert find_transitions(film, SHOTS) == [Transition("cut", 13, 13)]
    assert find_shots(film, SHOTS) == [
        Shot(0, 13, Transition("cut", 13, 13)),
        Shot(13, 43, None),
    ]


@pytest.mark.parametrize("level", [0, 255])
def test_a_fade_is_found_with_its_extent(level):
    one, other = scene(1), scene(2)
    plain = np.full((3, 18, 32), level, np.uint8)
    parts = [one, blend(one[-1], plain[0], 8), plain, blend(plain[0], other[0], 8), other]
    (fade,) = find_transitions(np.concatenate(parts), SHOTS)
    assert fade.kind == "fade"
    assert abs(fade.first - 30) <= 2
    assert abs(fade.end - 49) <= 2


@pytest.mark.parametrize("count", [6, 12, 25])
def test_a_dissolve_is_found_with_its_extent(count):
    one, other = scene(1), scene(2)
    film = np.concatenate([one, blend(one[-1], other[0], count), other])
    (dissolve,) = find_transitions(film, SHOTS)
    assert dissolve.kind == "dissolve"
    assert abs(dissolve.first - 30) <= 3
    assert abs(dissolve.end - (30 + count)) <= 3
    before, behind = find_shots(film, SHOTS)
    assert before == Shot(0, dissolve.first, dissolve)
    assert behind == Shot(dissolve.end, len(film), None)


def test_a_dissolve_between_moving_scenes_is_found():
    one, other = scene(1, 42, speed=0.1), scene(2, 42, speed=0.1)
    share = np.linspace(0, 1, 14)[1:-1, None, None]
    mixed = ((1 - share) * one[30:] + share * other[:12]).round().astype(np.uint8)
    (dissolve,) = find_transitions(np.concatenate([one[:30], mixed, other[12:]]), SHOTS)
    assert dissolve.kind == "dissolve"
    # The drift of the scenes beside it is a blend as well, so it may seem some frames longer.
    assert dissolve.first <= 34
    assert 38 <= dissolve.end <= 48


def test_a_scene_that_only_grows_darker_is_no_dissolve():
    film = scene(1, 40, speed=0.02).astype(np.float64)
    light = np.r_[np.ones(10), np.linspace(1, 0.4, 20), np.full(10, 0.4)][:, None, None]
    assert find_transitions((film * light).astype(np.uint8), SHOTS) == []


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("level", [0, 255])
def test_a_short_fade_through_a_plain_picture_is_found(count, level):
    one, other = scene(1), scene(2)
    plain = np.full((2, 18, 32), level, np.uint8)
    parts = [
        one, blend(one[-1], plain[0], count), plain, blend(plain[0], other[0], count), other,
    ]  # fmt: skip
    (fade,) = find_transitions(np.concatenate(parts), SHOTS)
    assert fade.kind == "fade"
    assert fade.first <= 32
    assert fade.end >= 30 + count


def test_a_plain_picture_between_pictures_of_one_scene_is_no_fade():
    film = scene(1, 40)
    film[20] = 0
    assert find_transitions(film, SHOTS) == []


@pytest.mark.parametrize("speed", [0.05, 0.1, 0.15, 0.2, 0.3, 0.5])
def test_a_pan_is_no_dissolve(speed):
    """On small pictures a slow pan blends neighbouring cells."""
    for seed in range(4):
        assert find_transitions(scene(seed, 60, speed=speed), SHOTS) == []


def flashed(film):
    film = film.copy()
    film[15] = 255
    return film


@pytest.mark.parametrize(
    "film",
    [
        scene(1),
        scene(1, speed=3.0),
        scene(1, speed=0.02),
        np.repeat(scene(1, speed=2.0), 2, axis=0),
        flashed(scene(1)),
        np.repeat(BLACK, 20, axis=0),
        scene(1)[:1],
    ],
    ids=["slow", "fast", "very slow", "doubled", "flash", "black", "one frame"],
)
def test_motion_flashes_and_plain_pictures_are_no_cuts(film):
    assert find_shots(film, SHOTS) == [Shot(0, len(film), None)]
