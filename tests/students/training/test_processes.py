"""Two processes on one machine, over gloo: the same steps as one process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from benchmarks.ports import free_port
from p4d.students.training.launch import train, with_settings
from tests.students.tiny import raw_params

CHECKOUT = Path(__file__).parents[3]
SETTINGS = (
    "training.steps=4",
    "training.batch=4",
    "training.save_steps=2",
    "distillation.until_fraction=0.75",
)


@pytest.fixture(scope="module")
def alone(project, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    train("p4d", out, data=project.root, params=with_settings(raw_params(), SETTINGS))
    return out


def launch(project, out, launcher, *settings, program="p4d.cli"):
    """`p4d train p4d` in a project of its own that reads the tiny data."""
    home = out.parent / f"{out.name}-project"
    home.mkdir()
    (home / "dvc.yaml").write_text("stages: {}\n")
    (home / "params.yaml").write_text(yaml.safe_dump(raw_params()))
    arguments = ["p4d", "--out", str(out), "--data", str(project.root)]
    arguments += [part for setting in settings for part in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", program, "train", *arguments],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(CHECKOUT),
            "P4D_ROOT": str(home),
            "GLOO_SOCKET_IFNAME": "lo",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def check_equal(out, alone):
    """Equal up to the order of sums in float32, through four steps of AdamW."""
    ours, theirs = pl.read_csv(out / "curve.csv"), pl.read_csv(alone / "curve.csv")
    assert ours.columns == theirs.columns
    for column in ours.columns:
        one, other = (curve[column].fill_null(-1).to_list() for curve in (ours, theirs))
        assert one == pytest.approx(other, rel=1e-3)
    for name in ("model/model.safetensors", "perception.safetensors"):
        one, other = load_file(out / name), load_file(alone / name)
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(value, other[key], rtol=1e-2, atol=1e-4)


def test_torchrun_with_two_processes_learns_the_same(project, alone, tmp_path):
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port"]
    done = launch(project, tmp_path / "out", [*launcher, str(free_port())], *SETTINGS)
    check_equal(tmp_path / "out", alone)
    assert done.stderr.count("p4d: 4/4") == 1  # one process tells
    assert not (tmp_path / "out" / "work" / "checkpoints").exists()


def test_accelerate_with_two_processes_learns_the_same(project, alone, tmp_path):
    launcher = [
        "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port",
        str(free_port()),
    ]  # fmt: skip
    launch(project, tmp_path / "out", launcher, *SETTINGS)
    check_equal(tmp_path / "out", alone)


def test_sharded_over_two_processes_it_learns_the_same(project, tmp_path):
    """Two steps that ask no question, where one process stops at the first block, and two more."""
    settings = (
        *SETTINGS, "distillation.student_layer=0", "distillation.warmup_fraction=0.5",
        "distillation.warmup_sft_weight=0",
    )  # fmt: skip
    alone = tmp_path / "alone"
    train("p4d", alone, data=project.root, params=with_settings(raw_params(), settings))
    launcher = [
        "accelerate.commands.launch", "--config_file", str(CHECKOUT / "configs" / "fsdp.yaml"),
        "--num_processes", "2", "--mixed_precision", "no", "--main_process_port",
        str(free_port()),
    ]  # fmt: skip
    program = "tests.students.training.sharded_on_cpu"
    done = launch(project, tmp_path / "out", launcher, *settings, program=program)
    assert "sharded: FSDPArm FSDPQwen2DecoderLayer FSDPSiglipEncoderLayer" in done.stderr
    held = re.findall(r"rank (\d) holds (0\.\d\d) of the student", done.stderr)
    assert sorted(rank for rank, _ in held) == ["0", "1"]
    assert all(0.4 < float(part) < 0.6 for _, part in held)
    check_equal(tmp_path / "out", alone)
