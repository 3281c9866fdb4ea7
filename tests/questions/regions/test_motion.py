import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from p4d.questions.regions.motion import motion_tracks


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


def _flooded(mask_hw):
    """Components as sets of pixels, by flooding from the first free pixel in scan order."""
    free = list(map(tuple, np.argwhere(mask_hw)))
    found = []
    while free:
        open_pixels, component = [free[0]], {free[0]}
        while open_pixels:
            row, column = open_pixels.pop()
            for near in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if near in free and near not in component:
                    component.add(near)
                    open_pixels.append(near)
        found.append(component)
        free = [pixel for pixel in free if pixel not in component]
    return found


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_regions_of_one_frame_are_its_connected_components_in_scan_order(mask_hw):
    tracks = motion_tracks(mask_hw[None].astype(np.float32), 0.5)
    assert [track.key for track in tracks] == list(range(len(tracks)))
    assert [set(map(tuple, np.argwhere(t.mask_thw[0]))) for t in tracks] == _flooded(mask_hw)
