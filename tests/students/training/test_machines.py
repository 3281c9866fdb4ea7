"""Processes on machines that share nothing but an S3 interface, here: folders of their own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks.ports import free_port
from p4d.artifacts import read_json
from p4d.errors import StoreError, TrainingError
from p4d.students.training.launch import train, with_settings
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.remote.object_store import StoreAddress
from p4d.versioning.remote.run_folder import RunFolder
from tests.students.tiny import raw_params
from tests.students.training.test_processes import CHECKOUT, SETTINGS, check_equal
from tests.versioning.s3_server import BUCKET


@dataclass
class Node:
    """A machine: its own checkout, its own copy of the data, its own folder for the run."""

    home: Path

    @classmethod
    def made(cls, home, project, endpoint):
        home.mkdir()
        shutil.copytree(project.root, home / "data")
        (home / "dvc.yaml").write_text("stages: {}\n")
        (home / "params.yaml").write_text(yaml.safe_dump(raw_params()))
        (home / ".dvc").mkdir()
        remote = f"url = s3://{BUCKET}/p4d\n    endpointurl = {endpoint}"
        (home / ".dvc" / "config").write_text(
            f"[core]\n    remote = store\n['remote \"store\"']\n    {remote}\n"
        )
        return cls(home)

    @property
    def out(self):
        return self.home / "runs" / "a"

    def start(self, rank, port, *settings, nodes=2, die_at=None):
        """`torchrun --nnodes N ... p4d train p4d --out runs/a --store`, in the background."""
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes),
            "--nproc-per-node", "1", "--node-rank", str(rank), "--master-addr", "127.0.0.1",
            "--master-port", str(port), "-m", "tests.students.training.dying_node",
            "train", "p4d", "--out", "runs/a", "--store",
        ]  # fmt: skip
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT),
            "P4D_ROOT": str(self.home), "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        if die_at:
            environment["DIE_AT"] = die_at
        return subprocess.Popen(
            [*command, *(part for each in settings for part in ("--set", each))],
            env=environment, cwd=self.home, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


@pytest.fixture
def node(project, endpoint, bucket, tmp_path):
    return lambda name: Node.made(tmp_path / name, project, endpoint)


def shared(endpoint):
    return RunFolder(StoreAddress(f"s3://{BUCKET}/p4d", {"endpointurl": endpoint}), "a")


def ended(*processes):
    said = [process.communicate(timeout=240)[0] for process in processes]
    return [process.returncode for process in processes], said


def test_a_node_dies_and_another_one_ends_the_run(project, endpoint, bucket, node, tmp_path):
    one, two, three = (node(name) for name in ("one", "two", "three"))
    port = free_port()
    codes, said = ended(one.start(0, port, *SETTINGS), two.start(1, port, *SETTINGS, die_at="1:3"))
    assert all(codes), said
    assert "Signal 9" in said[1]
    there = shared(endpoint).read()
    assert there["step"] == 2
    for each in (one, two):
        assert not (each.out / "card.json").exists()
        assert not list((each.out / "work" / "checkpoints").glob("checkpoint-*")), "half of one"
    # Another machine, alone, with none of their files.
    codes, said = ended(three.start(0, free_port(), *SETTINGS, nodes=1))
    assert codes == [0], said
    assert "p4d: 3/4" in said[0] and "p4d: 2/4" not in said[0], "it goes on after step 2"
    undisturbed = tmp_path / "undisturbed"
    train("p4d", undisturbed, data=project.root, params=with_settings(raw_params(), SETTINGS))
    check_equal(three.out, undisturbed)
    # The student is in the store: the first machine, asked again, brings it without a step.
    assert shared(endpoint).read()["finished"]
    again = with_settings(raw_params(), SETTINGS)
    train("p4d", one.out, data=one.home / "data", params=again, shared=shared(endpoint))
    for part in ("model", "tokenizer"):
        assert tree_of(one.out / part) == tree_of(three.out / part)
    assert read_json(one.out / "card.json") == read_json(three.out / "card.json")
    other = with_settings(raw_params(), ("training.steps=5", *SETTINGS[1:]))
    with pytest.raises(TrainingError, match="a student of other inputs or parameters"):
        train("p4d", tmp_path / "other", data=project.root, params=other, shared=shared(endpoint))


@pytest.fixture
def alone(project):
    """Trains in this process; a checkpoint after each second step."""

    def run(out, store, *settings):
        params = with_settings(raw_params(), (*SETTINGS, *settings))
        return train("sft", out, data=project.root, params=params, shared=store)

    return run


class Stopping:
    """A shared folder that fails at a step, as a store that is gone; else the one it stands for."""

    def __init__(self, held, step):
        self._held, self._step = held, step

    def __getattr__(self, name):
        return getattr(self._held, name)

    def write(self, files, about):
        if about["step"] == self._step:
            raise StoreError("the store is gone")
        self._held.write(files, about)


def test_one_process_goes_on_elsewhere_with_the_same_bytes(alone, bucket, endpoint, tmp_path):
    with pytest.raises(StoreError, match="the store is gone"):
        alone(tmp_path / "a", Stopping(shared(endpoint), 4))
    assert shared(endpoint).read()["step"] == 2
    alone(tmp_path / "b", shared(endpoint))
    alone(tmp_path / "c", None)
    shutil.rmtree(tmp_path / "b" / "work")
    shutil.rmtree(tmp_path / "c" / "work")
    assert tree_of(tmp_path / "b") == tree_of(tmp_path / "c")


def test_other_bytes_and_other_runs_are_refused(alone, bucket, endpoint, tmp_path):
    with pytest.raises(StoreError):
        alone(tmp_path / "a", Stopping(shared(endpoint), 4))
    with pytest.raises(TrainingError, match="belongs to a run with other inputs, parameters"):
        alone(tmp_path / "b", shared(endpoint), "training.learning_rate=0.1")
    # Another run of the same name and parameters is further on.
    held = shared(endpoint)
    stored = dict(held._record()["files"])
    late = Stopping(held, -1)
    late.read = iter([None, None, {**held.read(), "step": 3}]).__next__
    with pytest.raises(TrainingError, match="another run uses the same name"):
        alone(tmp_path / "c", late)
    key = next(each.key for each in bucket.objects.all() if stored["state.json"][2:] in each.key)
    bucket.put_object(Key=key, Body=b"{}")
    with pytest.raises(StoreError, match="returned other bytes"):
        alone(tmp_path / "d", shared(endpoint))
    assert not list((tmp_path / "d" / "work" / "checkpoints").glob("*"))
