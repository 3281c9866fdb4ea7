import numpy as np
import pytest

from p4d.config import QuestionsParams, ReleaseParams
from p4d.questions.facts.image_facts import FLOW_SIGMA_PX, ImageMaps, image_facts
from p4d.questions.facts.table import Source
from tests.questions.scenes import Clip, compose_clips

REAL = Source(clip_id="clip_r", scale_kind="relative", teacher="expert4d", teacher_digest="d1")
TIMES_NS = np.arange(8, dtype=np.int64) * 250_000_000
END = 1_750_000_000


def _maps(masks, flow, motion, sigma_px):
    return ImageMaps(masks_kthw=masks, flow_px_thw2=flow, motion_thw=motion, flow_sigma_px=sigma_px)


def _labels(own_px, background_px, probability=0.95, outline_px=None):
    """Labels of a clip with one region; movements per frame at 32 px, forward in time.

    The outline goes as the surface does, unless told otherwise.
    """
    masks = np.zeros((1, 8, 64, 64), dtype=np.uint8)
    step_u, step_v = 2 * np.asarray(own_px if outline_px is None else outline_px)
    for t in range(8):
        u, v = round(20 + t * step_u), round(20 + t * step_v)
        masks[:, t, v : v + 20, u : u + 20] = 1
    small = masks[0, :, 1::2, 1::2].astype(bool)
    flow = np.zeros((8, 32, 32, 2), dtype=np.float32)
    flow[1:] = -np.asarray(background_px, dtype=np.float32)
    flow[small] = -np.asarray(own_px, dtype=np.float32)
    flow[0] = 0
    motion = np.where(small, probability, 0.05).astype(np.float32)
    return masks, flow, motion


def _facts(masks, flow, motion, sigma_px=0.5):
    facts = image_facts(REAL, TIMES_NS, ["reg_1"], _maps(masks, flow, motion, sigma_px))
    return {(f.kind, f.start_ns, f.end_ns): f for f in facts}


@pytest.mark.parametrize(
    ("own", "word"), [((1, 0), "right"), ((-1, 0), "left"), ((0, 1), "down"), ((0, -1), "up")]
)
def test_the_picture_direction_is_that_of_the_region(own, word):
    fact = _facts(*_labels(own, (0, 0)))[("picture_direction", 0, END)]
    assert fact.value_text == word
    assert fact.sigma < 1 / 3
    assert fact.unit == "class"


@pytest.mark.parametrize("outline", [(0, 0), (0, 0.8), (-1, 0)])
def test_a_surface_that_flows_otherwise_than_its_outline_goes_has_no_certain_direction(outline):
    facts = _facts(*_labels((0.8, 0), (0, 0), outline_px=outline))
    for kind in ("picture_direction", "screen_direction"):
        assert facts[(kind, 0, END)].sigma > 1 / 3


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


def test_a_region_at_rest_is_certain_to_stay():
    fact = _facts(*_labels((0, 0), (0, 0), probability=0.05), FLOW_SIGMA_PX)
    fact = fact[("picture_direction", 0, END)]
    assert fact.value_text == "stays in place"
    assert fact.sigma < 1 / 3


def test_a_region_that_is_out_of_sight_is_not_at_rest():
    masks, flow, motion = _labels((1, 0), (0, 0))
    masks[:, 5:] = 0
    facts = _facts(masks, flow, motion)
    assert ("moving", 750_000_000, END) not in facts
    assert ("moving_count", 750_000_000, END) not in facts
    assert ("moving", 0, 1_000_000_000) in facts


def _real_clips(speed_px, sigma_px):
    """Four clips of one video, moving in four directions."""
    clips = []
    for i, way in enumerate([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        source = Source(
            clip_id=f"clip_{i}", scale_kind="relative", teacher="expert4d", teacher_digest="d1"
        )
        labels = _labels(np.array(way) * speed_px, (0, 0), probability=0.75)
        facts = tuple(image_facts(source, TIMES_NS, [f"reg_{i}"], _maps(*labels, sigma_px)))
        clips.append(Clip(f"clip_{i}", "vid_r", False, (f"reg_{i}",), facts))
    splits = ReleaseParams(
        test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
    )
    return compose_clips(
        clips,
        QuestionsParams(margin_sigma=3.0, options=4, max_per_clip=18, families=(), seconds="none"),
        splits,
    )


def test_real_clips_that_clearly_move_are_asked_about():
    rows = _real_clips(0.75, FLOW_SIGMA_PX).questions
    assert {row["family"] for row in rows} == {"picture_direction", "screen_direction"}
    assert {row["clip_id"] for row in rows} == {"clip_0", "clip_1", "clip_2", "clip_3"}
    assert {row["answer_text"] for row in rows} == {"left", "right", "up", "down"}


@pytest.mark.parametrize(("speed_px", "sigma_px"), [(0.2, FLOW_SIGMA_PX), (0.75, 2.0)])
def test_a_short_or_badly_measured_movement_is_not_asked_about(speed_px, sigma_px):
    assert _real_clips(speed_px, sigma_px).questions == []
