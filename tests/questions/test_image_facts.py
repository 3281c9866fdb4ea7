import numpy as np
import pytest

from p4d.questions.fact_table import Source
from p4d.questions.image_facts import image_facts

REAL = Source(clip_id="clip_r", scale_kind="relative", teacher="expert4d", teacher_digest="d1")
TIMES_NS = np.arange(8, dtype=np.int64) * 250_000_000
END = 1_750_000_000


def _labels(own_px, background_px, probability=0.95):
    """Labels of a clip with one region; movements per frame at 32 px, forward in time."""
    masks = np.zeros((1, 8, 64, 64), dtype=np.uint8)
    masks[:, :, 20:40, 20:40] = 1
    small = masks[0, :, ::2, ::2].astype(bool)
    flow = np.zeros((8, 32, 32, 2), dtype=np.float32)
    flow[1:] = -np.asarray(background_px, dtype=np.float32)
    flow[small] = -np.asarray(own_px, dtype=np.float32)
    flow[0] = 0
    motion = np.where(small, probability, 0.05).astype(np.float32)
    return masks, flow, motion


def _facts(masks, flow, motion):
    facts = image_facts(REAL, TIMES_NS, ["reg_1"], masks, flow, motion, 0.5)
    return {(f.kind, f.start_ns, f.end_ns): f for f in facts}


@pytest.mark.parametrize(
    ("own", "word"), [((1, 0), "right"), ((-1, 0), "left"), ((0, 1), "down"), ((0, -1), "up")]
)
def test_the_picture_direction_is_that_of_the_region(own, word):
    fact = _facts(*_labels(own, (0, 0)))[("picture_direction", 0, END)]
    assert fact.value_text == word
    assert fact.sigma < 1 / 3
    assert fact.unit == "class"


def test_a_panning_camera_is_taken_away():
    fact = _facts(*_labels((0.5, 0), (1.5, 0)))[("picture_direction", 0, END)]
    assert fact.value_text == "left"


def test_a_slanted_movement_is_not_certain():
    assert _facts(*_labels((1, 1), (0, 0)))[("picture_direction", 0, END)].sigma > 1 / 3


def test_without_a_quiet_background_there_is_no_direction():
    masks, flow, motion = _labels((1, 0), (0, 0))
    facts = _facts(masks, flow, np.full_like(motion, 0.9))
    assert ("picture_direction", 0, END) not in facts
    assert facts[("moving_count", 0, END)].value == 1


def test_a_doubtful_motion_makes_the_count_doubtful():
    sure = _facts(*_labels((1, 0), (0, 0)))[("moving_count", 0, END)]
    doubtful = _facts(*_labels((1, 0), (0, 0), probability=0.6))[("moving_count", 0, END)]
    assert sure.sigma < 1 / 3 < doubtful.sigma


def test_no_fact_of_a_real_clip_has_metres():
    assert {f.unit for f in _facts(*_labels((1, 0), (0, 0))).values()} == {"class", "count"}
