"""Views of a clip: what is shown, its masks, and the teacher's latents belong together."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from p4d.artifacts import read_table
from p4d.config import replace_params
from p4d.errors import ConfigError
from p4d.students.data.clip_reader import ClipReader, Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.distillation.viewed_clips import changed
from p4d.students.distillation.views import View, view_of
from p4d.students.model.student import load
from p4d.students.training.distillation_setup import set_up_distillation
from p4d.students.training.launch import train
from p4d.students.training.stages import build_p4d
from p4d.teachers.registry import load_latent_teacher
from tests.students.training.test_trainer import BUDGET, curve_of, equal_bytes, inputs_of

LATENTS_ALONE = {"modalities": (), "perception_steps": 6, "perception_views": 8}


def moving_square(size=32, frames=4):
    """A white square that goes right and down, and its masks in every frame."""
    masks = np.zeros((frames, size, size), np.uint8)
    for t in range(frames):
        masks[t, 6 + 3 * t : 14 + 3 * t, 8 + 4 * t : 16 + 4 * t] = 1
    return np.repeat(masks[..., None] * 255, 3, axis=3), masks


@pytest.mark.parametrize("number", range(10))
def test_masks_lie_on_their_things_in_every_view(number):
    frames, masks = moving_square()
    view = view_of("clip_a", number, 32)
    first = masks[-1:] if view.reversed else masks[:1]
    shown = view.pictures(frames)
    assert shown.shape == frames.shape and shown.dtype == np.uint8
    placed, white = view.masks(first)[0] > 0, shown[0, :, :, 0] > 127
    assert (placed & white).sum() / max((placed | white).sum(), 1) > 0.7
    assert (number < 4) == (view.window is None)


def test_the_first_view_is_the_clip_and_equal_numbers_are_equal_views():
    assert view_of("clip_a", 0, 64) == View()
    assert view_of("clip_a", 6, 64) == view_of("clip_a", 6, 64)
    assert view_of("clip_a", 6, 64).window != view_of("clip_b", 6, 64).window
    assert len({view_of("clip_a", number, 64) for number in range(12)}) == 12


def test_a_view_in_reverse_keeps_each_frame_with_its_distance_in_time():
    frames, masks = moving_square()
    times = np.array([np.nan, 0.0, 0.1, 0.5, 0.6])
    visual = Visual(np.concatenate([frames[:1], frames]), times, masks[-1:])
    shown = changed(visual, View(reversed=True))
    assert np.array_equal(shown.frames[1:], frames[::-1])
    assert np.isnan(shown.times_s[0])
    assert shown.times_s[1:].tolist() == pytest.approx([0.0, 0.1, 0.5, 0.6])
    uneven = dataclasses.replace(visual, times_s=np.array([np.nan, 0.0, 0.1, 0.2, 0.6]))
    back = changed(uneven, View(reversed=True))
    assert back.times_s[1:].tolist() == pytest.approx([0.0, 0.4, 0.5, 0.6])


def test_the_latents_of_a_view_are_the_experts_of_what_it_shows(project):
    inputs = inputs_of(project, "student_p4d", training=BUDGET, distillation=LATENTS_ALONE)
    base = load(inputs.folder("base_student"))
    clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    questions = load_questions(inputs.folder("release"), "train")
    packer = Packer(base.tokenizer, base.adapter)
    perception = set_up_distillation(inputs, base, questions, clips, packer).perception
    expert = load_latent_teacher(inputs.folder("expert"))
    assert len(perception) == 6 * BUDGET["batch"]
    table = read_table(inputs.folder("release") / "clips.parquet")
    shards = dict(table.select("clip_id", "shard").iter_rows())
    seen = set()
    for index in range(len(perception)):
        sample = perception[index]
        assert not sample.questions
        frames = sample.visual.frames[1:]
        seen.add((sample.clip_id, frames.tobytes()))
        own = clips.read(shards[sample.clip_id], sample.clip_id).frames[1:]
        if np.array_equal(frames, own):  # has its stored label
            continue
        shown = torch.from_numpy(frames[None].copy())
        with torch.no_grad():
            expected = expert.encode(shown)[0].numpy()
        assert np.allclose(sample.labels["latents"], expected, atol=0.02, rtol=0.02)
    assert len(seen) > 2 * len({clip for clip, _ in seen})


def test_a_run_with_views_is_the_same_twice_and_another_than_without(project, tmp_path):
    for name, views in (("a", 8), ("b", 8), ("c", 1)):
        distillation = {**LATENTS_ALONE, "perception_views": views}
        inputs = inputs_of(project, "student_p4d", training=BUDGET, distillation=distillation)
        build_p4d(inputs, tmp_path / name)
    assert not equal_bytes(tmp_path / "a", tmp_path / "b")
    latent = {name: curve_of(tmp_path / name)["latent"] for name in "ac"}
    assert not np.allclose(latent["a"], latent["c"], rtol=1e-3)


def test_a_run_outside_the_pipeline_has_a_folder_for_the_labels_of_views(project, tmp_path):
    inputs = inputs_of(project, "student_p4d", training=BUDGET, distillation=LATENTS_ALONE)
    train("p4d", tmp_path / "run", data=project.root, params=inputs.all_params)
    shutil.rmtree(tmp_path / "run" / "work")
    build_p4d(inputs, tmp_path / "stage")
    assert equal_bytes(tmp_path / "run", tmp_path / "stage") == []


def test_views_have_no_maps(project):
    with pytest.raises(ConfigError, match="latents and no maps"):
        replace_params(project.params, distillation={"perception_views": 2})
