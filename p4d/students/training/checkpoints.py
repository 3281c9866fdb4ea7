"""Checkpoints of a training run: atomic, and sufficient to resume with equal bits.

A checkpoint is a folder that is written under a temporary name, flushed, and renamed, so a kill at
any moment leaves the last complete one. It holds weights, optimizer, schedule, random states, the
weights of the loss terms and the curve so far. Tensors are stored as safetensors, the rest as JSON;
nothing is pickled. Of a sharded model each process writes its own part (`shard_files`), so no
process needs memory for the whole. A run may resume with another number of processes (results are
then equal up to rounding, not bit by bit).

Processes on machines without a common folder keep checkpoints in a `SharedFolder` of the object
store: each machine sends its files, then the first process writes the record that names all of
them. Any machine resumes from there.

Checkpoints are scratch: they are kept in the work folder of a stage, never in an artifact.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor

from p4d.artifacts import read_json, write_bytes
from p4d.atomic import sync_folder
from p4d.errors import TrainingError
from p4d.pipeline import SharedFolder
from p4d.students.training.machines import Role, barrier, gathered, process, role_in
from p4d.students.training.shard_files import names_in, read_parts, write_parts

WEIGHTS, OPTIMIZER, STATE, PROBES = (
    "weights.safetensors", "optimizer.safetensors", "state.json", "probes.safetensors"
)  # fmt: skip
WEIGHT_PARTS, OPTIMIZER_PARTS = "weights", "optimizer"
"""Folders of a sharded model's parts, in place of `WEIGHTS` and `OPTIMIZER`."""

_FULL = StateDictOptions(full_state_dict=True, cpu_offload=True)


