"""`p4d.cli` where accelerate also shards on CPUs; it does so on accelerators only.

Nothing but this refusal is changed: torch's sharding itself runs over gloo. No process may load a
network as a whole; each prints which part of the student it held when training began.
"""

import os
import sys
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed.fsdp import FSDPModule

from p4d import cli
from p4d.model_folder import ModelFolder
from p4d.students.training import checkpoints, trainer

_start = state.AcceleratorState.__init__
_put_together = checkpoints.put_together
_read_shards = trainer.read_shards


def _start_as_if_on_accelerators(self: state.AcceleratorState, *args: Any, **rest: Any) -> None:
    if not state.AcceleratorState._shared_state:
        state.PartialState(cpu=True)
        state.PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    _start(self, *args, **rest)


def _put_together_and_tell(model: nn.Module) -> None:
    units = {type(part).__name__ for part in model.modules() if isinstance(part, FSDPModule)}
    print("sharded:", *sorted(units), file=sys.stderr)
    _put_together(model)


def _read_and_tell(model: nn.Module, student: nn.Module, unread: Any) -> None:
    assert all(weight.is_meta for weight in student.parameters()), "a process held weights before"
    _read_shards(model, student, unread)
    held = sum(weight.to_local().numel() for weight in student.parameters())
    whole = sum(weight.numel() for weight in student.parameters())
    print(f"rank {os.environ['RANK']} holds {held / whole:.2f} of the student", file=sys.stderr)


def _refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("a process loads the whole network")


state.AcceleratorState.__init__ = _start_as_if_on_accelerators
checkpoints.put_together = _put_together_and_tell
trainer.read_shards = _read_and_tell
if os.environ.get("MAY_LOAD_WHOLE") != "1":
    ModelFolder.network = _refuse  # type: ignore[method-assign]
cli.main()
