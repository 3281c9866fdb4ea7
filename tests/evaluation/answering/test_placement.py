import pytest
import torch

from p4d.errors import ConfigError
from p4d.evaluation.answering import placement
from p4d.evaluation.answering.placement import place
from p4d.students.model.student import load
from tests.evaluation import asked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return asked.student(tmp_path_factory.mktemp("placed"))


def test_auto_is_float32_on_a_cpu(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    student = load(folder)
    found = place(student, "auto", "auto")
    assert (found.device, found.dtype, found.device_name) == ("cpu", "float32", "cpu")
    assert found.attention == student.adapter.model.config._attn_implementation


def test_a_large_model_on_a_gpu_is_asked_in_bfloat16(folder, monkeypatch):
    moved = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    for least, dtype in ((10**9, "float32"), (1, "bfloat16")):
        student = load(folder)
        monkeypatch.setattr(placement, "LARGE", least)
        monkeypatch.setattr(student.adapter.model, "to", lambda **given: moved.update(given))
        assert place(student, "auto", "auto").dtype == dtype
        assert moved == {"device": torch.device("cuda:0"), "dtype": getattr(torch, dtype)}


def test_a_precision_that_is_given_holds(folder):
    student = load(folder)
    place(student, "cpu", "bfloat16")
    assert {weight.dtype for weight in student.adapter.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("device", ["tpu9", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder, device):
    with pytest.raises(ConfigError, match=f"device '?{device}"):
        place(load(folder), device, "auto")
