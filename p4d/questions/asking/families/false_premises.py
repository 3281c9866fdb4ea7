"""False Positives: questions whose premise may not hold.

The text presupposes that an object exists, moves, spins or turns. If it does not, the right option
denies the premise; if it does, the denial is a wrong option. Each exchange group holds the denial
once, so always denying scores at chance.
"""

from __future__ import annotations

from collections.abc import Sequence

from p4d.questions.asking.families.family import (
    AnswerWord,
    Evidence,
    QuestionFamily,
    reworded,
    word_family,
)
from p4d.questions.asking.option_rules import Words
from p4d.questions.facts.vocabulary import (
    BENDS_LEFT,
    BENDS_RIGHT,
    CAMERA_DIRECTIONS,
    CLOCKWISE,
    COUNTER_CLOCKWISE,
    NOT_ROTATING,
    PICTURE_DIRECTIONS,
    STAYS,
    STEADY,
    STILL,
    STRAIGHT,
    TUMBLES,
    VIEW_RESTS,
)

CATEGORY = "False Positives"
NO_SUCH_OBJECT = "there is no such object"
NOT_MOVING, NOT_SPINNING = "it is not moving", "it is not spinning"
NO_BEND, NO_CAMERA_MOTION = "its path does not bend", "the camera is not moving"
NO_VIEW_MOTION = "the view does not move"


def _direction_of_motion(words: Sequence[str | None]) -> str | None:
    direction, moving = words[:2]
    if moving == STILL:
        return NOT_MOVING
    # An object that turns in place neither goes anywhere nor is at rest.
    return None if direction == STAYS else direction


def _always(text: str) -> AnswerWord:
    return lambda words: text


_SPINS = {
    CLOCKWISE: CLOCKWISE,
    COUNTER_CLOCKWISE: COUNTER_CLOCKWISE,
    TUMBLES: TUMBLES,
    NOT_ROTATING: NOT_SPINNING,
}
_MOTION = ("direction", "moving")

FAMILIES = (
    QuestionFamily(
        category=CATEGORY,
        name="premise_moves",
        frame="camera_first",
        evidence=(Evidence(kinds=_MOTION, answer_word=_direction_of_motion),),
        rule=Words(always=(NOT_MOVING,)),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="premise_mark",
        frame="camera_first",
        evidence=(
            Evidence(kinds=_MOTION, answer_word=_direction_of_motion),
            Evidence(kinds=("absent_mark",), answer_word=_always(NO_SUCH_OBJECT)),
        ),
        rule=Words(always=(NO_SUCH_OBJECT,)),
        by_mark=True,  # a high number is more often absent
    ),
    QuestionFamily(
        category=CATEGORY,
        name="premise_name",
        frame="camera_first",
        evidence=(
            Evidence(kinds=_MOTION, attribute="name", answer_word=_direction_of_motion),
            Evidence(kinds=("absent_name",), answer_word=_always(NO_SUCH_OBJECT)),
        ),
        rule=Words(always=(NO_SUCH_OBJECT,)),
    ),
    word_family(
        CATEGORY, "premise_moves_in_picture", "picture", "picture_direction",
        {**{way: way for way in PICTURE_DIRECTIONS}, STAYS: NOT_MOVING},
        always=(NOT_MOVING,),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="premise_mark_in_picture",
        frame="picture",
        evidence=(
            Evidence(
                kinds=("picture_direction", "moving"), answer_word=_direction_of_motion
            ),
            Evidence(kinds=("unmarked_number",), answer_word=_always(NO_SUCH_OBJECT)),
        ),
        rule=Words(always=(NO_SUCH_OBJECT,), max_options=2),  # of a plain video, with few marks
        by_mark=True,  # a high number is more often absent
    ),
    word_family(
        CATEGORY, "premise_spins", "world", "rotation", _SPINS, always=(NOT_SPINNING,),
    ),
    QuestionFamily(
        category=CATEGORY,
        name="premise_name_spins",
        frame="world",
        evidence=(
            Evidence(kinds=("rotation",), attribute="name", answer_word=reworded(_SPINS)),
            Evidence(kinds=("absent_name",), answer_word=_always(NO_SUCH_OBJECT)),
        ),
        rule=Words(always=(NO_SUCH_OBJECT,)),
    ),
    word_family(
        CATEGORY, "premise_turns_off", "object", "way",
        {
            BENDS_LEFT: "to its left",
            BENDS_RIGHT: "to its right",
            STRAIGHT: NO_BEND,
            STAYS: NOT_MOVING,
        },
        always=(NO_BEND,),
    ),
    word_family(
        CATEGORY, "premise_camera", "camera_first", "camera_direction",
        {**{way: way for way in CAMERA_DIRECTIONS}, STEADY: NO_CAMERA_MOTION},
        always=(NO_CAMERA_MOTION,),
    ),
)  # fmt: skip

LATER_FAMILIES = (
    QuestionFamily(
        category=CATEGORY,
        name="premise_view",
        frame="picture",
        evidence=(
            Evidence(kinds=("view_direction",)),
            Evidence(kinds=("view",), answer_word=reworded({VIEW_RESTS: NO_VIEW_MOTION})),
        ),
        rule=Words(always=(NO_VIEW_MOTION,), max_options=2),
    ),
    *(
        QuestionFamily(
            category=CATEGORY,
            name=f"premise_{kind}",
            frame="picture",
            evidence=(Evidence(kinds=(kind,)),),
            rule=Words(max_options=2),
        )
        for kind in ("stirring_left", "stirring_right", "stirring_top", "stirring_bottom")
    ),
)
"""Of plain videos, with two options."""
