"""Things that move by themselves, found in pictures whose truth is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from p4d.questions.regions.flow.background import Background
from p4d.questions.regions.flow.borne_out import borne_out
from p4d.questions.regions.flow.clip_motion import ClipMotion, clip_motion, squashed
from p4d.questions.regions.flow.source import close_in_time, tracks
from p4d.teachers.flow_dis import opencv

SIZE_HW = (144, 192)
FRAMES = 29
INSTANTS = list(range(0, FRAMES, 4))


def _texture(seed: int, height: int, width: int, levels: tuple[int, int]) -> np.ndarray:
    """Noise of many sizes, so that flow is certain everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for side in (4, 8, 16):
        coarse = rng.uniform(0, 1, (height // side + 2, width // side + 2))
        picture += coarse.repeat(side, 0).repeat(side, 1)[:height, :width]
    low, high = levels
    grey = low + (high - low) * picture / 3
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _clip(
    *things: tuple[tuple[float, float], tuple[float, float]],
    pan_px: tuple[float, float] = (0.0, 0.0),
    side_px: int = 24,
    background: int = 1,
) -> np.ndarray:
    """Squares, each with its first corner (u, v) and its motion per frame, before a background."""
    height, width = SIZE_HW
    wide = _texture(background, height + 200, width + 200, (60, 130))
    frames = []
    for t in range(FRAMES):
        du, dv = round(pan_px[0] * t), round(pan_px[1] * t)
        frame = wide[100 + dv : 100 + dv + height, 100 + du : 100 + du + width].copy()
        for number, ((u, v), (move_u, move_v)) in enumerate(things):
            left, top = round(u + move_u * t), round(v + move_v * t)
            patch = _texture(10 + number, side_px, side_px, (170, 250))
            rows = [v for v in range(side_px) if 0 <= top + v < height]
            columns = [u for u in range(side_px) if 0 <= left + u < width]
            if rows and columns:
                at = np.ix_(np.array(rows) + top, np.array(columns) + left)
                frame[at] = patch[np.ix_(rows, columns)]
        frames.append(frame)
    return np.stack(frames)


def _measured(rgb_thw3: np.ndarray) -> ClipMotion:
    return clip_motion(opencv("test"), rgb_thw3, INSTANTS, 64)


def test_a_thing_before_a_resting_camera_has_its_outline_and_its_path():
    motion = _measured(_clip(((30, 50), (3, 0))))
    (thing,) = motion.things
    centre = np.array([30 + 11.5, 50 + 11.5])
    assert thing.place_t2[0] == pytest.approx(centre, abs=1.5)
    assert thing.place_t2[-1] == pytest.approx(centre + np.array([84, 0]), abs=1.5)
    assert thing.own_t2 == pytest.approx(thing.place_t2)
    mask = thing.masks_tss[0]
    truth = np.zeros(SIZE_HW, bool)
    truth[50:74, 30:54] = True
    both, either = mask & squashed(truth, 64), mask | squashed(truth, 64)
    assert both.sum() / either.sum() > 0.7
    assert motion.view_t42 == pytest.approx(np.repeat(motion.view_t42[:1], 8, axis=0))
    assert motion.all_moved_px_tt[0, -1] < 0.5


def test_the_motion_of_the_camera_is_taken_out():
    motion = _measured(_clip(((40, 60), (1.5, 0)), pan_px=(1, 0)))
    (thing,) = motion.things
    assert thing.place_t2[-1] - thing.place_t2[0] == pytest.approx((1.5 * 28, 0), abs=2)
    # The square is drawn on the picture, so against the background it goes 1 px a frame faster.
    assert thing.own_t2[-1] - thing.own_t2[0] == pytest.approx((2.5 * 28, 0), abs=3)
    assert motion.view_t42[-1] - motion.view_t42[0] == pytest.approx(
        np.tile([-28.0, 0.0], (4, 1)), abs=1
    )
    assert motion.all_moved_px_tt[0, -1] > 20


def test_a_slow_thing_that_never_leaves_its_first_place_is_found_by_its_flow():
    motion = _measured(_clip(((60, 40), (0.8, 0)), side_px=44))
    (thing,) = motion.things
    centre = np.array([60 + 21.5, 40 + 21.5])
    assert thing.place_t2[0] == pytest.approx(centre, abs=3)
    assert thing.place_t2[-1] - thing.place_t2[0] == pytest.approx((0.8 * 28, 0), abs=3)
    truth = np.zeros(SIZE_HW, bool)
    truth[40:84, 60:104] = True
    both, either = (
        thing.masks_tss[0] & squashed(truth, 64),
        thing.masks_tss[0] | squashed(truth, 64),
    )
    assert both.sum() / either.sum() > 0.6


def _over_a_plain_ground(side_px: int, speed_px: float) -> np.ndarray:
    """A square that is drawn between pixels, over a ground without texture but at the borders."""
    height, width = SIZE_HW
    ground = _texture(1, height, width, (60, 130)).astype(np.float32)
    ground[24:-24, 24:-24] = 95
    patch = _texture(10, side_px, side_px, (170, 250)).astype(np.float32)
    frames = []
    for t in range(FRAMES):
        left = 80 + speed_px * t
        whole, share = int(left), left - int(left)
        frame = ground.copy()
        for column, part in ((whole, 1 - share), (whole + 1, share)):
            frame[60 : 60 + side_px, column : column + side_px] += part * (patch - 95)
        frames.append(frame.round().astype(np.uint8))
    return np.stack(frames)


@pytest.mark.parametrize(("side_px", "speed_px"), [(16, 0.6), (28, 0.6)])
def test_the_mask_of_a_small_thing_does_not_spread_over_a_plain_ground(side_px, speed_px):
    """By flow alone its area is three times as large."""
    motion = _measured(_over_a_plain_ground(side_px, speed_px))
    (thing,) = motion.things
    assert thing.area_t == pytest.approx(side_px**2, rel=0.25)
    assert thing.place_t2[0] == pytest.approx((80 + side_px / 2, 60 + side_px / 2), abs=2)
    assert thing.place_t2[-1] - thing.place_t2[0] == pytest.approx((28 * speed_px, 0), abs=1.5)


def test_a_mask_of_which_little_changes_is_not_borne_out():
    pictures = _over_a_plain_ground(12, 0.6)[INSTANTS][..., 0]
    wide = np.zeros(pictures.shape, bool)
    wide[:, 40:100, 60:140] = True
    still = Background(
        frame_H_first_t33=np.repeat(np.eye(3)[None], len(pictures), axis=0),
        is_part_n=np.zeros(0, bool), sigma_px=0.1,
    )  # fmt: skip
    instants = range(len(pictures))
    assert borne_out(opencv("test"), pictures, wide, still, instants) is None
    close = np.zeros(pictures.shape, bool)
    for mask, t in zip(close, INSTANTS, strict=True):
        mask[56:76, round(76 + 0.6 * t) : round(96 + 0.6 * t)] = True
    kept = borne_out(opencv("test"), pictures, close, still, instants)
    assert kept is not None
    assert kept.sum(axis=(1, 2)) == pytest.approx(144, rel=0.3)


def test_the_parts_of_the_picture_that_stir_are_those_with_a_thing_that_moves():
    motion = _measured(_clip(((20, 10), (0.7, 0)), ((150, 110), (0, 0))))
    stirs, may_stir = motion.stirs_tt33[0, -1], motion.may_stir_tt33[0, -1]
    assert stirs[0, 0] > 0.005
    still = np.ones((3, 3), bool)
    still[0, :2] = False  # its outline comes near the middle
    assert (stirs[still] == 0).all()
    assert (may_stir[still] < 0.0005).all()


def test_what_has_come_to_rest_before_an_interval_does_not_stir_in_it():
    stops = INSTANTS[3]
    moving = _clip(((30, 50), (3, 0)))
    rests = np.repeat(moving[stops : stops + 1], FRAMES - stops, axis=0)
    stirs = _measured(np.concatenate([moving[:stops], rests])).stirs_tt33
    assert (stirs[0, 3] > 0.004).any()
    assert (stirs[2, -1] > 0.0005).any()
    assert (stirs[3, -1] == 0).all()


def test_before_a_camera_that_pans_no_part_is_said_to_stir():
    motion = _measured(_clip(((40, 60), (1.5, 0)), pan_px=(1, 0)))
    assert np.isnan(motion.stirs_tt33).all()


def _behind_a_wide_thing(foot_moves: bool) -> np.ndarray:
    """A background at rest, two thirds hidden by what moves; its lower part may move as well."""
    height, width = SIZE_HW
    behind, before = _texture(1, height, width, (60, 130)), _texture(2, 400, width, (120, 200))
    frames = []
    for t in range(FRAMES):
        frame = behind.copy()
        frame[:, 72:] = before[3 * t : 3 * t + height, 72:]
        if foot_moves:
            frame[-20:, :72] = before[t : t + 20, :72]
        frames.append(frame)
    return np.stack(frames)


def test_a_camera_rests_if_a_whole_side_of_its_picture_does_not_change():
    motion = _measured(_behind_a_wide_thing(foot_moves=False))
    assert (motion.view_t42 == motion.view_t42[0]).all()
    assert (motion.may_stir_tt33[0, -1][:, 0] == 0).all()
    assert (motion.stirs_tt33[0, -1][:, 2] > 0.01).all()


def test_it_does_not_certainly_rest_if_the_foot_of_that_side_changes():
    motion = _measured(_behind_a_wide_thing(foot_moves=True))
    assert np.isnan(motion.view_t42).all()
    assert np.isnan(motion.stirs_tt33).all()


def test_what_moves_before_a_plain_ground_does_not_move_the_view():
    """Things are all that has texture; they cover half of the picture and two of its sides."""
    height, width = SIZE_HW
    things = _texture(3, height + 100, width, (60, 200))
    frames = []
    for t in range(FRAMES):
        frame = np.full((height, width, 3), 128, np.uint8)
        frame[:, :70] = things[2 * t : 2 * t + height, :70]
        frame[100:, :170] = things[2 * t : 2 * t + 44, :170]
        frames.append(frame)
    assert np.isnan(_measured(np.stack(frames)).all_moved_px_tt[0, -1])


def test_what_only_rests_is_no_thing():
    motion = _measured(_clip(((30, 50), (0, 0))))
    assert motion.things == ()


def test_two_things_that_go_side_by_side_as_one_outline_and_part_later_are_refused():
    together = _clip(((30, 50), (2, 0)), ((55, 50), (3, 0)))
    motion = _measured(together)
    assert motion.things == ()
    assert motion.doubts


def test_a_thing_that_reaches_over_the_border_is_refused():
    motion = _measured(_clip(((-10, 50), (2, 0))))
    assert motion.things == ()
    assert any("border" in doubt for doubt in motion.doubts)


def test_a_thing_that_leaves_the_picture_is_lost_from_then_on():
    motion = _measured(_clip(((100, 50), (5, 0))))
    for thing in motion.things:
        gone = [i for i, t in enumerate(INSTANTS) if 100 + 5 * t >= SIZE_HW[1]]
        assert gone
        assert np.isnan(thing.place_t2[gone]).all()
        assert not thing.masks_tss[gone].any()


def test_where_the_background_is_not_certain_nothing_is():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (FRAMES, *SIZE_HW, 3), dtype=np.uint8)
    motion = _measured(noise)
    assert motion.things == ()
    assert np.isnan(motion.view_t42).all()
    (track,) = tracks(motion)
    assert "background" in track.reason


def test_the_frames_of_a_clip_are_among_those_that_are_close_in_time():
    found = close_in_time([0, 8, 9, 15])
    assert set(found) >= {0, 8, 9, 15}
    assert found == sorted(set(found))
    assert max(np.diff(found)) <= 2


def test_a_small_mask_is_never_lost_when_it_is_squashed():
    mask = np.zeros((480, 640), bool)
    mask[100:110, 200:203] = True
    small = squashed(mask, 64)
    assert small.any()
    rows, columns = np.nonzero(small)
    assert abs(rows.mean() - 105 * 64 / 480) < 1
    assert abs(columns.mean() - 201.5 * 64 / 640) < 1


def test_noise_of_single_frames_does_not_add_up_to_a_motion_of_the_view():
    rng = np.random.default_rng(3)
    still = _clip().astype(np.int16)
    noisy = (still + rng.normal(0, 6, still.shape)).clip(0, 255).astype(np.uint8)
    assert _measured(noisy).all_moved_px_tt[0, -1] < 0.5
