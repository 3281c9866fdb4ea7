"""`student.time`: the four ways in which a student is given the times of its frames."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from p4d.config import replace_params
from p4d.students import load
from p4d.students.data.burned_times import with_times
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.embedded import FOLDER
from p4d.students.model.adapters import adapter_for
from p4d.students.model.prompt_settings import TIMES, PromptSettings
from p4d.students.model.student import Student, load_checkpoint
from p4d.students.training.base_student import build_base_student
from tests.students.tiny import FRAMES, SIZE

ASKED = ad_hoc_question("Which way?", ("left", "right"), clip_id="c", video_id="v")
EVEN = np.arange(FRAMES) / 4
SLOWER = EVEN * 2


def student_with(time, student):
    model = copy.deepcopy(student.adapter.model)
    dataclasses.replace(PromptSettings.of(model), time=time).store(model)
    return Student(adapter_for(model), student.tokenizer, sees_video=True)


def clip(times_s, *, marked=True):
    rng = np.random.default_rng(0)
    frames = rng.integers(60, 200, (FRAMES, SIZE, SIZE, 3), np.uint8)
    if marked:
        frames = np.concatenate([255 - frames[:1], frames])
        times_s = np.concatenate([[math.nan], times_s])
    return Visual(frames, times_s, None)


def packed(student, visual):
    return Packer(student.tokenizer, student.adapter).pack([Sample("c", (ASKED,), visual, {})])


def scores(student, visual):
    return student.answer_scores(packed(student, visual))


@pytest.mark.parametrize("time", [time for time in TIMES if time != "none"])
def test_other_times_change_the_answers(time, family_student):
    student = student_with(time, family_student)
    assert not torch.equal(scores(student, clip(EVEN)), scores(student, clip(SLOWER)))


def test_without_times_the_answers_depend_on_the_pictures_alone(family_student):
    if family_student.adapter.model.config.model_type == "qwen2_5_vl":
        pytest.skip("M-RoPE of Qwen2.5-VL spaces its positions by seconds by itself")
    student = student_with("none", family_student)
    assert torch.equal(scores(student, clip(EVEN)), scores(student, clip(SLOWER)))


def test_without_times_nothing_is_added_to_the_features(family_student):
    """The encoding of one time for all frames would also be equal for all times."""
    with_none, with_tpe = (student_with(time, family_student) for time in ("none", "tpe"))
    assert not torch.equal(scores(with_none, clip(EVEN)), scores(with_tpe, clip(EVEN)))


def test_a_sentence_gives_length_and_rate_once_after_the_pictures(family_student):
    student = student_with("text", family_student)
    for times_s, sentence in (
        (EVEN, "The video lasts 1.00 seconds and shows 4.00 frames per second."),
        (SLOWER, "The video lasts 2.00 seconds and shows 2.00 frames per second."),
    ):
        batch = packed(student, clip(times_s))
        row = batch.input_ids[0]
        seen = student.adapter.visual_mask(row[None])[0].nonzero().flatten()
        after = student.tokenizer.decode(row[int(seen.max()) + 1 :])
        before = student.tokenizer.decode(row[: int(seen.max())], skip_special_tokens=True)
        assert after.count(sentence) == 1
        assert "lasts" not in before


def test_a_sentence_gives_the_time_of_every_frame_where_a_rate_would_not(family_student):
    """A pause in a clip is in the other ways, so it must be in the text, too."""
    student = student_with("text", family_student)
    paused = np.where(np.arange(FRAMES) >= FRAMES // 2, EVEN + 3.25, EVEN)
    batch = packed(student, clip(paused))
    text = student.tokenizer.decode(batch.input_ids[0])
    listed = ", ".join(f"{time_s:.2f}" for time_s in paused)
    assert text.count(f"The frames are shown at {listed} seconds.") == 1
    assert "frames per second" not in text


def test_frames_that_are_nearest_to_a_grid_are_told_by_their_rate(family_student):
    student = student_with("text", family_student)
    jitter_s = np.where(np.arange(FRAMES) % 2, 0.02, 0.0)  # of a video of 25 frames a second
    text = student.tokenizer.decode(packed(student, clip(EVEN + jitter_s)).input_ids[0])
    assert "frames per second" in text
    assert "are shown at" not in text


@pytest.mark.parametrize("time", ["tpe", "burned_in", "none"])
def test_other_ways_leave_the_text_alone(time, family_student):
    student = student_with(time, family_student)
    batch = packed(student, clip(EVEN))
    assert "seconds and shows" not in student.tokenizer.decode(batch.input_ids[0])


def test_burned_times_stand_at_the_top_left_of_every_frame_that_has_one(family_student):
    student = student_with("burned_in", family_student)
    visual = clip(EVEN)
    shown = packed(student, visual).frames[0].numpy()
    assert np.array_equal(shown[0], visual.frames[0])  # the marked picture has no time
    changed = (shown[1:] != visual.frames[1:]).any(axis=-1)
    assert changed.any(axis=(1, 2)).all()
    assert not changed[:, SIZE // 2 :].any()
    assert np.array_equal(visual.frames, clip(EVEN).frames)  # the stored clip keeps its pictures


def test_burned_digits_are_the_seconds_of_their_frame():
    grey = np.full((3, 96, 96, 3), 128, np.uint8)
    drawn = with_times(grey, np.array([0.25, 1.75, math.inf]))
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], with_times(grey[:1], np.array([0.25]))[0])
    assert np.array_equal(drawn[2], grey[2])  # padding
    for frame in drawn[:2]:
        rows, columns = (frame != 128).any(axis=-1).nonzero()
        box = frame[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (box == 255).any()
        assert (box < 64).any()


@pytest.mark.parametrize("time", TIMES)
def test_the_parameter_reaches_the_base_student_and_comes_back_from_its_folder(
    time, project, tmp_path
):
    inputs = project.inputs("base_student")
    params = replace_params(inputs.all_params, student={"time": time})
    build_base_student(dataclasses.replace(inputs, all_params=params), tmp_path)
    assert PromptSettings.of(load(tmp_path).adapter.model).time == time


@pytest.mark.parametrize("time", TIMES)
def test_the_embedded_student_takes_it_too_and_differs_in_nothing_else(time, project, tmp_path):
    inputs = project.inputs("base_student")
    params = replace_params(inputs.all_params, student={"time": time, "checkpoint": "embedded"})
    build_base_student(dataclasses.replace(inputs, all_params=params), tmp_path)
    model, own = (
        load(tmp_path).adapter.model,
        load_checkpoint(FOLDER / "model", FOLDER / "tokenizer"),
    )
    settings, before = PromptSettings.of(model), PromptSettings.of(own[0])
    assert settings == dataclasses.replace(before, time=time)
    weights = model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in own[0].state_dict().items())
    config, own_config = model.config.to_dict(), own[0].config.to_dict()
    assert (config["reading"] == own_config["reading"]) == (time == "tpe")
