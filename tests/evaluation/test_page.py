"""The page of an evaluation shows texts of others as text."""

import numpy as np
import polars as pl
import pytest

from p4d.errors import DecodeError
from p4d.evaluation.page import render_page
from p4d.students.data.clip_reader import Visual
from tests.pages.planted import PLANTED, assert_inert

INTERVAL = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 2}
FOUND = {
    "model": PLANTED,
    "benchmark": "made-up",
    "primary_metric": "text_wrong",
    "run": {"prompt": PLANTED, "frames": 4, "size_px": 32, "answer_tokens": 24},
    "headline": {"mean_over": "items", "text_wrong": INTERVAL},
    "published": {
        "script": PLANTED, "figures": {PLANTED: 0.5}, "differs": ["frames"], "remarks": PLANTED,
        "settings": {"prompt": PLANTED, "frames": 16, "max_new_tokens": 24},
    },
    "reproduction": {"versions": {"torch": PLANTED}, "device_name": PLANTED, "frames": 4},
    "compared_with": [
        {"title": PLANTED, "what": PLANTED, "commands": (PLANTED,), "accuracy": None},
        {"title": PLANTED, "what": PLANTED, "commands": (), "accuracy": INTERVAL},
    ],
    "accuracy": 0.5, "low": 0.25, "high": 0.75, "chance": 0.25,
    "items": 2, "groups": 1, "generated": 2, "unparsed_share": 0.5,
    "outcomes": {"ok": 1, "rejected": 1},
    "twelve_columns": {},
    "scores": {"text_wrong": {PLANTED: INTERVAL}},
    "against_chance": {
        "named": [PLANTED],
        "families": {PLANTED: {"n": 2, "accuracy": 0.5, "low": 0.1, "high": 0.4, "inside": False}},
    },
}  # fmt: skip
ROW = {
    "qa_id": "a", "kind": "mcq", "outcome": "ok", "reason": None, "category": PLANTED,
    "family": PLANTED, "question": PLANTED, "options": [PLANTED, "other"], "answer_index": 0,
    "parsed_index": None, "parsed_value": None, "answer_value": None, "option_logp": [-1.0, -0.5],
    "text": PLANTED, "text_wrong": 0.0,
}  # fmt: skip
TABLE = pl.DataFrame(
    [ROW, {**ROW, "qa_id": PLANTED, "outcome": "rejected", "reason": PLANTED}],
    schema_overrides={"parsed_index": pl.Int64, "parsed_value": pl.Float64,
                      "answer_value": pl.Float64},
)  # fmt: skip


def unreadable(_):
    raise DecodeError(f"{PLANTED}.mp4 cannot be decoded")


def picture(_):
    frames = np.full((3, 8, 8, 3), 90, np.uint8)
    return Visual(frames=frames, times_s=np.arange(3.0), masks_khw=np.zeros((0, 8, 8), np.uint8))


@pytest.mark.parametrize("visual_of", [unreadable, picture])
def test_questions_names_and_notes_cannot_run(visual_of):
    page = render_page(FOUND, TABLE, visual_of)
    assert_inert(page, scripts=0, times=12)
    assert page == render_page(FOUND, TABLE, visual_of)
