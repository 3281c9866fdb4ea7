"""`p4d.cli` where accelerate also shards on CPUs; it does so on accelerators only.

Nothing but this refusal is changed: torch's sharding itself runs over gloo.
"""

import sys
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed.fsdp import FSDPModule

from p4d import cli
from p4d.students.training import checkpoints

_start = state.AcceleratorState.__init__
_put_together = checkpoints.put_together


def _start_as_if_on_accelerators(self: state.AcceleratorState, *args: Any, **rest: Any) -> None:
    if not state.AcceleratorState._shared_state:
        state.PartialState(cpu=True)
        state.PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    _start(self, *args, **rest)


def _put_together_and_tell(model: nn.Module) -> None:
    units = {type(part).__name__ for part in model.modules() if isinstance(part, FSDPModule)}
    print("sharded:", *sorted(units), file=sys.stderr)
    _put_together(model)


state.AcceleratorState.__init__ = _start_as_if_on_accelerators
checkpoints.put_together = _put_together_and_tell
cli.main()
