import dataclasses

import numpy as np

from p4d.project import Project
from p4d.questions.regions.selection import select_regions
from p4d.questions.regions.tracks import Track

PARAMS = dataclasses.replace(Project.find().params.regions, max_regions=3)


def _track(key, size, frames=8):
    mask = np.zeros((8, 64, 64), dtype=bool)
    mask[:frames, 5 : 5 + size, 5 : 5 + size] = True
    return Track("truth", key, key, f"thing {key}", mask)


def test_small_and_short_tracks_are_left_out_with_a_reason():
    good, small, short = select_regions(
        "clip_a", [_track(1, 9), _track(2, 5), _track(3, 9, 4)], PARAMS
    )
    assert good.reason is None
    assert good.mark == 1
    assert "area below 40 px" in small.reason
    assert "fewer than 6 frames" in short.reason
    assert small.mark is None


def test_only_the_largest_get_marks():
    regions = select_regions("clip_a", [_track(key, 6 + key) for key in range(1, 6)], PARAMS)
    marked = {region.track.key for region in regions if region.mark}
    assert marked == {3, 4, 5}
    assert sorted(region.mark for region in regions if region.mark) == [1, 2, 3]
    assert all("more than 3" in r.reason for r in regions if not r.mark)


def test_a_mark_tells_neither_size_nor_instance():
    tracks = [_track(key, 6 + key) for key in (1, 2, 3)]
    firsts = [
        next(r.track.key for r in select_regions(f"clip_{i}", tracks, PARAMS) if r.mark == 1)
        for i in range(120)
    ]
    counts = [firsts.count(key) for key in (1, 2, 3)]
    assert min(counts) > 20, counts


def test_marks_do_not_depend_on_the_order_of_tracks():
    tracks = [_track(key, 6 + key) for key in (1, 2, 3)]
    one = {r.region_id: r.mark for r in select_regions("clip_a", tracks, PARAMS)}
    assert one == {r.region_id: r.mark for r in select_regions("clip_a", tracks[::-1], PARAMS)}


def test_a_mark_says_nothing_of_name_shape_or_motion():
    """Numbers follow from clip, source and key: whatever the things are, or do, they stay."""
    for clip in range(30):
        plain = select_regions(f"clip_{clip}", [_track(key, 9) for key in (1, 2, 3)], PARAMS)
        marks = {region.track.key: region.mark for region in plain}
        others = []
        for key in (1, 2, 3):
            mask = np.zeros((8, 64, 64), dtype=bool)
            for t in range(8):
                mask[t, 20 + t * (key - 2) :][:12, 10 * key :][:, :7] = True
            others.append(
                Track("truth", key, key, f"{['red', 'blue', 'green'][key - 1]} ball", mask)
            )
        assert {
            r.track.key: r.mark for r in select_regions(f"clip_{clip}", others, PARAMS)
        } == marks
