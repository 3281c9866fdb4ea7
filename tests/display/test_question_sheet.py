"""A sheet of questions: several categories, marks, and the right option in green."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from p4d.display.question_sheet import by_category, question_card, question_sheet
from p4d.questions.regions.marks import COLOURS_RGB
from p4d.review.items import items_of_shard
from tests.review.conftest import SHARD, demo_release

assert demo_release  # a fixture

GREEN = (0, 110, 60)


@pytest.fixture
def data(demo_release):
    return demo_release.parent


def asked(data):
    return pl.read_parquet(data / "questions" / SHARD / "questions.parquet")


def count(picture, colour, within=30):
    return int((np.abs(picture.astype(int) - colour).sum(-1) < within).sum())


def test_a_sheet_shows_six_questions_in_two_columns(data):
    shown = question_sheet({"questions": data / "questions" / SHARD})
    picture = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))
    assert picture.shape[1] == 1220
    assert picture.shape[0] > 3 * 250
    for half in np.split(picture, 2, axis=1):
        assert count(half, GREEN) > 100
        assert count(half, COLOURS_RGB[0]) > 100


def test_every_category_comes_before_a_second_question_of_one(data):
    table = asked(data)
    there = table["category"].n_unique()
    assert there >= 3
    assert by_category(table, there)["category"].n_unique() == there
    assert len(by_category(table, there + 2)) == there + 2


def test_a_card_has_one_green_line_which_is_that_of_the_right_option(data):
    row = asked(data).sort("qa_id").head(1)
    (item,) = items_of_shard(data, SHARD, row)
    tops = []
    for index in range(len(row["options"][0])):
        moved = {**item.row, "answer_index": index, "options": ["x"] * len(row["options"][0])}
        card = question_card(type(item)(**{**vars(item), "row": moved}))
        green = (np.abs(card[:, 270:].astype(int) - GREEN).sum(-1) < 30).any(1)
        tops.append(int(np.flatnonzero(green)[0]))
    assert np.diff(tops).min() >= 15


def test_a_shard_without_questions_says_so(tmp_path, data):
    folder = tmp_path / "questions" / SHARD
    folder.mkdir(parents=True)
    asked(data).clear().write_parquet(folder / "questions.parquet")
    shown = Image.open(io.BytesIO(question_sheet({"questions": folder})))
    assert shown.height < 60
