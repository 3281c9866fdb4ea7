"""How large, how far, how fast: metres, never of a relative scale."""

from __future__ import annotations

from p4d.questions.distractors import Numbers
from p4d.questions.families.family import Family, numbers, single

FAMILIES = (
    Family(
        category="Dimensional Measurement",
        name="longest_extent",
        dynamic=False,
        needs=("size_longest",),
        phrasings=("What is the longest extent of {a}?", "How long is {a} at its longest?"),
        rule=Numbers(unit="m", decimals=2, least_gap=0.06, least_ratio=0.1),
        asks=single("size_longest"),
        answer=numbers,
    ),
    Family(
        category="Dimensional Measurement",
        name="distance_between",
        dynamic=False,
        needs=("distance",),
        phrasings=(
            "{when}, how far is {a} from {b}?",
            "{when}, what is the distance between the centres of {a} and {b}?",
        ),
        rule=Numbers(unit="m", decimals=1, least_gap=0.2),
        asks=single("distance"),
        answer=numbers,
    ),
    Family(
        category="Dimensional Measurement",
        name="distance_to_camera",
        dynamic=False,
        needs=("distance_to_camera",),
        phrasings=(
            "{when}, how far is {a} from the camera?",
            "{when}, what is the distance from the camera to {a}?",
        ),
        rule=Numbers(unit="m", decimals=1, least_gap=0.2, least_ratio=0.1),
        asks=single("distance_to_camera"),
        answer=numbers,
    ),
    Family(
        category="Speed & Acceleration",
        name="mean_speed",
        dynamic=True,
        needs=("mean_speed",),
        phrasings=("{when}, what is the mean speed of {a}?", "{when}, how fast is {a} on average?"),
        rule=Numbers(unit="m/s", decimals=1, least_gap=0.15),
        asks=single("mean_speed"),
        answer=numbers,
    ),
    Family(
        category="Displacement & Path Length",
        name="displacement",
        dynamic=True,
        needs=("displacement",),
        phrasings=(
            "{when}, how far does {a} get in a straight line?",
            "{when}, what is the displacement of {a}?",
        ),
        rule=Numbers(unit="m", decimals=1, least_gap=0.15),
        asks=single("displacement"),
        answer=numbers,
    ),
    Family(
        category="Displacement & Path Length",
        name="path_length",
        dynamic=True,
        needs=("path_length",),
        phrasings=(
            "{when}, how long is the path of {a}?",
            "{when}, what length does {a} travel along its path?",
        ),
        rule=Numbers(unit="m", decimals=1, least_gap=0.15),
        asks=single("path_length"),
        answer=numbers,
    ),
    Family(
        category="Displacement & Path Length",
        name="camera_displacement",
        dynamic=True,
        needs=("camera_displacement",),
        phrasings=("{when}, how far does the camera get?",),
        rule=Numbers(unit="m", decimals=1, least_gap=0.1),
        asks=single("camera_displacement"),
        answer=numbers,
    ),
)
