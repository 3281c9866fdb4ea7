"""Checkpoints of a network that two processes share, over gloo."""

import json

import pytest
import torch
import torch.multiprocessing
from safetensors import safe_open
from safetensors.torch import load_file

from p4d.errors import TrainingError
from p4d.students.training.checkpoints import (
    Checkpoints,
    read_probes,
    read_state,
    restore_optimizer,
    restore_weights,
)
from p4d.students.training.shard_files import names_in, read_parts
from tests.students.training import sharding

KINDS = tuple(sharding.OPTIMIZERS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    torch.multiprocessing.spawn(sharding.run, (str(folder), KINDS), nprocs=sharding.PROCESSES)
    return folder


def newest(shared, kind):
    return Checkpoints(shared / kind, "run").newest()


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_processes_end_with_the_same_bits(shared, kind):
    one, other = (
        load_file(shared / f"{kind}-{name}.safetensors") for name in ("undisturbed", "resumed")
    )
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_processes_without_a_common_folder_keep_their_parts_in_a_store(tmp_path):
    torch.multiprocessing.spawn(
        sharding.run, (str(tmp_path), ("adamw",), True), nprocs=sharding.PROCESSES
    )
    one, other = (
        load_file(tmp_path / f"adamw-{name}.safetensors") for name in ("undisturbed", "resumed")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    for rank in range(sharding.PROCESSES):
        said = (tmp_path / f"refused-{rank}").read_text()
        assert "name an object store with --store" in said
        (whole,) = (tmp_path / f"node-{rank}" / "adamw").iterdir()
        assert sorted(path.name for path in (whole / "weights").iterdir()) == [
            "shard-00001-model-00001-of-00001.safetensors",
            "shard-00002-model-00001-of-00001.safetensors",
        ]
        assert {path.name for path in whole.glob("random-*")} == {
            "random-0.safetensors", "random-1.safetensors",
        }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_goes_on_where_two_were(shared, kind):
    network, optimizer = sharding.made(kind, seed=3)
    restore_weights(newest(shared, kind), network)
    restore_optimizer(newest(shared, kind), network, optimizer)
    assert network.head.weight is network.table.weight
    sharding.steps(network, optimizer, range(2, 3))
    for name, value in load_file(shared / f"{kind}-undisturbed.safetensors").items():
        torch.testing.assert_close(network.state_dict()[name], value)


def test_each_process_wrote_its_own_part_and_nothing_is_pickled(shared):
    checkpoint = newest(shared, "adamw")
    files = [path for path in checkpoint.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    parts = []
    for path in sorted((checkpoint / "weights").iterdir()):
        with safe_open(path, framework="pt") as opened:
            parts.append({name: opened.get_slice(name).get_shape() for name in opened.keys()})  # noqa: SIM118
    assert [part["table.weight"] for part in parts] == [[4, 5], [3, 5]]
    assert "head.weight" not in parts[0]  # tied
    assert sum("seen" in part for part in parts) == 1  # whole in both processes, written once
    assert read_state(checkpoint)["rows"] == [0]
    assert read_probes(checkpoint)["map"].tolist() == [1, 1]
    assert not list((shared / "adamw").glob(".*"))


def test_what_a_checkpoint_lacks_is_named(shared, tmp_path):
    checkpoint = newest(shared, "adamw")
    network, _ = sharding.made("adamw", seed=1)
    network.more = torch.nn.Linear(1, 1)
    with pytest.raises(TrainingError, match=r"weights differ: \['more\.bias', 'more\.weight'\]"):
        restore_weights(checkpoint, network)
    del network.more, network.middle
    with pytest.raises(TrainingError, match=r"'middle\.bias', 'middle\.weight'"):
        restore_weights(checkpoint, network)
    with pytest.raises(TrainingError, match=r"weights cannot be read: process 0: .*other"):
        read_parts(checkpoint / "weights", {"other": torch.zeros(2)})
    assert names_in(checkpoint / "optimizer") >= {"gain/exp_avg", "table.weight/exp_avg_sq"}
    json.dumps(read_state(checkpoint)["scalars"])