class Checkpoints:
    """The checkpoints of one run in one folder; only the newest is kept."""

    def __init__(self, folder: Path, identity: str, shared: SharedFolder | None = None) -> None:
        """No process takes part in anything yet.

        Args:
            folder: holds them; of this machine alone if there is a `shared` one.
            identity: names the inputs and parameters of the run.
            shared: holds them for all machines.
        """
        self._folder, self._identity, self._shared = folder, identity, shared
        self._own_role: Role | None = None

    def meet(self) -> None:
        """Settle who writes where, before any step is done; all processes take part.

        Raises:
            TrainingError: the processes see several folders, and there is no shared one.
        """
        self._role()

    def newest(self) -> Path | None:
        """The last complete checkpoint; all processes take part if there is a shared folder.

        Raises:
            TrainingError: it belongs to a run with other inputs or parameters.
            StoreError: the object store fails.
        """
        if self._shared is not None:
            self._bring(self._shared)
        found = sorted(self._folder.glob("checkpoint-*"))
        if not found:
            return None
        if read_json(found[-1] / STATE)["identity"] != self._identity:
            raise TrainingError(
                f"{found[-1]} belongs to a run with other inputs, parameters or code; "
                f"remove {self._folder} to start over"
            )
        return found[-1]

    def write(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        state: Mapping[str, Any],
        probes: Mapping[str, Tensor],
        *,
        also: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """Write the checkpoint of `step`; all processes take part.

        Args:
            step: optimizer steps done.
            model: wrapped or not.
            optimizer: the optimizer of torch, unwrapped.
            state: plain values that `read_state` returns.
            probes: tensors that `read_probes` returns.
            also: writes further files into the folder before it is renamed.

        Raises:
            TrainingError: the processes see several folders and there is no shared one, or another
                run writes to it.
            StoreError: the object store fails.
        """
        in_parts, rank = sharded(model), process()[0]
        options = StateDictOptions() if in_parts else _FULL
        weights: Any = get_model_state_dict(model, options=options)
        moments: Any = get_optimizer_state_dict(model, optimizer, options=options)
        tensors, scalars = _flattened(moments.get("state", {}))
        place = self._folder / f"checkpoint-{step:07d}"
        new = self._folder / f".{place.name}.new"
        role = self._role()
        if role.leads:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
        barrier()
        save_file(random_state(), new / _random_file(rank))
        if in_parts:
            write_parts(new / WEIGHT_PARTS, _untied(weights, model))
            write_parts(new / OPTIMIZER_PARTS, tensors)
        if rank == 0:
            if not in_parts:
                save_file(_once_each(weights), new / WEIGHTS)
                save_file({**tensors, **scalars}, new / OPTIMIZER)
            save_file({name: value.contiguous() for name, value in probes.items()}, new / PROBES)
            content = {"identity": self._identity, "optimizer": moments["param_groups"], **state}
            if in_parts:
                content["scalars"] = {name: value.item() for name, value in scalars.items()}
            # Not sorted: the order of a curve's columns is part of it.
            write_bytes(new / STATE, json.dumps(content, allow_nan=False).encode())
            also(new)
        barrier()
        if self._shared is not None:
            self._send(self._shared, new if role.leads else None, step)
        if role.leads and role.one_folder:
            _flush(new)
            new.rename(place)
            sync_folder(self._folder)
            self._drop_all_but(place)
        elif role.leads:  # a part of a checkpoint: the whole one is in the shared folder
            shutil.rmtree(new)
        barrier()

    def _send(self, shared: SharedFolder, new: Path | None, step: int) -> None:
        """Send what this machine wrote; then the first process makes all of it count."""
        files: dict[str, str] = {}
        for sent in gathered(lambda: shared.send(new) if new else {}):
            files |= sent

        def record() -> None:
            there = shared.read()
            if there is not None and there["step"] >= step:
                raise TrainingError(
                    f"{shared.url} has a checkpoint of step {there['step']} that this run, now at "
                    f"step {step}, did not write: another run uses the same name; name another"
                )
            shared.write(files, {"identity": self._identity, "step": step})

        gathered(record if process()[0] == 0 else lambda: None)

    def _bring(self, shared: SharedFolder) -> None:
        """Make the checkpoint of the shared folder the one that is here, on every machine."""
        role = self._role()
        first = process()[0] == 0
        there = gathered(lambda: shared.read() if first else None)[0]
        if there is None:
            if role.leads and not role.one_folder:
                self._drop_all_but(None)  # what other machines lack cannot be resumed from
            barrier()
            return
        if there["identity"] != self._identity:
            raise TrainingError(
                f"{shared.url} belongs to a run with other inputs, parameters or code; name "
                "another run, or remove it to start over"
            )
        if there.get("finished"):
            raise TrainingError(f"{shared.url}: the run has finished; the same command brings it")
        place = self._folder / f"checkpoint-{there['step']:07d}"

        def take() -> None:
            if role.leads and not place.is_dir():
                shared.fetch(place)
            if role.leads:
                self._drop_all_but(place)

        gathered(take)

    def _drop_all_but(self, kept: Path | None) -> None:
        for old in self._folder.glob("checkpoint-*"):
            if old != kept:
                shutil.rmtree(old)

    def _role(self) -> Role:
        """The role of this process in the folder.

        Raises:
            TrainingError: the processes see several folders, and there is no shared one.
        """
        if self._own_role is None:
            self._own_role = role_in(self._folder)
        if not self._own_role.one_folder and self._shared is None:
            raise TrainingError(
                f"{self._folder} is another folder on another machine, so a checkpoint would have "
                "parts in several; name an object store with --store, or a folder that all "
                "processes see"
            )
        return self._own_role


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The plain values of a checkpoint."""
    state: dict[str, Any] = read_json(checkpoint / STATE)
    return state


def read_probes(checkpoint: Path) -> dict[str, Tensor]:
    """The predicted maps of a checkpoint."""
    return load_file(checkpoint / PROBES)


def restore_weights(checkpoint: Path, model: nn.Module) -> None:
    """Load the weights into `model`.

    Raises:
        TrainingError: weights are missing in the checkpoint, or it holds others.
    """
    in_parts = (checkpoint / WEIGHT_PARTS).is_dir()
    own: Any = get_model_state_dict(model) if in_parts else {}
    if in_parts:
        stored = names_in(checkpoint / WEIGHT_PARTS)
        found: Any = {name: value for name, value in own.items() if name in stored}
        unexpected = sorted(stored - own.keys())
        read_parts(checkpoint / WEIGHT_PARTS, found)
    else:
        found, unexpected = load_file(checkpoint / WEIGHTS), []
    options = StateDictOptions(full_state_dict=not in_parts, strict=False)
    done = set_model_state_dict(model, found, options=options)
    unexpected += done.unexpected_keys
    trained = {name.removeprefix("module.") for name, _ in model.named_parameters()}
    missing = sorted(trained & set(done.missing_keys))
    if missing or unexpected:
        raise TrainingError(f"{checkpoint}: weights differ: {missing}, {unexpected}")


def restore_optimizer(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load moments and settings into `optimizer`."""
    values = read_state(checkpoint)
    in_parts = (checkpoint / OPTIMIZER_PARTS).is_dir()
    if in_parts:
        own: Any = get_optimizer_state_dict(model, optimizer)
        found, scalars = _flattened(own["state"])
        read_parts(checkpoint / OPTIMIZER_PARTS, found)
        found |= {
            name: torch.full_like(value, values["scalars"][name]) for name, value in scalars.items()
        }
    else:
        found = load_file(checkpoint / OPTIMIZER)
    state: Any = {}
    for key, value in found.items():
        name, _, kind = key.rpartition("/")
        state.setdefault(name, {})[kind] = value
    set_optimizer_state_dict(
        model,
        optimizer,
        {"state": state, "param_groups": values["optimizer"]},
        options=StateDictOptions(full_state_dict=not in_parts, strict=False),
    )


def restore_random(checkpoint: Path) -> None:
    """Load the random states of this process; a process that did not exist keeps its own."""
    path = checkpoint / _random_file(process()[0])
    if not path.is_file():
        return
    for name, state in load_file(path).items():
        if name == "cpu":
            torch.set_rng_state(state)
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(state, int(name.removeprefix("cuda")))


def random_state() -> dict[str, Tensor]:
    """States of torch's generators; nothing else draws during training."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def sharded(model: nn.Module) -> bool:
    """Whether each process holds a part of the weights."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def put_together(model: nn.Module) -> None:
    """Replace the shards of the first process by whole weights in memory.

    All processes take part. Afterwards the model can neither compute nor be moved, because the
    hooks of the sharding are still attached.
    """
    whole: Any = get_model_state_dict(model, options=_FULL)
    if process()[0] > 0:
        return
    made: dict[nn.Parameter, nn.Parameter] = {}  # tied weights stay one
    for name, shard in list(model.named_parameters(remove_duplicate=False)):
        if shard not in made:
            made[shard] = nn.Parameter(whole[name], requires_grad=shard.requires_grad)
        owner, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(owner), own_name, made[shard])


def _random_file(rank: int) -> str:
    return f"random-{rank}.safetensors"


def _flattened(moments: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of an optimizer by `weight/kind`: tensors of its weights' shapes, and scalars."""
    flat = {
        f"{name}/{kind}": value for name, kinds in moments.items() for kind, value in kinds.items()
    }
    tensors = {name: value.contiguous() for name, value in flat.items() if value.ndim}
    return tensors, {name: value for name, value in flat.items() if not value.ndim}


def _untied(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Tied weights under their first name, which is the same in every process."""
    once = {name.removeprefix("module.") for name, _ in model.named_parameters()}
    every = {
        name.removeprefix("module.") for name, _ in model.named_parameters(remove_duplicate=False)
    }
    return {name: value for name, value in weights.items() if name not in every - once}


def _once_each(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tied weights under their first name: safetensors does not accept shared memory."""
    seen: set[int] = set()
    kept = {}
    for name, value in weights.items():
        if value.data_ptr() in seen:
            continue
        seen.add(value.data_ptr())
        kept[name] = value.contiguous()
    return kept


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):  # files before their folders
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    sync_folder(folder)
