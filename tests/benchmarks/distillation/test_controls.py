"""Each control trains on real clips and changes what it says it changes, and nothing else."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.distillation.answers import chosen_options
from benchmarks.distillation.bases import make_bases
from benchmarks.distillation.controls import CONTROLS
from benchmarks.distillation.controls.fitting import ControlRun
from benchmarks.distillation.controls.frame_differences import DifferenceLabels, frame_differences
from benchmarks.distillation.controls.other_clips import LabelsOfOthers, partners_of
from benchmarks.distillation.controls.teacher_cues import CueEmbedding, cues_added
from benchmarks.distillation.plan import BASE, NEW_ENCODER, UNTIMED, RunSpec
from benchmarks.distillation.run import stage_of, student_code
from p4d.errors import ContractError
from p4d.evaluation.answering.visuals import ClipVisuals
from p4d.pipeline import stage_named
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import LabelReader
from p4d.students.model.student import load
from p4d.students.training.base_student import build_base_student
from p4d.teachers.expert4d.local_flow import CHANNELS
from tests.students import tiny

PATCH_PX = 4  # two patches a side are merged: one token of the student per token of the expert
STUDENT = {
    "patch_px": PATCH_PX,
    "architecture": "qwen3_vl",
    "region_prompt": "tokens",
    "answers": "option",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("controls") / "data"
    sections = {"student": STUDENT, "distillation": {"student_layer": 0}}
    project = tiny.make(root, clips=9, **sections)
    build_base_student(project.inputs("base_student"), root / "base_student")
    return project


def clips_of(project):
    return ClipReader(
        {tiny.SHARD: project.root / "clips" / tiny.SHARD},
        {tiny.SHARD: project.root / "regions" / tiny.SHARD},
    )


def control_run(project):
    return ControlRun(
        work=project.root,
        folders=project.inputs("student_p4d").folders,
        base=project.root / "base_student",
        clips=clips_of(project),
        params=project.params,
        progress=lambda done, total, note: None,
    )


def frames_and_times(project, clip="clip_001"):
    visual = clips_of(project).read(tiny.SHARD, clip)
    return torch.from_numpy(visual.frames[1:])[None], torch.from_numpy(visual.times_s[1:])[None]


def tokens(adapter, frames, times):
    with torch.no_grad():
        found = adapter.encode(frames, times)["mm_encoder_outputs"]["video"]
    return torch.cat(list(found.pooler_output))


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_a_control_learns_and_answers_the_test_questions(project, name):
    before = load(project.root / "base_student").adapter.model.state_dict()
    questions = load_questions(project.root / "release", "test")
    with CONTROLS[name](control_run(project)) as student:
        answers = chosen_options(student, questions, ClipVisuals(clips_of(project)), project.params)
        after = student.adapter.model.state_dict()
    assert set(answers) == {question.qa_id for question in questions}
    learned = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert any("language_model" in key for key in learned)
    added = {key.split(".")[1] for key in set(after) - set(before)}
    expected = {"teacher_features": {"expert_encoder"}, "teacher_cues": {"cue_embedding"}}
    assert added == expected.get(name, set())


def test_controls_with_a_dense_loss_train_the_encoder_otherwise_than_sft(project):
    """Against the same arm without its teacher's side: the losses reach the encoder."""
    encoders = {}
    for name in ("frame_differences", "other_clips", "teacher_cues"):
        with CONTROLS[name](control_run(project)) as student:
            weights = student.adapter.encoder().state_dict()
            encoders[name] = weights["blocks.0.mlp.linear_fc1.weight"].clone()
    assert not torch.equal(encoders["frame_differences"], encoders["other_clips"])
    assert not torch.equal(encoders["frame_differences"], encoders["teacher_cues"])


def test_cues_begin_without_an_effect_and_are_gone_outside(project):
    student = load(project.root / "base_student")
    frames, times = frames_and_times(project)
    vision = student.adapter.model.config.vision_config
    cues = CueEmbedding(
        vision.patch_size, vision.temporal_patch_size, vision.spatial_merge_size, vision.hidden_size
    )
    assert cues.project.in_features == CHANNELS * vision.temporal_patch_size * vision.patch_size**2
    plain = tokens(student.adapter, frames, times)
    with cues_added(student.adapter, cues):
        assert torch.equal(tokens(student.adapter, frames, times), plain)
        torch.nn.init.normal_(cues.project.weight)
        moving = tokens(student.adapter, frames, times)
        assert not torch.allclose(moving, plain)
    assert torch.equal(tokens(student.adapter, frames, times), plain)


