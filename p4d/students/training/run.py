"""What one training run is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from p4d.config import TrainingParams
from p4d.pipeline import SharedFolder
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.losses import TermWeights
from p4d.students.distillation.viewed_clips import ViewedClips
from p4d.students.model.batch import PackedBatch
from p4d.students.training.live import Times
from p4d.students.training.sharded_loading import UnreadWeights
from p4d.students.training.steps import BatchPacker, Rows

Progress = Callable[[int, int, str], None]


def _report_nothing(done: int, total: int, note: str) -> None:
    del done, total, note


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Which losses count at which steps; steps count from 1.

    Attributes:
        perception_steps: first steps, whose clips have no questions.
        warmup_steps: the steps after them in which the SFT loss is weighted by `warmup_sft_weight`.
        warmup_sft_weight: at 0 no question is asked in these steps.
        distilled_steps: first steps, which compute distillation terms; None: all.
    """

    perception_steps: int = 0
    warmup_steps: int = 0
    warmup_sft_weight: float = 1.0
    distilled_steps: int | None = None

    def sft_weight_at(self, step: int) -> float:
        """Weight of the SFT loss."""
        if step <= self.perception_steps:
            return 0.0
        warmup = self.perception_steps + self.warmup_steps
        return self.warmup_sft_weight if step <= warmup else 1.0

    @property
    def unasked_steps(self) -> int:
        """First steps in which no question is asked."""
        return self.perception_steps + (0 if self.warmup_sft_weight else self.warmup_steps)

    def distils_at(self, step: int) -> bool:
        """Whether the step computes distillation terms."""
        return self.distilled_steps is None or step <= self.distilled_steps


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Fixed clips whose predicted maps are kept at some steps.

    Attributes:
        steps: optimizer steps after which maps are predicted.
        batch: the clips.
        keep: turns maps by modality (float32, `[B, ...]`) and the step into named tensors.
    """

    steps: frozenset[int]
    batch: PackedBatch
    keep: Callable[[Mapping[str, Tensor], int], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training run.

    Attributes:
        samples: rows in the order of use, `params.batch` for each step after the first ones of
            perception.
        packer: makes batches.
        params: the budget and the optimizer; `steps` counts those of perception too.
        weights: weights of the distillation terms.
        phases: which losses count at which steps.
        unlabelled: rows without questions beside `samples`; None: there are none.
        perception: rows of the first steps, which are of perception alone; None: there are none.
        probes: what is predicted along the way; None: nothing.
        progress: called as `(steps done, steps, note)` after each step.
        work: scratch folder of checkpoints and live metrics; None: neither is written.
        shared: keeps checkpoints for other machines; None: `work` alone does.
        unread: weights of the student that are read once it is sharded; None: it has them.
        identity: names inputs and parameters; the run does not resume from a checkpoint of
            another identity.
    """

    samples: Rows
    packer: BatchPacker
    params: TrainingParams
    weights: TermWeights = field(default_factory=lambda: TermWeights("paper"))
    phases: Phases = field(default_factory=Phases)
    unlabelled: UnlabelledClips | None = None
    perception: UnlabelledClips | ViewedClips | None = None
    probes: Probes | None = None
    progress: Progress = _report_nothing
    work: Path | None = None
    shared: SharedFolder | None = None
    unread: UnreadWeights | None = None
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a run returns besides the weights.

    Attributes:
        rows: `step`, `total` and the raw terms, one row per step.
        weights: `step` and the weight of every term, one row per step.
        probes: tensors by name, see `Probes`.
        times: where the time of this process went.
    """

    rows: list[dict[str, float]]
    weights: list[dict[str, float]]
    probes: dict[str, Tensor]
    times: Times
