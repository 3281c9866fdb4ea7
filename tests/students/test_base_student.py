import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.students import load
from p4d.students.base import build_base_student, initial_student
from p4d.students.prompt import REGION_MARKS
from p4d.students.student import save_student
from p4d.students.tokenizer import encode, train_tokenizer
from tests.students import tiny


def from_folder(project, folder, out):
    inputs = project.inputs("base_student")
    params = replace_params(inputs.params_, student={"checkpoint": str(folder)})
    build_base_student(dataclasses.replace(inputs, params_=params), out)
    return load(out)


def test_equal_inputs_give_equal_bytes_and_the_seed_matters(project, tmp_path):
    build_base_student(project.inputs("base_student"), tmp_path / "again")
    for path in (tmp_path / "again").rglob("*.*"):
        first = project.root / "base_student" / path.relative_to(tmp_path / "again")
        assert path.read_bytes() == first.read_bytes()
    inputs = project.inputs("base_student")
    params = replace_params(inputs.params_, student={"seed": 99})
    build_base_student(dataclasses.replace(inputs, params_=params), tmp_path / "other")
    weights = "model/model.safetensors"
    assert (tmp_path / "other" / weights).read_bytes() != (
        tmp_path / "again" / weights
    ).read_bytes()


def test_the_tokenizer_reads_the_train_split_only(project):
    card = read_json(project.root / "base_student" / "card.json")
    assert card["origin"]["tokenizer_texts"] == 8  # of 12 questions


def test_a_checkpoint_is_taken_over_unchanged(project, tmp_path):
    student = from_folder(project, project.root / "base_student", tmp_path / "out")
    weights = "model/model.safetensors"
    before = load_file(project.root / "base_student" / weights)
    after = load_file(tmp_path / "out" / weights)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert student.sees_video
    card = read_json(tmp_path / "out" / "card.json")
    assert card["origin"]["new_tokens"] == 0
    assert str(project.root) not in str(card)


def test_a_checkpoint_without_region_marks_learns_their_names(project, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        specials = ("<|pad|>", "<|im_start|>", "<|im_end|>", "<video>", "<image>")
        patched.setattr("p4d.students.tokenizer.SPECIAL_TOKENS", specials)
        patched.setattr("p4d.students.tokenizer.REGION_MARKS", ())
        tokenizer = train_tokenizer(["a question"], 300)
    params = project.params
    model = initial_student(params.student, params.clips, tokenizer)
    save_student(tmp_path / "plain", model, tokenizer)
    student = from_folder(project, tmp_path / "plain", tmp_path / "out")
    assert all(len(encode(student.tokenizer, mark)) == 1 for mark in REGION_MARKS)
    embeddings = student.adapter.model.get_input_embeddings().num_embeddings
    assert embeddings == len(student.tokenizer) == len(tokenizer) + len(REGION_MARKS)


def test_pictures_are_squashed_to_the_size_of_the_encoder(project):
    adapter = load(project.root / "base_student").adapter
    pixels = adapter.pixel_inputs(torch.full((1, 2, 96, 80, 3), 255, dtype=torch.uint8))
    video = pixels["pixel_values_videos"]
    assert video.shape == (1, 2, 3, tiny.SIZE, tiny.SIZE)
    torch.testing.assert_close(video, torch.ones_like(video))


def test_a_folder_without_weights_is_named(project, tmp_path):
    with pytest.raises(ContractError, match="holds no"):
        from_folder(project, tmp_path, tmp_path / "out")
