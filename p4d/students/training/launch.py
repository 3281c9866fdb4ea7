"""Trains one arm on a pipeline's folders without publishing it (`p4d train`).

For runs outside the pipeline: several processes, other machines, trials of a parameter. Run it
alone, or once per process under a launcher (docs/training.md):

    p4d train p4d --out runs/a --set training.steps=2000
    torchrun --nproc-per-node 2 -m p4d.cli train p4d --out runs/a
    accelerate launch --config_file configs/fsdp.yaml -m p4d.cli train p4d --out runs/a

`OUT/work` holds checkpoints during the run (the same command resumes after a kill), and
`OUT/work/live` the live metrics: `live.csv`, TensorBoard events, `times.json`.

With a shared folder the processes need no common file system: checkpoints go there, the same
command resumes from it on any machine, and the finished student is there, too.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.distributed
import yaml

from p4d.artifacts import read_table
from p4d.config import Params
from p4d.errors import ConfigError, ContractError, TrainingError
from p4d.pipeline import SharedFolder, Stage, StageInputs, StageReport, stage_named
from p4d.project import Project
from p4d.students.training.stages import run_identity
from p4d.versioning.storage.fetch import bring_what_is_read

ARMS = ("sft", "p4d", "blind", "labels")
LABELS_ARM = Stage(
    name="student_labels",
    group="students",
    entry="p4d.students.training.stages:build_labels",
    description="Fine-tuned on questions and on the labels as text, with the budget of SFT.",
    inputs=("release", "external", "mixture", "base_student"),
    pinned=("clips", "regions", "facts"),
    params=stage_named("student_sft").params,
)
"""An arm that no pipeline trains: it is compared with, and made by `p4d train labels`."""


def train(
    arm: str,
    out: Path,
    *,
    data: Path,
    params: Params,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    shared: SharedFolder | None = None,
) -> StageReport:
    """Train `arm` (sft, p4d, blind or labels) on the folders of `data` into `out`.

    Args:
        arm: name of the arm.
        out: a new folder, or that of a killed run.
        data: has the layout of a project's `data/`, up to `base_student`.
        params: all sections.
        progress: called after each step by the first process only.
        shared: keeps checkpoints, and in the end the student, for other machines.

    Raises:
        ContractError: the arm is unknown, an input is missing, or `out` holds a finished student.
        TrainingError: the shared folder is that of another run.
        StoreError: the shared folder cannot be used.
    """
    if arm not in ARMS:
        raise ContractError(f"no arm called {arm!r}; arms: {', '.join(ARMS)}")
    if (out / "card.json").exists():
        raise ContractError(f"{out} holds a finished student; name another folder")
    stage = _stage_of(arm)
    first = os.environ.get("RANK", "0") == "0"
    inputs = StageInputs(
        stage=stage,
        all_params=params,
        folders=_folders(data, stage, mixes=bool(params.training.mix)),
        work=out / "work",
        progress=progress if first else lambda done, total, note: None,
        shared=shared,
    )
    (out / "work").mkdir(parents=True, exist_ok=True)
    if shared is not None and _bring_finished(shared, inputs, out):
        return StageReport(metrics={"steps": params.training.steps})
    try:
        report = stage.load()(inputs, out)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    if first and shared is not None:
        files = shared.send(out, without="work")
        identity, steps = run_identity(inputs), params.training.steps
        shared.write(files, {"identity": identity, "step": steps, "finished": True})
    if first:
        shutil.rmtree(out / "work" / "checkpoints", ignore_errors=True)
    return report


def bring_inputs(project: Project, arm: str, note: Callable[[str], None]) -> None:
    """In a clone that has none of an arm's inputs: fetch them from DVC's default remote.

    Every process of a machine may call it at once.

    Raises:
        PublishError: the remote cannot be used, lacks an object, or gave other bytes.
    """
    bring_what_is_read(project, _stage_of(arm).reads, note)


def _stage_of(arm: str) -> Stage:
    return LABELS_ARM if arm == "labels" else stage_named(f"student_{arm}")


def _bring_finished(shared: SharedFolder, inputs: StageInputs, out: Path) -> bool:
    """Whether the run has finished elsewhere; the first process of a machine fetches the student.

    Raises:
        TrainingError: the shared folder is that of another run.
    """
    there = shared.read()
    if there is None or not there.get("finished"):
        return False
    if there["identity"] != run_identity(inputs):
        raise TrainingError(
            f"{shared.url} holds a student of other inputs or parameters; name another run"
        )
    if os.environ.get("LOCAL_RANK", "0") == "0":
        arrived = out / "work" / "finished"
        shutil.rmtree(arrived, ignore_errors=True)
        shared.fetch(arrived)
        for path in sorted(arrived.iterdir(), key=lambda each: each.name == "card.json"):
            shutil.rmtree(out / path.name, ignore_errors=True)
            path.rename(out / path.name)  # the card last: with it, the student counts as finished
        arrived.rmdir()
    return True


def with_settings(raw: Mapping[str, Any], settings: Sequence[str]) -> Params:
    """Parameters with `section.key=value` settings applied; values are YAML.

    Raises:
        ConfigError: a setting is malformed, unknown or out of range.
    """
    changed = copy.deepcopy(dict(raw))
    for setting in settings:
        name, equals, value = setting.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and key) or section not in changed:
            raise ConfigError(f"{setting!r} is not section.key=value of params.yaml")
        changed[section][key] = yaml.safe_load(value)
    return Params.from_mapping(changed)


def _folders(data: Path, stage: Stage, *, mixes: bool) -> dict[str, Path | dict[str, Path]]:
    table = data / "release" / "clips.parquet"
    if not table.is_file():
        raise ContractError(f"{table} is missing; make the stages up to base_student first")
    shards = sorted(read_table(table)["shard"].unique())
    folders: dict[str, Path | dict[str, Path]] = {}
    for name in stage.reads:
        per_shard = stage_named(name).per_shard
        each = {shard: data / name / shard for shard in shards} if per_shard else {}
        missing = [str(f) for f in each.values() or [data / name] if not f.is_dir()]
        if name in ("external", "mixture") and not mixes:
            missing = []  # a project of an older version has none
        if missing:
            raise ContractError(f"missing: {', '.join(missing[:3])}; make or restore it first")
        folders[name] = each if per_shard else data / name
    return folders