def test_cues_lie_on_the_patches_that_they_belong_to():
    """A square that moves in one corner: flow is non-zero in the patches of that corner alone."""
    cues = CueEmbedding(8, 2, 1, 4)
    torch.nn.init.ones_(cues.project.weight)
    frames = torch.full((1, 4, 32, 32, 3), 60, dtype=torch.uint8)
    for t in range(4):
        frames[0, t, 2:8, 2 + t : 8 + t] = 220
    still = cues(frames[:, :1].expand(-1, 4, -1, -1, -1))
    changed = (cues(frames) - still).abs().sum(-1).reshape(2, 4, 4)
    assert changed[:, 0, 0].sum() > 10 * changed[:, 3, 3].sum()


def test_frame_differences_are_those_of_the_pictures():
    frames = np.full((4, 32, 32, 3), 51, np.uint8)
    frames[1:, 0:4, 0:4] = 153  # appears in frame 1 in the first cell of the first patch
    targets = frame_differences(frames)
    assert targets.shape == (1, 2, 4, 4, 8)
    first = targets[0, 0, 0, 0].reshape(2, 2, 2)  # frame, row and column of the cell
    assert first[1, 0, 0] == pytest.approx(0.4)
    assert targets.sum() == pytest.approx(0.4)  # nowhere else, at no other time
    with pytest.raises(ContractError, match="do not divide"):
        frame_differences(frames[:3])


def test_a_clip_of_a_still_has_no_differences(project):
    labels = DifferenceLabels(clips_of(project))
    assert labels.has(tiny.SHARD, "clip_001")
    assert labels.read(tiny.SHARD, "clip_001")["latents"].max() > 0.01  # the square moves
    frames, _ = frames_and_times(project)
    assert frame_differences(np.repeat(frames[0, :1].numpy(), 4, axis=0)).max() == 0


class NamedLabels(LabelReader):
    def has(self, shard, clip_id):
        return True

    def read(self, shard, clip_id, *, maps=True):
        return {"latents": (shard, clip_id), **({"maps": clip_id} if maps else {})}


def test_every_clip_gets_the_labels_of_another_video_once(project):
    questions = list(load_questions(project.root / "release", "train"))
    video = {question.clip_id: question.video_id for question in questions}
    partners = partners_of(questions, seed=3)
    assert set(partners) == set(video)
    assert sorted(clip for _, clip in partners.values()) == sorted(video)
    assert all(video[clip] != video[other] for clip, (_, other) in partners.items())
    assert partners != partners_of(questions, seed=4)
    labels = LabelsOfOthers(NamedLabels(), partners)
    clip = min(video)
    assert labels.read(tiny.SHARD, clip, maps=False) == {"latents": partners[clip]}
    one_video = [dataclasses.replace(question, video_id="v") for question in questions]
    with pytest.raises(ContractError, match="no other to take"):
        partners_of(one_video, seed=3)


def test_variants_of_the_base_load_and_differ_in_one_thing(project):
    make_bases(project.root)
    frames, times = frames_and_times(project)
    of = {
        name: load(project.root / name)
        for base in (BASE, NEW_ENCODER)
        for name in (base, base + UNTIMED)
    }
    later = times * 7 + 1
    for name, student in of.items():
        tells_time = not torch.equal(
            tokens(student.adapter, frames, times), tokens(student.adapter, frames, later)
        )
        assert tells_time == (not name.endswith(UNTIMED))
    slots = {student.visual_tokens(tiny.FRAMES) for student in of.values()}
    assert len(slots) == 1
    new = dict(of[NEW_ENCODER].adapter.model.named_parameters())
    changed = {
        name
        for name, weight in of[BASE].adapter.model.named_parameters()
        if not torch.equal(weight, new[name])
    }
    assert changed and all(name.startswith("model.visual.") for name in changed)


def test_the_code_of_a_row_covers_its_control():
    assert stage_of(RunSpec("x", stage="teacher_cues")) == stage_named("student_p4d")
    arms = {student_code(RunSpec("x", stage=s)) for s in ("student_sft", "teacher_cues")}
    assert len(arms) == 2
