"""Facts of paths through the picture: what is certain is right, and what is not has no margin."""

from __future__ import annotations

import numpy as np
import pytest

from p4d.questions.facts.path_facts import path_facts
from p4d.questions.facts.table import Source
from p4d.questions.regions.flow.paths_file import ClipPaths

SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="flow_dis", teacher_digest="x")
TIMES_NS = np.arange(8) * 250_000_000
WHOLE = (0, 1_750_000_000)
SIZE = np.array([400.0, 300.0])


def _line(begin, end):
    return np.linspace(begin, end, 8)


def _facts(*places, flow=None, view=None, all_moved=0.0, own=None, area=None):
    """Facts by kind and regions, of the whole clip or of its first instant."""
    place = np.array(places).reshape(-1, 8, 2)
    middle = np.array([[100, 75], [300, 75], [100, 225], [300, 225]], float)
    still = np.repeat(middle[None], 8, axis=0)
    paths = ClipPaths(
        place_kt2=place,
        own_kt2=place if own is None else np.array(own),
        flow_kt2=place if flow is None else np.array(flow),
        area_kt=np.full(place.shape[:2], 400.0) if area is None else np.array(area, float),
        stirs_tt33=np.full((8, 8, 3, 3), np.nan),
        may_stir_tt33=np.full((8, 8, 3, 3), np.nan),
        view_t42=still if view is None else still + view[:, None],
        all_moved_px_tt=all_moved * np.abs(np.subtract.outer(range(8), range(8))) / 7,
        size_px_2=SIZE,
    )
    region_ids = [f"reg_{k}" for k in range(len(place))]
    found = {}
    for fact in path_facts(SOURCE, TIMES_NS, region_ids, paths):
        if (fact.start_ns, fact.end_ns) in (WHOLE, (0, 0)):
            found[(fact.kind, *fact.region_ids)] = fact
    return found


def _certain(fact, sigmas=3.0):
    return fact.sigma * sigmas <= 1


def test_a_thing_that_goes_right_has_its_direction_shift_speed_and_places():
    found = _facts(_line((100, 100), (200, 105)))
    for kind, word in (
        ("screen_direction", "right"), ("picture_direction", "right"), ("left_or_right", "right"),
        ("moving", "moving"), ("quadrant", "upper left"),
    ):  # fmt: skip
        fact = found[(kind, "reg_0")]
        assert fact.value_text == word
        assert _certain(fact), kind
    assert found[("screen_shift", "reg_0")].value == pytest.approx(25, abs=0.1)
    assert found[("screen_speed", "reg_0")].value == pytest.approx(25 / 1.75, abs=0.1)
    assert found[("place_across", "reg_0")].value == pytest.approx(100 * 100.5 / 400)
    assert found[("place_down", "reg_0")].value == pytest.approx(100 * 100.5 / 300)
    assert not _certain(found[("up_or_down", "reg_0")])


def test_a_thing_may_rest_that_passes_before_the_background_of_a_camera_that_travels():
    travels = _line((0, 0), (-60, 0))
    found = _facts(_line((200, 100), (100, 100)), view=travels, own=[_line((200, 100), (160, 100))])
    assert _certain(found[("screen_direction", "reg_0")])
    assert ("moving", "reg_0") not in found
    assert ("picture_direction", "reg_0") not in found


def test_neither_a_diagonal_nor_a_way_there_and_back_has_a_certain_direction():
    diagonal = _facts(_line((100, 100), (180, 180)))
    assert not _certain(diagonal[("screen_direction", "reg_0")])
    assert _certain(diagonal[("left_or_right", "reg_0")])
    assert diagonal[("up_or_down", "reg_0")].value_text == "down"
    back = np.concatenate([_line((100, 100), (200, 100))[::2], _line((200, 100), (120, 100))[::2]])
    found = _facts(back)
    assert not _certain(found[("screen_direction", "reg_0")])
    assert not _certain(found[("left_or_right", "reg_0")])
    assert ("screen_shift", "reg_0") not in found


def test_flow_that_disagrees_takes_the_certainty():
    place = _line((100, 100), (140, 100))
    assert _certain(_facts(place)[("screen_direction", "reg_0")])
    other = _facts(place, flow=[_line((100, 100), (110, 100))])
    assert not _certain(other[("screen_direction", "reg_0")])


def test_camera_motion_is_in_the_one_direction_and_not_in_the_other():
    found = _facts(_line((100, 100), (180, 100)), own=[_line((100, 100), (20, 100))])
    assert found[("screen_direction", "reg_0")].value_text == "right"
    assert found[("picture_direction", "reg_0")].value_text == "left"


