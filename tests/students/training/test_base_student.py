import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from p4d.artifacts import read_json, write_json
from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.students import embedded, load
from p4d.students.model.adapters import FAMILIES, initial_model
from p4d.students.model.adapters.picture_format import PictureFormat
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.pretrained import from_checkpoint
from p4d.students.model.student import save_student
from p4d.students.model.tokenizer import encode, train_tokenizer
from p4d.students.training.base_student import build_base_student


def from_folder(project, folder, out, **student):
    inputs = project.inputs("base_student")
    params = replace_params(inputs.all_params, student={"checkpoint": str(folder), **student})
    build_base_student(dataclasses.replace(inputs, all_params=params), out)
    return load(out)


def test_equal_inputs_give_equal_bytes_and_the_seed_matters(project, tmp_path):
    build_base_student(project.inputs("base_student"), tmp_path / "again")
    for path in (tmp_path / "again").rglob("*.*"):
        first = project.root / "base_student" / path.relative_to(tmp_path / "again")
        assert path.read_bytes() == first.read_bytes()
    inputs = project.inputs("base_student")
    params = replace_params(inputs.all_params, student={"seed": 99})
    build_base_student(dataclasses.replace(inputs, all_params=params), tmp_path / "other")
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


@pytest.mark.parametrize("prompt", ["tokens", "marks"])
def test_names_of_regions_become_tokens_where_regions_are_read_as_tokens(
    project, tmp_path, monkeypatch, prompt
):
    with monkeypatch.context() as patched:
        specials = ("<|pad|>", "<|im_start|>", "<|im_end|>", "<video>", "<image>")
        patched.setattr("p4d.students.model.tokenizer.SPECIAL_TOKENS", specials)
        patched.setattr("p4d.students.model.tokenizer.REGION_MARKS", ())
        tokenizer = train_tokenizer(["a question"], 300, min_frequency=2)
    params = project.params
    model = initial_model(params.student, params.clips, tokenizer)
    save_student(tmp_path / "plain", model, tokenizer)
    student = from_folder(project, tmp_path / "plain", tmp_path / "out", region_prompt=prompt)
    new = len(REGION_MARKS) if prompt == "tokens" else 0
    lengths = {len(encode(student.tokenizer, mark)) for mark in REGION_MARKS}
    assert (lengths == {1}) == (prompt == "tokens")
    embeddings = student.adapter.model.get_input_embeddings().num_embeddings
    assert embeddings == len(student.tokenizer) == len(tokenizer) + new


def test_a_folder_without_weights_is_named(project, tmp_path):
    with pytest.raises(ContractError, match="holds no"):
        from_folder(project, tmp_path, tmp_path / "out")


def test_a_qwen_checkpoint_keeps_its_processor_and_reads_clips_at_the_nearest_size(
    project, tmp_path
):
    tokenizer = train_tokenizer(
        ["a question"], 300, FAMILIES["qwen2_5_vl"].special_tokens, min_frequency=2
    )
    params = replace_params(
        project.params, student={"architecture": "qwen2_5_vl"}, clips={"size_px": 64}
    )
    folder = tmp_path / "published"  # one flat folder, as on the Hub
    initial_model(params.student, params.clips, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(
        folder / "preprocessor_config.json", {"image_mean": [0.1] * 3, "image_std": [0.2] * 3}
    )
    changed = replace_params(project.params, clips={"size_px": 40})
    model, *_ = from_checkpoint(str(folder), size_px=changed.clips.size_px, seed=0)
    assert PictureFormat.of(model, None) == PictureFormat(32, (0.1,) * 3, (0.2,) * 3)
    student = from_folder(project, folder, tmp_path / "out")
    assert student.adapter.frame_grid() == (2, 2)


def test_a_checkpoint_whose_tokenizer_lacks_the_tokens_of_its_family_is_refused(project, tmp_path):
    tokenizer = train_tokenizer(
        ["a question"], 300, FAMILIES["qwen3_vl"].special_tokens, min_frequency=2
    )
    params = replace_params(project.params, student={"architecture": "qwen3_vl"})
    model = initial_model(params.student, params.clips, tokenizer)
    save_student(tmp_path / "odd", model, train_tokenizer(["a question"], 300, min_frequency=2))
    with pytest.raises(ContractError, match=r"vision_start.* is not a single token"):
        from_folder(project, tmp_path / "odd", tmp_path / "out")


def test_a_hub_id_that_cannot_be_fetched_names_the_way_out(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ContractError, match="hf download org/model --local-dir"):
        from_checkpoint("org/model@0123abc", size_px=64, seed=0)


@pytest.mark.parametrize("name", embedded.FOLDERS)
def test_an_embedded_student_keeps_its_weights_and_reads_as_it_learned(project, tmp_path, name):
    student = from_folder(project, name, tmp_path / "out")
    card = read_json(tmp_path / "out" / "card.json")
    assert (card["region_prompt"], card["answers"]) == ("tokens", "option")
    theirs = load(embedded.FOLDERS[name]).adapter.model
    for weight, other in zip(student.adapter.model.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(weight, other)
