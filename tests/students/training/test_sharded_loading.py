"""A student without numbers: the same network, and the place of each of its weights in the files.

tests/students/training/test_processes.py shards one over two processes and trains it.
"""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from p4d.errors import ContractError
from p4d.students.model.student import load
from p4d.students.training.sharded_loading import open_base, shards
from tests.students import tiny


@pytest.fixture
def sharding(monkeypatch):
    """As `accelerate launch --config_file configs/fsdp.yaml` sets it for each of two processes."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("WORLD_SIZE", "2")


def params(**training):
    return tiny.params(training=training).training


def test_without_several_processes_or_sharding_all_of_it_is_loaded(student_folder, monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("ACCELERATE_USE_FSDP", "true")):
        with monkeypatch.context() as only:
            only.setenv(name, value)
            assert not shards()
            student, unread = open_base(student_folder, params())
            assert unread is None
            assert not any(weight.is_meta for weight in student.adapter.model.parameters())


def test_the_outline_is_the_network_of_every_family(student_folder, sharding):
    student, unread = open_base(student_folder, params(weights="bfloat16", precision="bfloat16"))
    whole = load(student_folder, dtype=torch.bfloat16)
    model, loaded = student.adapter.model, whole.adapter.model
    own, other = dict(model.named_parameters()), dict(loaded.named_parameters())
    assert own.keys() == other.keys() == unread.names.keys()
    assert all(weight.is_meta for weight in own.values())
    for name, weight in own.items():
        assert (weight.shape, weight.dtype) == (other[name].shape, other[name].dtype), name
    buffers, loaded_buffers = dict(model.named_buffers()), dict(loaded.named_buffers())
    assert buffers.keys() == loaded_buffers.keys()
    assert all(torch.equal(buffers[name], loaded_buffers[name]) for name in buffers)
    stored = load_file(unread.folder / "model.safetensors")
    assert set(unread.names.values()) == stored.keys()
    for name, file in unread.names.items():
        assert torch.equal(stored[file].to(torch.bfloat16), other[name]), (name, file)
    assert model.config.to_dict() == loaded.config.to_dict()
    assert model.generation_config.to_dict() == loaded.generation_config.to_dict()
    assert (model.training, student.sees_video) == (loaded.training, whole.sees_video)


def test_with_lora_every_process_loads_all_of_it(student_folder, sharding):
    student, unread = open_base(student_folder, params(trainable="lora"))
    assert unread is None
    assert not any(weight.is_meta for weight in student.adapter.model.parameters())


def test_files_may_have_the_names_of_the_class_and_no_others(student_folder, sharding, tmp_path):
    folder = shutil.copytree(student_folder, tmp_path / "student")
    file = folder / "model" / "model.safetensors"
    _, unread = open_base(folder, params())
    stored = load_file(file)
    save_file({name: stored[kept] for name, kept in unread.names.items()}, file)
    _, found = open_base(folder, params())
    assert found.names == {name: name for name in unread.names}
    save_file({f"elsewhere.{name}": value for name, value in stored.items()}, file)
    with pytest.raises(ContractError, match="lacks"):
        open_base(folder, params())