def test_a_thing_out_of_the_picture_is_not_asked_about():
    gone = _line((300, 100), (380, 100))
    gone[5:] = np.nan
    found = _facts(gone)
    whole = {kind for (kind, *regions), fact in found.items() if fact.end_ns and regions}
    assert whole == set()
    assert ("quadrant", "reg_0") in found


def test_of_two_things_the_faster_one_and_the_change_of_their_gap():
    found = _facts(_line((50, 50), (150, 50)), _line((300, 50), (280, 50)))
    assert found[("goes_farther", "reg_0", "reg_1")].value_text == "the former"
    assert found[("goes_farther", "reg_1", "reg_0")].value_text == "the latter"
    assert _certain(found[("goes_farther", "reg_0", "reg_1")])
    assert found[("gap_in_picture", "reg_0", "reg_1")].value_text == "closer"
    assert _certain(found[("gap_in_picture", "reg_0", "reg_1")])
    alike = _facts(_line((50, 50), (150, 50)), _line((50, 200), (130, 200)))
    assert not _certain(alike[("goes_farther", "reg_0", "reg_1")])
    passing = _facts(_line((50, 50), (250, 50)), _line((160, 50), (150, 50)))
    assert not _certain(passing[("gap_in_picture", "reg_0", "reg_1")])


def test_halves_of_the_picture_and_which_of_two_is_farther_left_and_up():
    found = _facts(_line((100, 100), (200, 105)), _line((300, 240), (310, 240)))
    assert found[("half_across", "reg_0")].value_text == "left"
    assert found[("half_across", "reg_1")].value_text == "right"
    assert found[("half_down", "reg_0")].value_text == "upper"
    assert found[("half_down", "reg_1")].value_text == "lower"
    for kind in ("more_left", "more_up"):
        assert found[(kind, "reg_0", "reg_1")].value_text == "the former"
        assert found[(kind, "reg_1", "reg_0")].value_text == "the latter"
        assert _certain(found[(kind, "reg_0", "reg_1")])
    near = _facts(_line((195, 100), (300, 100)))
    assert not _certain(near[("half_across", "reg_0")])


def test_sizes_in_the_picture_are_compared_only_where_they_differ_clearly():
    area = [np.full(8, 400.0), np.full(8, 1600.0)]
    found = _facts(_line((50, 50), (90, 50)), _line((200, 50), (250, 50)), area=area)
    assert found[("looks_larger", "reg_0", "reg_1")].value_text == "the latter"
    assert _certain(found[("looks_larger", "reg_0", "reg_1")])
    alike = _facts(
        _line((50, 50), (90, 50)), _line((200, 50), (250, 50)),
        area=[np.full(8, 400.0), np.full(8, 600.0)],
    )  # fmt: skip
    assert not _certain(alike[("looks_larger", "reg_0", "reg_1")])
    grows = _facts(_line((50, 50), (90, 50)), area=[np.linspace(400, 1000, 8)])
    assert grows[("size_change", "reg_0")].value_text == "larger"
    assert _certain(grows[("size_change", "reg_0")])
    assert not _certain(_facts(_line((50, 50), (90, 50)))[("size_change", "reg_0")])


def test_the_half_in_which_a_thing_is_faster():
    slow, fast = _line((50, 100), (70, 100))[:4], _line((90, 100), (200, 100))[:4]
    late = _facts(np.concatenate([slow, fast]))
    assert late[("faster_half", "reg_0")].value_text == "second half"
    assert _certain(late[("faster_half", "reg_0")])
    even = _facts(_line((50, 100), (200, 100)))
    assert not _certain(even[("faster_half", "reg_0")])


@pytest.mark.parametrize(
    ("moved", "state", "direction"),
    [((0, 0), "rests", None), ((80, 0), "moves", "left"), ((0, 80), "moves", "up")],
)
def test_the_view_moves_against_the_background(moved, state, direction):
    found = _facts(view=_line((0, 0), moved), all_moved=float(np.linalg.norm(moved)))
    assert found[("view",)].value_text == state
    assert _certain(found[("view",)])
    assert (("view_direction",) in found) == (direction is not None)
    if direction:
        assert found[("view_direction",)].value_text == direction


def test_a_view_that_hardly_moves_is_not_asked_about():
    found = _facts(view=_line((0, 0), (3, 0)), all_moved=3.0)
    assert not _certain(found[("view",)]) if ("view",) in found else True


def test_an_unknown_background_says_nothing_of_the_view():
    unknown = np.full((8, 2), np.nan)
    assert ("view",) not in _facts(view=unknown, all_moved=float("nan"))
