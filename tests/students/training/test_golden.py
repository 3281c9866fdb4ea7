"""Twenty steps on fixed seeds against recorded losses.

A change here is a change of what is learned. Recorded on an x86-64 processor with AVX-512, torch
2.13, one thread; other processors add up in another order, so curves drift apart slowly: the first
step must agree to 1e-4 and every step to 2 %.
"""

import polars as pl
import pytest

from p4d.students.training.stages import build_p4d, build_sft
from tests.students.training.test_trainer import inputs_of

SETTINGS = {
    "training": {"steps": 20, "batch": 2, "threads": 1, "learning_rate": 0.001},
    "distillation": {"student_layer": -1, "preset": "paper", "probe_steps": ()},
}
GOLDEN = {
    "student_sft": {
        "total": """
            6.0347 5.7811 5.7710 4.9169 4.2917 3.9625 3.5304 3.1288 2.7217 2.5610 2.2502
            2.1989 2.0295 1.8383 1.7483 1.7438 1.2281 2.0599 1.5747 1.6304
        """,
        "sft": """
            6.0347 5.7811 5.7710 4.9169 4.2917 3.9625 3.5304 3.1288 2.7217 2.5610 2.2502
            2.1989 2.0295 1.8383 1.7483 1.7438 1.2281 2.0599 1.5747 1.6304
        """,
    },
    "student_p4d": {
        "total": """
            6.6795 6.4265 6.4076 5.5737 4.9377 4.6013 4.1713 3.7626 3.3582 3.1895 2.8731
            2.8336 2.6561 2.4698 2.3812 2.3678 1.8673 2.6765 2.2077 2.2537
        """,
        "sft": """
            6.0347 5.7811 5.7754 4.9278 4.2973 3.9621 3.5354 3.1283 2.7250 2.5567 2.2468
            2.1965 2.0252 1.8391 1.7508 1.7381 1.2319 2.0529 1.5781 1.6245
        """,
        "latent": """
            1.1750 1.1746 1.1545 1.1811 1.1682 1.1696 1.1652 1.1621 1.1636 1.1623 1.1516
            1.1727 1.1609 1.1611 1.1606 1.1596 1.1708 1.1486 1.1599 1.1593
        """,
        "depth": """
            0.4673 0.4751 0.4456 0.4497 0.4602 0.4398 0.4276 0.4261 0.4111 0.4129 0.4017
            0.4056 0.3997 0.3974 0.3957 0.3927 0.3946 0.3878 0.3911 0.3891
        """,
        "flow": """
            0.5457 0.5449 0.5390 0.5309 0.5312 0.5237 0.5280 0.5377 0.5185 0.5248 0.5300
            0.5154 0.5328 0.5313 0.5342 0.5411 0.5372 0.5399 0.5351 0.5410
        """,
        "motion": """
            0.2790 0.2830 0.2848 0.2719 0.2728 0.2742 0.2712 0.2679 0.2685 0.2636 0.2594
            0.2703 0.2619 0.2691 0.2691 0.2616 0.2678 0.2619 0.2682 0.2612
        """,
        "rays": """
            0.7438 0.7591 0.7086 0.7462 0.7249 0.7556 0.7738 0.7717 0.7536 0.7526 0.7478
            0.7532 0.7729 0.7566 0.7581 0.7755 0.7627 0.7706 0.7585 0.7741
        """,
    },
}


@pytest.mark.parametrize(
    ("stage", "build"), [("student_sft", build_sft), ("student_p4d", build_p4d)]
)
def test_twenty_steps_lose_what_they_lost(project, tmp_path, stage, build):
    build(inputs_of(project, stage, **SETTINGS), tmp_path)
    curve = pl.read_csv(tmp_path / "curve.csv")
    golden = GOLDEN[stage]
    assert set(golden) == set(curve.columns) - {"step"}
    for name, text in golden.items():
        recorded = [float(value) for value in text.split()]
        assert curve[name][0] == pytest.approx(recorded[0], rel=1e-4), name
        assert curve[name].to_list() == pytest.approx(recorded, rel=0.02), name
