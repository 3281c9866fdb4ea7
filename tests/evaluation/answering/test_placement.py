from pathlib import Path

import pytest
import torch

from p4d.errors import ConfigError
from p4d.evaluation.answering import placement
from p4d.evaluation.answering.placement import load_placed
from p4d.students.model.pretrained import weight_count
from p4d.students.model.student import load
from tests.evaluation import asked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return asked.student(tmp_path_factory.mktemp("placed"))


def weights_of(student):
    return list(student.adapter.model.parameters())


def test_auto_is_float32_on_a_cpu(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    student, found = load_placed(load, folder, device="auto", dtype="auto")
    assert (found.device, found.dtype, found.device_name) == ("cpu", "float32", "cpu")
    assert found.attention == student.adapter.model.config._attn_implementation
    assert {weight.dtype for weight in weights_of(student)} == {torch.float32}


@pytest.mark.parametrize(("least", "dtype"), [(10**9, "float32"), (1, "bfloat16")])
def test_a_large_model_on_a_gpu_is_asked_in_bfloat16(folder, monkeypatch, least, dtype):
    moved, loaded = {}, []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(placement, "LARGE", least)

    def load_unmoved(path: Path, *, dtype: torch.dtype):
        loaded.append(dtype)
        student = load(path, dtype=dtype)
        monkeypatch.setattr(student.adapter.model, "to", lambda **given: moved.update(given))
        return student

    _, found = load_placed(load_unmoved, folder, device="auto", dtype="auto")
    assert found.dtype == dtype
    assert loaded == [getattr(torch, dtype)]
    assert moved == {"device": torch.device("cuda:0")}  # and no other precision


def test_the_weights_of_a_folder_are_counted_without_loading_them(folder):
    assert weight_count(folder) == sum(weight.numel() for weight in weights_of(load(folder)))


def test_a_precision_that_is_given_is_that_of_the_weights_and_of_nothing_else(folder):
    student, found = load_placed(load, folder, device="cpu", dtype="bfloat16")
    assert found.dtype == "bfloat16"
    weights = weights_of(student)
    assert {weight.dtype for weight in weights} == {torch.bfloat16}
    same = load(folder).adapter.model.state_dict()
    for name, value in student.adapter.model.state_dict().items():
        assert torch.equal(value, same[name].to(value.dtype)), name
    # As in transformers, what the network computes for itself keeps its precision.
    kept = {n for n, b in student.adapter.model.named_buffers() if b.dtype == torch.float32}
    assert any(name.endswith("inv_freq") for name in kept)


@pytest.mark.parametrize("device", ["tpu9", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder, device):
    with pytest.raises(ConfigError, match=f"device '?{device}"):
        load_placed(load, folder, device=device, dtype="auto")
