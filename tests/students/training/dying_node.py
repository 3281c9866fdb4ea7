"""`p4d.cli` on a node that loses its power: the process of a rank is killed after a step.

`DIE_AT` is `RANK:STEP`.
"""

import os
import signal
from typing import Any

from p4d import cli
from p4d.students.training.trainer import ArmTrainer

_done = ArmTrainer.step_done


def _done_and_maybe_dead(self: ArmTrainer, model: Any) -> None:
    _done(self, model)
    if os.environ.get("DIE_AT") == f"{os.environ['RANK']}:{self.state.global_step}":
        os.kill(os.getpid(), signal.SIGKILL)


ArmTrainer.step_done = _done_and_maybe_dead  # type: ignore[method-assign]
cli.main()
