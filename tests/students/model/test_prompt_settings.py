"""Regions as tokens, and answers in the text of an option, from packing to scores."""

import dataclasses

import numpy as np
import pytest
import torch

from p4d.students import embedded, load
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question, ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.adapters import adapter_for, initial_model
from p4d.students.model.batch import IGNORED
from p4d.students.model.chat import opening
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student, load_checkpoint, save_student
from p4d.students.model.tokenizer import train_tokenizer
from tests.students.tiny import FRAMES, SIZE, params

ASKED = Question(
    qa_id="q", clip_id="c", video_id="v", shard="", category="", dynamic=True,
    question="Which way does <obj_1> move?",
    options=("left", "0.25 m", "to the right of <obj_2>"), answer_index=1,
)  # fmt: skip


@pytest.fixture(scope="module", params=["llava_onevision", "qwen3_vl"])
def student(request):
    settings = params(student={"architecture": request.param})
    from p4d.students.model.adapters import family_named

    tokens = family_named(request.param).special_tokens
    texts = [opening(sees_video=True), ASKED.turn()]
    tokenizer = train_tokenizer(texts, 340, tokens, min_frequency=2)
    model = initial_model(settings.student, settings.clips, tokenizer)
    PromptSettings(regions="tokens", answers="option").store(model)
    return Student(adapter_for(model.eval()), tokenizer, sees_video=True)


def clip(*boxes, marked=True):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (FRAMES, SIZE, SIZE, 3), np.uint8)
    masks = np.zeros((len(boxes), SIZE, SIZE), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = 1
    times_s = np.arange(FRAMES) / 4
    if marked:
        frames = np.concatenate([255 - frames[:1], frames])
        times_s = np.concatenate([[np.nan], times_s])
    return Visual(frames, times_s, masks)


LEFT, RIGHT = (0, 0, 16, 32), (16, 0, 32, 32)


def scores(student, visual, *questions):
    batch = Packer(student.tokenizer, student.adapter).pack(
        [Sample("c", questions or (ASKED,), visual, {})]
    )
    return student.answer_scores(batch)


def test_a_region_is_identified_by_its_mask_alone(student):
    here, there = scores(student, clip(LEFT, RIGHT)), scores(student, clip(RIGHT, LEFT))
    assert not torch.allclose(here, there, atol=1e-5)


def test_the_marked_picture_is_not_read(student):
    with_picture = scores(student, clip(LEFT))
    assert torch.equal(with_picture, scores(student, clip(LEFT, marked=False)))
    assert student.visual_tokens(FRAMES) == student.adapter.visual_tokens(FRAMES)


def test_a_region_that_is_not_named_still_marks_what_it_covers(student):
    plain = dataclasses.replace(ASKED, question="Which way does it move?", options=("up", "down"))
    assert not torch.allclose(
        scores(student, clip(LEFT), plain), scores(student, clip(), plain), atol=1e-6
    )


def test_the_score_of_an_option_is_the_likelihood_of_its_text(student):
    visual = clip(LEFT, RIGHT)
    together = scores(student, visual)[0]
    assert torch.isinf(together[3:]).all()
    for index in range(3):
        alone = dataclasses.replace(ASKED, answer_index=index)
        packer = Packer(student.tokenizer, student.adapter)
        batch = packer.pack([Sample("c", (alone,), visual, {})], scored=False)
        with torch.no_grad():
            likelihood = student.adapter.logits(student.hidden(batch)).log_softmax(dim=-1)
        said = batch.targets != IGNORED
        each = likelihood[said].gather(1, batch.targets[said][:, None])[:, 0]
        assert together[index] == pytest.approx(float(each[:-1].sum()), abs=1e-3)  # less the end


def test_options_and_questions_do_not_see_each_other(student):
    other = dataclasses.replace(ASKED, qa_id="r", question="How far is <obj_2>?", answer_index=0)
    visual = clip(LEFT, RIGHT)
    both = scores(student, visual, ASKED, other)
    assert torch.allclose(both[0], scores(student, visual)[0], atol=1e-4)
    assert torch.allclose(both[1], scores(student, visual, other)[0], atol=1e-4)


def test_prompt_settings_are_saved_with_the_weights(student, tmp_path):
    save_student(tmp_path, student.adapter.model, student.tokenizer)
    model, _ = load_checkpoint(tmp_path / "model", tmp_path / "tokenizer")
    assert PromptSettings.of(model) == PromptSettings(regions="tokens", answers="option")


def test_generated_text_depends_on_the_region_too(student):
    """The first token is compared in logits: the text of an untrained network may stay the same."""
    packer = Packer(student.tokenizer, student.adapter)
    model, found = student.adapter.model, []
    handle = model.lm_head.register_forward_hook(lambda _, given, out: found.append(out[0, -1]))
    for regions in ((LEFT, RIGHT), (RIGHT, LEFT), (LEFT, RIGHT)):
        batch = packer.prompts([Sample("c", (ASKED,), clip(*regions), {})])
        student.generate(batch, max_new_tokens=1)
    handle.remove()
    here, there, again = found
    assert torch.equal(here, again)
    assert not torch.allclose(here, there, atol=1e-5)


def test_a_different_region_gives_different_text():
    """With the embedded base, which names the colour of a region."""
    student = load(embedded.FOLDER)
    frame = np.full((1, 64, 64, 3), 110, np.uint8)
    boxes = np.zeros((2, 64, 64), np.uint8)
    boxes[0, 20:44, 4:28] = boxes[1, 20:44, 36:60] = 1
    frame[0][boxes[0] > 0], frame[0][boxes[1] > 0] = (204, 26, 23), (26, 56, 204)
    colours = ("red", "blue", "green", "yellow")
    asked = ad_hoc_question("What colour is <obj_1>?", colours, clip_id="c", video_id="v")
    packer = Packer(student.tokenizer, student.adapter)
    texts = []
    for regions in (boxes, boxes[::-1].copy()):
        visual = Visual(frame, np.array([np.nan]), regions)
        batch = packer.prompts([Sample("c", (asked,), visual, {})])
        texts += student.generate(batch, max_new_tokens=4)
    assert texts == ["red", "blue"]


def test_the_scales_of_content_and_place_are_settings_and_stay_with_the_weights(student, tmp_path):
    before = scores(student, clip(LEFT, RIGHT))
    config = student.adapter.model.config
    kept = dict(config.reading)
    assert set(kept) == {"regions", "answers"}  # as in students of earlier versions
    try:
        changed = PromptSettings("tokens", "option", content_scale=0.0, place_scale=3.0)
        changed.store(student.adapter.model)
        assert not torch.allclose(scores(student, clip(LEFT, RIGHT)), before, atol=1e-5)
        save_student(tmp_path, student.adapter.model, student.tokenizer)
        model, _ = load_checkpoint(tmp_path / "model", tmp_path / "tokenizer")
        assert PromptSettings.of(model) == changed
    finally:
        config.reading = kept
