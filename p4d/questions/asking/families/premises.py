"""False Positives: questions whose premise may not hold.

The text takes for granted that something is there, moves, spins or turns. Where it does not, the
right option negates the premise; where it does, the negation is a wrong option. Each exchange group
holds the negation once, so denying everything is no strategy.
"""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.asking.distractors import Words
from p4d.questions.asking.families.family import Evidence, Family, Say, as_said, word_family
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    NOT_ROTATING,
    PICTURE_DIRECTIONS,
    STAYS,
    STEADY,
    STILL,
    STRAIGHT,
    TUMBLES,
)

CATEGORY = "False Positives"
NO_SUCH = "there is no such object"
NOT_MOVING, NOT_SPINNING = "it is not moving", "it is not spinning"
NOT_TURNING, NO_CAMERA_MOTION = "it does not turn off", "the camera is not moving"


def _moves(words: Sequence[str | None]) -> str | None:
    direction, moving = words[:2]
    if moving == STILL:
        return NOT_MOVING
    # What turns in place neither goes somewhere nor is at rest.
    return None if direction == STAYS else direction


def _always(text: str) -> Say:
    return lambda words: text


_SPINS = {
    CLOCKWISE: CLOCKWISE, COUNTER_CLOCKWISE: COUNTER_CLOCKWISE, TUMBLES: TUMBLES,
    NOT_ROTATING: NOT_SPINNING,
}  # fmt: skip

FAMILIES = (
    Family(
        category=CATEGORY,
        name="premise_moves",
        frame="camera_first",
        evidence=(Evidence(kinds=("direction", "moving"), says=_moves),),
        phrasings=(
            "{when}, as {a} moves, which way does it go?",
            "{when}, where is the moving {a} going?",
            "{when}, {a} is on its way: in which direction?",
            "{when}, which way does {a} go while it moves?",
        ),
        rule=Words(always=(NOT_MOVING,)),
    ),
    Family(
        category=CATEGORY,
        name="premise_mark",
        frame="camera_first",
        evidence=(
            Evidence(kinds=("direction", "moving"), says=_moves),
            Evidence(kinds=("absent_mark",), says=_always(NO_SUCH)),
        ),
        phrasings=(
            "{when}, which way does the object marked {a} go?",
            "{when}, where does the object with the mark {a} move?",
            "{when}, the marked {a} moves: which way?",
            "{when}, in which direction goes what is marked {a}?",
        ),
        rule=Words(always=(NO_SUCH,)),
        by_mark=True,  # a high number is more often absent
    ),
    Family(
        category=CATEGORY,
        name="premise_name",
        frame="camera_first",
        evidence=(
            Evidence(kinds=("direction", "moving"), attribute="name", says=_moves),
            Evidence(kinds=("absent_name",), says=_always(NO_SUCH)),
        ),
        phrasings=(
            "{when}, which way does the {name} go?",
            "{when}, in which direction does the {name} move?",
            "{when}, where is the {name} heading?",
            "{when}, as the {name} moves, which way does it go?",
        ),
        rule=Words(always=(NO_SUCH,)),
    ),
    word_family(
        CATEGORY, "premise_moves_in_picture", "picture", "picture_direction",
        (
            "{when}, as {a} itself moves, which way does it go in the picture?",
            "{when}, camera motion aside, where in the picture is the moving {a} going?",
            "{when}, {a} moves by itself: in which direction of the picture?",
            "{when}, which way in the picture does {a} go while it moves by itself?",
        ),
        {**{way: way for way in PICTURE_DIRECTIONS}, STAYS: NOT_MOVING},
        always=(NOT_MOVING,),
    ),
    word_family(
        CATEGORY, "premise_spins", "world", "rotation",
        (
            "{when}, as {a} spins, which way does it turn, seen from above?",
            "{when}, seen from above, how does the spinning {a} turn?",
            "{when}, {a} spins: which way, seen from above?",
            "{when}, which way, seen from above, does {a} turn while it spins?",
        ),
        _SPINS,
        always=(NOT_SPINNING,),
    ),
    Family(
        category=CATEGORY,
        name="premise_name_spins",
        frame="world",
        evidence=(
            Evidence(kinds=("rotation",), attribute="name", says=as_said(_SPINS)),
            Evidence(kinds=("absent_name",), says=_always(NO_SUCH)),
        ),
        phrasings=(
            "{when}, seen from above, how does the {name} rotate?",
            "{when}, which way does the {name} spin, seen from above?",
            "{when}, as the {name} spins, which way does it turn, seen from above?",
            "{when}, seen from above, which way is the {name} turning?",
        ),
        rule=Words(always=(NO_SUCH,)),
    ),
    word_family(
        CATEGORY, "premise_turns_off", "object", "way",
        (
            "{when}, when {a} turns off its straight way, to which of its sides is it?",
            "{when}, {a} drives a bend: to its left or right?",
            "{when}, to which of its own sides does the way of {a} bend?",
            "{when}, as {a} takes its turn, which way does it steer?",
        ),
        {
            BENDS_LEFT: "to its left", BENDS_RIGHT: "to its right", STRAIGHT: NOT_TURNING,
            STAYS: NOT_MOVING,
        },
        always=(NOT_TURNING,),
    ),
    word_family(
        CATEGORY, "premise_camera", "camera_first", "camera_direction",
        (
            "{when}, as the camera moves, which way does it go?",
            "{when}, where is the moving camera going?",
            "{when}, the camera travels: in which direction?",
            "{when}, which way does the camera go while it moves?",
        ),
        {
            **{way: way for way in ("right", "left", "forward", "backward", "up", "down")},
            STEADY: NO_CAMERA_MOTION,
        },
        always=(NO_CAMERA_MOTION,),
    ),
)  # fmt: skip
