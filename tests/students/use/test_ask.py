"""Asks students about a video, in p4d and exported without it, and counts what that costs."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

import p4d
from p4d.artifacts import read_json, write_arrays, write_json
from p4d.cli import cli
from p4d.config import replace_params
from p4d.errors import ContractError, DecodeError
from p4d.project import Project
from p4d.students import load
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.model.adapters import FAMILIES
from p4d.students.training.base_student import build_base_student
from p4d.students.use.ask import VideoQuestion, ask_video, student_folder
from p4d.students.use.cost import inference_cost, latency_ratio, paired_ratio
from p4d.students.use.export import export_student, training_only_weights
from p4d.students.use.video_clip import region_mask, sample_clip
from tests.students import tiny

QUESTION, OPTIONS = "Which way does <obj_1> move?", ("left", "right", "up")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two seconds at 8 frames per second; frame i is of level 8 * i, a corner bright."""
    path = tmp_path_factory.mktemp("videos") / "ramp.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for level in range(16):
            picture = np.full((64, 96, 3), 8 * level, np.uint8)
            picture[:30, :40] = 240
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def clips(project):
    return project.params.clips  # 4 frames at 4 Hz


def test_frames_are_sampled_on_the_clip_grid_from_the_requested_start(video, clips):
    clip = sample_clip(video, clips, 0.5)
    assert clip.frames_thw3.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert clip.first_hw3.shape == (64, 96, 3)
    levels = clip.frames_thw3[:, -4:, -4:].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, [8 * i for i in (4, 6, 8, 10)], atol=3)
    np.testing.assert_allclose(clip.times_s, [0, 0.25, 0.5, 0.75], atol=1e-3)


def test_a_video_that_ends_within_the_clip_repeats_its_last_frame(video, clips):
    clip = sample_clip(video, clips, 1.75)
    levels = clip.frames_thw3[:, -4:, -4:].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, [8 * 14, 8 * 15, 8 * 15, 8 * 15], atol=3)
    with pytest.raises(DecodeError, match=r"2.00 s long; 2 s is outside"):
        sample_clip(video, clips, 2.0)


