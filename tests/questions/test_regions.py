import dataclasses

import numpy as np
import pytest

from p4d.project import Project
from p4d.questions.regions.stage import judge, motion_tracks
from p4d.questions.regions.tracks import Track

PARAMS = dataclasses.replace(Project.find().params.regions, max_regions=3)


def _track(key, size, frames=8):
    mask = np.zeros((8, 64, 64), dtype=bool)
    mask[:frames, 5 : 5 + size, 5 : 5 + size] = True
    return Track("truth", key, key, f"thing {key}", mask)


def test_small_and_short_tracks_are_left_out_with_a_reason():
    good, small, short = judge("clip_a", [_track(1, 9), _track(2, 5), _track(3, 9, 4)], PARAMS)
    assert good.reason is None
    assert good.mark == 1
    assert "area below 40 px" in small.reason
    assert "fewer than 6 frames" in short.reason
    assert small.mark is None


def test_only_the_largest_get_marks():
    regions = judge("clip_a", [_track(key, 6 + key) for key in range(1, 6)], PARAMS)
    marked = {region.track.key for region in regions if region.mark}
    assert marked == {3, 4, 5}
    assert sorted(region.mark for region in regions if region.mark) == [1, 2, 3]
    assert all("more than 3" in r.reason for r in regions if not r.mark)


def test_a_mark_tells_neither_size_nor_instance():
    firsts = [
        next(r.track.key for r in judge(f"clip_{i}", [_track(k, 6 + k) for k in (1, 2, 3)], PARAMS)
             if r.mark == 1)
        for i in range(120)
    ]  # fmt: skip
    counts = [firsts.count(key) for key in (1, 2, 3)]
    assert min(counts) > 20, counts


def test_marks_do_not_depend_on_the_order_of_tracks():
    tracks = [_track(key, 6 + key) for key in (1, 2, 3)]
    one = {r.region_id: r.mark for r in judge("clip_a", tracks, PARAMS)}
    assert one == {r.region_id: r.mark for r in judge("clip_a", tracks[::-1], PARAMS)}


def _blob(motion, t, top, left):
    motion[t, top : top + 8, left : left + 8] = 0.9


def test_motion_is_linked_over_frames_by_overlap():
    motion = np.zeros((8, 64, 64), dtype=np.float32)
    for t in range(8):
        _blob(motion, t, 5, 5 + 4 * t)
        if t != 3:
            _blob(motion, t, 40, 40 - 4 * t)
    tracks = motion_tracks(motion, 0.5)
    assert len(tracks) == 2
    upper = next(track for track in tracks if track.mask_thw[0, 5, 5])
    assert upper.mask_thw[7, 5, 5 + 28]
    assert upper.mask_thw.sum() == 8 * 64
    lower = next(track for track in tracks if track.mask_thw[0, 40, 40])
    assert not lower.mask_thw[3].any()


def test_what_starts_to_move_later_or_is_unknown_is_no_region():
    motion = np.zeros((8, 64, 64), dtype=np.float32)
    _blob(motion, 4, 20, 20)
    motion[0, 50:, 50:] = np.nan
    assert motion_tracks(motion, 0.5) == []


@pytest.mark.parametrize("diagonal", [True, False])
def test_touching_corners_do_not_join(diagonal):
    motion = np.zeros((2, 32, 32), dtype=np.float32)
    motion[:, 4:8, 4:8] = 1.0
    motion[:, 8 if diagonal else 7 : 12, 8:12] = 1.0
    assert len(motion_tracks(motion, 0.5)) == (2 if diagonal else 1)


def test_a_mark_says_nothing_of_name_shape_or_motion():
    """Numbers follow from clip, source and key: whatever the things are, or do, they stay."""
    for clip in range(30):
        plain = judge(f"clip_{clip}", [_track(key, 9) for key in (1, 2, 3)], PARAMS)
        marks = {region.track.key: region.mark for region in plain}
        others = []
        for key in (1, 2, 3):
            mask = np.zeros((8, 64, 64), dtype=bool)
            for t in range(8):
                mask[t, 20 + t * (key - 2) :][:12, 10 * key :][:, :7] = True
            others.append(
                Track("truth", key, key, f"{['red', 'blue', 'green'][key - 1]} ball", mask)
            )
        assert {r.track.key: r.mark for r in judge(f"clip_{clip}", others, PARAMS)} == marks
