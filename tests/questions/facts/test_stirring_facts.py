"""Where something moves in the picture: said where it is certain, and nowhere else."""

from __future__ import annotations

import numpy as np

from p4d.questions.facts.path_facts import path_facts
from p4d.questions.facts.table import Fact, Source
from p4d.questions.regions.flow.paths_file import ClipPaths

SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="flow_dis", teacher_digest="x")
TIMES_NS = np.arange(8) * 250_000_000
WHOLE = (0, 1_750_000_000)


def _facts(certain_tt33: np.ndarray, possible_tt33: np.ndarray) -> dict[str, Fact]:
    paths = ClipPaths(
        place_kt2=np.zeros((0, 8, 2)), own_kt2=np.zeros((0, 8, 2)), flow_kt2=np.zeros((0, 8, 2)),
        area_kt=np.zeros((0, 8)), view_t42=np.full((8, 4, 2), np.nan),
        all_moved_px_tt=np.full((8, 8), np.nan), stirs_tt33=certain_tt33,
        may_stir_tt33=possible_tt33, size_px_2=np.array([320.0, 240.0]),
    )  # fmt: skip
    found = path_facts(SOURCE, TIMES_NS, (), paths)
    return {fact.kind: fact for fact in found if (fact.start_ns, fact.end_ns) == WHOLE}


def _moving(*parts: tuple[int, int], share: float = 0.02) -> np.ndarray:
    """Shares in these parts, between any two instants."""
    shares = np.zeros((8, 8, 3, 3))
    for part in parts:
        shares[(..., *part)] = share
    return shares


def _certain(fact: Fact) -> bool:
    return fact.sigma * 3 <= 1


def test_one_part_that_stirs_is_counted_and_found() -> None:
    moving = _moving((0, 2))
    found = _facts(moving, 2 * moving)
    assert (found["stirring_columns"].value, found["stirring_rows"].value) == (1, 1)
    words = {kind: fact.value_text for kind, fact in found.items() if fact.value_text}
    assert words == {
        "stirring_side": "right",
        "stirring_level": "upper",
        "stirring_left": "nothing moves there",
        "stirring_right": "something moves there",
        "stirring_top": "something moves there",
        "stirring_bottom": "nothing moves there",
        "stirring_where_right": "in its upper part",
        "stirring_where_top": "in its right part",
    }
    assert all(_certain(fact) for fact in found.values())


def test_both_sides_have_no_side_and_two_parts_no_place() -> None:
    moving = _moving((0, 0), (2, 0), (1, 2))
    found = _facts(moving, 2 * moving)
    assert "stirring_side" not in found
    assert "stirring_level" not in found
    assert "stirring_where_left" not in found
    assert found["stirring_where_right"].value_text == "in its middle"
    assert found["stirring_columns"].value == 2
    assert found["stirring_rows"].value == 3


def test_what_may_move_and_is_not_certain_takes_the_certainty() -> None:
    moving = _moving((0, 2))
    doubtful = _facts(moving, 2 * moving + _moving((1, 0), share=0.003))
    for kind in ("stirring_columns", "stirring_side", "stirring_left"):
        assert not _certain(doubtful[kind]), kind
    assert _certain(doubtful["stirring_right"])
    little = _facts(_moving((0, 2), share=0.0005), moving)
    assert not _certain(little["stirring_right"])


def test_when_something_moves_at_an_edge() -> None:
    late = np.zeros((8, 8, 3, 3))
    late[3:, :, 1, 0] = 0.02
    late[0, 4:, 1, 0] = 0.02
    found = _facts(late, 2 * late)
    assert found["stirring_when_left"].value_text == "second half"
    assert _certain(found["stirring_when_left"])
    assert "stirring_when_right" not in found


def test_before_a_camera_that_does_not_rest_nothing_is_said() -> None:
    unknown = np.full((8, 8, 3, 3), np.nan)
    assert not any(kind.startswith("stirring") for kind in _facts(unknown, unknown))