def test_regions_are_boxes_or_mask_pictures_on_the_first_frame(tmp_path):
    box = region_mask("10,5,20,15", 64, 96)
    assert box.sum() == 100
    assert box[5:15, 10:20].all()
    assert region_mask("-5,-5,2,2", 64, 96).sum() == 4
    Image.fromarray((box[::2, ::2] * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    again = region_mask(str(tmp_path / "mask.png"), 64, 96)
    assert again.shape == (64, 96)
    assert 0.8 < (again & box).sum() / (again | box).sum() <= 1
    for wrong, why in [
        ("90,60,95", "give x0"),
        ("200,0,210,9", "no part of it"),
        ("a,b,c,d", "four"),
    ]:
        with pytest.raises(ContractError, match=why):
            region_mask(wrong, 64, 96)


def test_options_are_ranked_by_their_likelihood(family_student, video, clips):
    asked = VideoQuestion(text=QUESTION, options=OPTIONS, regions=("0,0,40,30",))
    answer = ask_video(family_student, video, asked, clips)
    assert {text for text, _ in answer.ranked} == set(OPTIONS)
    chances = [chance for _, chance in answer.ranked]
    assert sum(chances) == pytest.approx(1)
    assert chances == sorted(chances, reverse=True)
    assert answer.text == answer.ranked[0][0]
    assert min(answer.picture_hw3.shape[:2]) >= 512


def test_without_options_the_answer_is_text(family_student, video, clips):
    answer = ask_video(
        family_student, video, VideoQuestion(text="What moves?"), clips, max_new_tokens=3
    )
    assert isinstance(answer.text, str)
    assert answer.ranked == ()


def test_the_answer_says_which_seconds_were_seen(family_student, video, clips):
    question = VideoQuestion(text="What moves?", options=("a", "b"), start_s=0.5)
    answer = ask_video(family_student, video, question, clips)
    assert answer.seen_s == (0.5, 0.75, 1.0, 1.25)
    assert answer.seen() == "saw 4 frames from 0.50 s to 1.25 s"
    late = dataclasses.replace(question, start_s=1.75)
    assert ask_video(family_student, video, late, clips).seen() == (
        "saw 2 frames from 1.75 s to 1.88 s; the video ends there"
    )


def test_a_time_that_no_frame_shows_is_refused_with_the_file(family_student, video, clips):
    def ask_about(text):
        question = VideoQuestion(text=text, options=("left", "right"))
        return ask_video(family_student, video, question, clips)

    assert ask_about("From 0 sec to 0.75 sec, which way does it move?").ranked
    with pytest.raises(ContractError, match=r"ramp\.mp4: the question names 5 s, .* --start"):
        ask_about("At 5 sec, where is it?")


def test_a_student_without_video_and_a_file_without_pictures_are_refused(
    family_student, video, clips, tmp_path
):
    question = VideoQuestion(text="What moves?", options=("a", "b"))
    blind = dataclasses.replace(family_student, sees_video=False)
    with pytest.raises(ContractError, match="sees no video"):
        ask_video(blind, video, question, clips)
    (tmp_path / "words.mp4").write_text("no video")
    with pytest.raises(DecodeError, match=r"words\.mp4"):
        ask_video(family_student, tmp_path / "words.mp4", question, clips)
    for start_s in (-1.0, float("nan")):
        with pytest.raises(ContractError, match="cannot start"):
            VideoQuestion(text="What moves?", start_s=start_s)


def test_what_cannot_be_asked_is_refused():
    for extra, why in [
        ({"options": ("one",)}, "1 options"),
        ({"options": tuple("abcdef")}, "6 options"),
        ({}, "<obj_1> has no region"),
        ({"text": "Where is <obj_7>?", "regions": ("0,0,9,9",)}, "<obj_7> has no region"),
        ({"text": "Where is <obj_0>?", "regions": ("0,0,9,9",)}, "<obj_0> has no region"),
        ({"text": "Which?", "options": ("<obj_1>", "<obj_2>")}, "<obj_1> has no region"),
        ({"text": " "}, "the question is empty"),
        ({"options": ("left", "")}, "an option is empty"),
        ({"options": ("left", "left")}, "two options are equal"),
        ({"regions": ("0,0,9,9",) * 10}, "10 regions"),
    ]:
        with pytest.raises(ContractError, match=why):
            VideoQuestion(**{"text": QUESTION, **extra})


def test_the_command_prints_the_answer_and_saves_the_picture(project, video, tmp_path, monkeypatch):
    root = tmp_path / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text("stages: {}\n")
    repository = Path(p4d.__file__).parents[1]
    text = (repository / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("size_px: 64 ", "size_px: 32 "))
    monkeypatch.setenv("P4D_ROOT", str(root))
    ran = CliRunner().invoke(
        cli,
        ["ask", str(video), "--region", "0,0,40,30", "--question", QUESTION]
        + [part for option in OPTIONS for part in ("--option", option)]
        + ["--student", str(project.root / "base_student"), "--picture", str(tmp_path / "p.png")],
        catch_exceptions=False,
    )
    assert ran.exit_code == 0, ran.output
    assert all(option in ran.output for option in OPTIONS)
    assert Image.open(tmp_path / "p.png").size == (768, 512)


def test_a_project_without_students_is_an_error_with_the_way_out(tmp_path):
    with pytest.raises(ContractError, match="make demo"):
        student_folder(Project(tmp_path), print)


ASK = """
import json, sys, numpy as np
sys.path = [p for p in sys.path if p not in ("", sys.argv[1])]
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
try:
    import p4d
    raise SystemExit("p4d is importable")
except ModuleNotFoundError:
    pass
sys.path.insert(0, sys.argv[3])
from p4d_inference import Student
given = np.load(sys.argv[2])
said = []
for folder in sys.argv[3:]:
    student = Student(folder)
    regions = given["masks" if student.reads_tokens else "marked"]
    seen = given["frames"], given["times_s"].tolist(), QUESTION
    said.append([student.ask(*seen, OPTIONS, regions), student.ask(*seen, (), regions, 4)])
print(json.dumps(said))
"""


def answers_without_p4d(folders, given, tmp_path):
    """Answers of `p4d_inference.py`, in one process that cannot import p4d."""
    np.savez(tmp_path / "given.npz", **given)
    repository = str(Path(p4d.__file__).parents[1])
    code = ASK.replace("QUESTION", repr(QUESTION)).replace("OPTIONS", repr(OPTIONS))
    ran = subprocess.run(
        [sys.executable, "-c", code, repository, str(tmp_path / "given.npz"), *map(str, folders)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return json.loads(ran.stdout.splitlines()[-1])


def test_exported_students_answer_as_before_without_p4d(project, video, clips, tmp_path):
    folders = []
    marks, tokens = ("marks", "letter"), ("tokens", "option")
    settings = {
        "internvl": [marks, tokens],
        "llava_onevision": [marks, tokens],
        "qwen2_5_vl": [marks],
        "qwen3_vl": [tokens],
    }
    assert settings.keys() == FAMILIES.keys()
    for family, regions, answers in [(f, *setting) for f in settings for setting in settings[f]]:
        inputs = project.inputs("base_student")
        changed = {"architecture": family, "region_prompt": regions, "answers": answers}
        if family == "qwen3_vl":
            changed |= {"region_content_scale": 0.7, "region_place_scale": 2.0}
        params = replace_params(inputs.all_params, student=changed)
        folders.append(tmp_path / f"{family}_{regions}")
        build_base_student(dataclasses.replace(inputs, all_params=params), folders[-1])
    exported = [export_student(f, tmp_path / "exported" / f.name, clips) for f in folders]
    masks = np.zeros((1, tiny.SIZE, tiny.SIZE), np.uint8)
    masks[0, 4:12, 4:14] = 1
    clip = sample_clip(video, clips, 0.0)
    first = np.zeros((1, *clip.first_hw3.shape[:2]), np.uint8)
    first[0, 8:24, 12:42] = 1  # the same place in the first frame of 64 x 96 px
    visual = clip.visual(first)
    assert np.array_equal(visual.masks_khw, masks)
    given = {"frames": visual.frames[1:], "times_s": visual.times_s[1:], "masks": masks}
    said = answers_without_p4d(exported, given | {"marked": visual.frames[0]}, tmp_path)
    question = Question(
        qa_id="q", clip_id="c", video_id="v", shard="", category="", question=QUESTION,
        options=OPTIONS, answer_index=0, dynamic=False,
    )  # fmt: skip
    free = Sample("c", (dataclasses.replace(question, qa_id="free", options=()),), visual, {})
    for folder, (scores, text) in zip(folders, said, strict=True):
        student = load(folder)
        packer = Packer(student.tokenizer, student.adapter)
        ours = student.answer_scores(packer.pack([Sample("c", (question,), visual, {})]))
        expected = ours[0, : len(OPTIONS)].softmax(dim=0)
        found = torch.tensor(list(scores.values()))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3, msg=folder.name)
        assert list(scores) == list(OPTIONS)
        assert student.generate(packer.prompts([free]), max_new_tokens=4) == [text]


def test_weights_of_training_are_not_exported(project, clips, tmp_path):
    base = project.root / "base_student"
    assert training_only_weights(base / "model") == []
    odd = tmp_path / "odd"
    for name in ("model", "tokenizer"):
        (odd / name).mkdir(parents=True)
    for path in (base / "model").iterdir():
        (odd / "model" / path.name).write_bytes(path.read_bytes())
    write_json(odd / "card.json", read_json(base / "card.json"))
    write_arrays(odd / "model" / "perception.safetensors", {"a": np.zeros(2, np.float32)})
    with pytest.raises(ContractError, match=r"perception\.safetensors"):
        export_student(odd, tmp_path / "out", clips)
    (odd / "model" / "perception.safetensors").unlink()
    weights = load_file(odd / "model" / "model.safetensors")
    weights["decoder.weight"] = torch.zeros(2)
    save_file(weights, odd / "model" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ContractError, match=r"decoder\.weight"):
        export_student(odd, tmp_path / "out", clips)
    with pytest.raises(ContractError, match="holds no student"):
        export_student(tmp_path, tmp_path / "out", clips)
    with pytest.raises(ContractError, match="exists"):
        export_student(base, tmp_path, clips)


def test_cost_is_counted(student_folder, clips):
    cost = inference_cost(student_folder, clips)
    student = load(student_folder)
    assert cost.parameters == sum(w.numel() for w in student.adapter.model.parameters())
    assert cost.visual_tokens == student.adapter.visual_tokens(clips.frames, stills=1)
    assert cost.text_tokens > 10
    assert cost.flops > 2 * cost.visual_tokens * 1000
    assert cost.training_only_weights == ()


def test_the_ratio_of_times_is_of_pairs():
    rng = np.random.default_rng(3)
    load_of_machine = rng.uniform(1, 20, 40)
    other_s = load_of_machine * rng.uniform(0.99, 1.01, 40)
    found = paired_ratio(1.5 * load_of_machine, other_s)
    assert found.pairs == 40
    assert found.low < found.ratio < found.high
    assert found.ratio == pytest.approx(1.5, abs=0.01)
    assert found.high - found.low < 0.02


def test_latency_is_taken_in_pairs_of_whole_answers(project, clips):
    base = project.root / "base_student"
    found = latency_ratio(base, base, clips, pairs=4)
    assert found.pairs == 4
    assert 0 < found.low <= found.ratio <= found.high
