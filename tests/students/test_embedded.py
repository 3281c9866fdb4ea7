"""The embedded base students are whole, are what their cards say, and can be asked."""

import numpy as np
import pytest

from p4d.artifacts import read_json
from p4d.ids import sha256_file
from p4d.students import embedded, load
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.prompt_settings import PromptSettings

SIZE_PX, FRAMES = 64, 8


@pytest.fixture(scope="module", params=list(embedded.FOLDERS))
def folder(request):
    return embedded.FOLDERS[request.param]


@pytest.fixture(scope="module")
def student(folder):
    return load(folder)


def asked(text, *options):
    return Question(
        qa_id=text, clip_id="c", video_id="v", shard="", category="", dynamic=False,
        question=text, options=options, answer_index=0,
    )  # fmt: skip


def test_the_weights_are_those_of_the_card(student, folder):
    card = read_json(folder / "card.json")
    weights = folder / "model" / "model.safetensors"
    coded = {
        embedded.FOLDER: embedded.WEIGHTS_SHA256,
        embedded.TUNED_FOLDER: embedded.TUNED_WEIGHTS_SHA256,
    }
    assert sha256_file(weights) == card["weights_sha256"] == coded[folder]
    assert card["parameters"] == sum(w.numel() for w in student.adapter.model.parameters())
    assert weights.stat().st_size < 10_000_000


def test_it_reads_regions_as_tokens_and_answers_in_the_text_of_an_option(student, folder):
    assert PromptSettings.of(student.adapter.model) == PromptSettings(
        regions="tokens", answers="option"
    )
    assert student.visual_tokens(FRAMES) == (64 if folder == embedded.TUNED_FOLDER else 128)


def test_it_names_the_colours_of_regions(student):
    colours = {"red": (204, 26, 23), "blue": (26, 56, 204), "yellow": (235, 204, 20)}
    frame = np.full((1, SIZE_PX, SIZE_PX, 3), 110, np.uint8)
    masks = np.zeros((3, SIZE_PX, SIZE_PX), np.uint8)
    for k, rgb in enumerate(colours.values()):
        masks[k, 24:40, 4 + 20 * k : 20 + 20 * k] = 1
        frame[0][masks[k] > 0] = rgb
    names = tuple(colours)
    questions = tuple(asked(f"What colour is <obj_{k}>?", *names) for k in (1, 2, 3))
    visual = Visual(frame, np.array([np.nan]), masks)
    batch = Packer(student.tokenizer, student.adapter).pack([Sample("c", questions, visual, {})])
    assert student.answer_scores(batch).argmax(dim=1).tolist() == [0, 1, 2]


def test_it_names_the_places_of_regions(student):
    frame = np.full((1, SIZE_PX, SIZE_PX, 3), 110, np.uint8)
    masks = np.zeros((2, SIZE_PX, SIZE_PX), np.uint8)
    masks[0, 8:22, 6:20] = masks[1, 42:58, 38:58] = 1
    frame[0][masks[0] > 0], frame[0][masks[1] > 0] = (204, 26, 23), (26, 56, 204)
    questions = (
        asked("In the picture, on which side of <obj_2> is <obj_1>?", "left", "right"),
        asked("In the picture, on which side of <obj_1> is <obj_2>?", "right", "left"),
        asked("In the picture, is <obj_1> above or below <obj_2>?", "above", "below"),
        asked("In the picture, is <obj_2> above or below <obj_1>?", "below", "above"),
    )
    visual = Visual(frame, np.array([np.nan]), masks)
    batch = Packer(student.tokenizer, student.adapter).pack([Sample("c", questions, visual, {})])
    assert student.answer_scores(batch).argmax(dim=1).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("way", ["left", "right", "up", "stays in place"])
def test_it_reads_a_fact(student, way):
    fact = f"0 to 1.75: <obj_2> direction: {way}. "
    text = f"{fact}\nFrom 0 sec to 1.75 sec, which way does <obj_2> move?"
    options = ("up", "right", "stays in place", "left")
    sample = Sample("c", (asked(text, *options),), None, {})
    scores = student.answer_scores(Packer(student.tokenizer, student.adapter).pack([sample]))
    assert options[int(scores[0].argmax())] == way
