"""Which kinds of facts need something that a truth in parts may lack.

The lists are those of `sql/gates/facts/up_and_times_are_known.sql` too; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from p4d.questions.facts.table import Fact
from p4d.questions.facts.vocabulary import STILL

NEED_UP = frozenset({
    "height_order", "direction", "displacement_right", "displacement_up", "displacement_ahead",
    "turn_vertical", "rotation", "camera_direction", "camera_turn", "way", "own_side",
})  # fmt: skip
"""Seen from above, level, higher: they need to know where up is."""

NEED_FIRST = frozenset({
    "direction", "displacement_right", "displacement_up", "displacement_ahead", "camera_direction",
})  # fmt: skip
"""Along the level axes of the clip's first camera."""

NEED_TIMES = frozenset({"mean_speed", "speed", "camera_speed", "acceleration", "speed_change"})
"""Metres in seconds: they need frame times that were measured."""

NEED_TURNS = frozenset({
    "turn_vertical", "rotation", "rotation_seen", "turn_angle", "quarter_turns", "turning_count",
})  # fmt: skip
"""They need the rotation of objects."""

NEED_REST = frozenset({"moving_count", "moving_of_three"})
"""They need to know of every object whether it rests, turning in place included."""

NEED_SIZES = frozenset({"size_longest", "largest", "smallest"})

NEED_INTRINSICS = frozenset({"camera_turn"})

NEED_ALL_MARKS = frozenset({
    "moving_count", "turning_count", "going_count", "faster_count", "fastest", "comes_closest",
    "absent_mark",
})  # fmt: skip
"""They compare all marked objects."""

BETTER_IN_PICTURE = frozenset({
    "quadrant", "picture_side", "screen_direction", "picture_direction",
})  # fmt: skip
"""Masks show them better than places read off depth."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a clip, or of an instant or an interval in it.

    Attributes:
        up, times, intrinsics: as a clip's truth states them.
        first: whether the first camera of the clip is known, from which directions are named.
        exact_places: whether all places are those of poses.
        all_marks: whether all marked objects are measured.
        unturned: regions whose rotation is unknown.
        unsized: regions whose size is unknown.
    """

    up: bool
    first: bool
    times: bool
    intrinsics: bool
    exact_places: bool
    all_marks: bool
    unturned: frozenset[str]
    unsized: frozenset[str]

    def refuses(self, fact: Fact) -> bool:
        """Whether a fact needs something unknown.

        An object whose turning is unknown may turn in place: that it moves may be certain, that it
        is still cannot.
        """
        lists = (
            (self.up, NEED_UP),
            (self.first, NEED_FIRST),
            (self.times, NEED_TIMES),
            (self.intrinsics, NEED_INTRINSICS),
            (self.all_marks, NEED_ALL_MARKS),
            (self.exact_places, BETTER_IN_PICTURE),
            (self.unturned.isdisjoint(fact.region_ids), NEED_TURNS | NEED_REST),
            (self.unsized.isdisjoint(fact.region_ids), NEED_SIZES),
        )
        if any(fact.kind in kinds for known, kinds in lists if not known):
            return True
        turns = self.unturned.intersection(fact.region_ids)
        return fact.kind == "moving" and bool(turns) and fact.value_text == STILL


def allowed(facts: Iterable[Fact], known: Known) -> Iterator[Fact]:
    """Yield the facts that need nothing unknown."""
    return (fact for fact in facts if not known.refuses(fact))
