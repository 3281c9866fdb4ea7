"""3D Video Grounding: what is where, and when."""

from __future__ import annotations

from p4d.questions.asking.distractors import Numbers, Words
from p4d.questions.asking.families.family import Evidence, Family, number_family, word_family

CATEGORY = "3D Video Grounding"
AXES = ("position_right", "position_down", "position_ahead")

FAMILIES = (
    number_family(
        CATEGORY, "place_of_object", "camera_at", AXES,
        (
            "{when}, where is the centre of {a} (right, down, ahead of the camera)?",
            "{when}, which point (right, down, ahead of the camera) is the centre of {a}?",
            "{when}, what are the coordinates (right, down, ahead) of {a} from the camera?",
            "{when}, how far right, down and ahead of the camera is {a}?",
        ),
        Numbers(unit="m", decimals=1, least_gap=0.35),
    ),
    Family(
        category=CATEGORY,
        name="object_at_place",
        frame="camera_at",
        evidence=(Evidence(kinds=("who_is_there", *AXES)),),
        phrasings=(
            "{when}, which object is at {point} m (right, down, ahead of the camera)?",
            "{when}, which marked object has its centre at {point} m (right, down, ahead)?",
            "{when}, what is at {point} m to the right, down and ahead of the camera?",
            "{when}, the point {point} m (right, down, ahead) lies in which object?",
        ),
        rule=Words(),
    ),
    Family(
        category=CATEGORY,
        name="time_at_place",
        frame="camera_at",
        evidence=(Evidence(kinds=("when_there", *AXES)),),
        phrasings=(
            "When is the centre of {a} at {point} m (right, down, ahead of the camera)?",
            "At what time does the camera have {a} at {point} m (right, down, ahead)?",
            "At which instant is {a} at {point} m (right, down, ahead of the camera)?",
            "When does {a} lie {point} m to the right, down and ahead of the camera?",
        ),
        rule=Words(),
    ),
    word_family(
        CATEGORY, "nearest_object", "camera_at", "nearest",
        (
            "{when}, which object is closest to the camera?",
            "{when}, which marked object is nearest to the camera?",
            "{when}, what has the shortest distance to the camera?",
            "{when}, which of the marked objects is the nearest?",
        ),
    ),
    word_family(
        CATEGORY, "farthest_object", "camera_at", "farthest",
        (
            "{when}, which object is farthest from the camera?",
            "{when}, which marked object is most distant?",
            "{when}, what has the longest distance to the camera?",
            "{when}, which of the marked objects is the farthest away?",
        ),
    ),
)  # fmt: skip
