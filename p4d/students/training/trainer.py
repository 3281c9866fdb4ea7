"""`transformers.Trainer` with our loss, order of data, gradient clipping and checkpoints.

The base class brings the loop, precision, accumulation, processes and sharding. This module adds
named loss terms, a stop at the first value that is not finite, and what a run reports.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from p4d.errors import TrainingError
from p4d.students.distillation.losses import TermWeights
from p4d.students.model.batch import PackedBatch
from p4d.students.training import checkpoints
from p4d.students.training.arm import Arm
from p4d.students.training.checkpoints import Checkpoints
from p4d.students.training.live import Clock, LiveMetrics, Times
from p4d.students.training.run import TrainingResult, TrainingRun
from p4d.students.training.sharded_loading import read_shards
from p4d.students.training.steps import Prefetched, Share, StepBatches

logger = logging.getLogger(__name__)


class ClipPartsSeparately(TrainerCallback):
    """Clips the gradient norm of the student and of the perception decoder separately.

    Clipped together, a large gradient of the decoder would shrink the student's step, and the arm
    that distils would learn less from the same questions. The part of the student's gradient that
    comes from the distillation terms still counts towards its norm.
    """

    def __init__(self, max_norm: float, *, together: bool = False) -> None:
        """`max_norm`: bound of each norm (`training.max_gradient_norm`).

        `together`: of the norm of both parts as one, as in the paper's code.
        """
        self._max_norm, self._together = max_norm, together

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        """Clip in place between the backward pass and the optimizer step."""
        del args, state, control
        parts = [rest["model"]] if self._together else rest["model"].children()
        for part in parts:
            nn.utils.clip_grad_norm_(part.parameters(), self._max_norm)


@dataclass
class RunState:
    """What a run accumulates and stores in its checkpoints."""

    weights: TermWeights
    rows: list[dict[str, float]] = field(default_factory=list)
    weight_rows: list[dict[str, float]] = field(default_factory=list)
    probes: dict[str, Tensor] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """The plain values of a checkpoint."""
        return {
            "rows": self.rows,
            "weight_rows": self.weight_rows,
            "term_weights": self.weights.state(),
        }

    def result(self, times: Times) -> TrainingResult:
        """What the run returns."""
        return TrainingResult(
            rows=self.rows, weights=self.weight_rows, probes=dict(self.probes), times=times
        )

    def restore(self, checkpoint: Path) -> None:
        """Load what a checkpoint holds."""
        values = checkpoints.read_state(checkpoint)
        self.rows[:] = values["rows"]
        self.weight_rows[:] = values["weight_rows"]
        self.weights.restore(values["term_weights"])
        self.probes |= checkpoints.read_probes(checkpoint)


class ArmTrainer(Trainer):
    """`Trainer` with our loss, data and checkpoints."""

    def __init__(
        self,
        *,
        run: TrainingRun,
        state: RunState,
        store: Checkpoints | None,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        """`rest` is passed on to `Trainer`."""
        super().__init__(**rest)
        self.loss_is_scaled_for_ga = True  # by the counts of the whole step
        self._rank, self._processes = checkpoints.process()
        self._run, self._done, self._store = run, state, store
        self._of_step: dict[str, float] = {}
        self._terms: dict[str, Tensor] = {}
        self._computed = self._step_clips = self._step_tokens = 0
        self.times: Times | None = None

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer; a student without numbers is sharded and read first.

        accelerate shards later, and recognises weights by their place in memory, which those
        without numbers do not have. What is sharded already, it takes as it is.
        """
        if self._run.unread is not None:
            arm = self._arm
            fsdp2_prepare_model(self.accelerator, arm)
            read_shards(arm, arm.student, self._run.unread)
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        return optimizer

    # --- data ---------------------------------------------------------------------------------

    def get_train_dataloader(self) -> Any:  # noqa: ANN401
        """Batches in the order of use, from the first step that is not done yet."""
        run, first_step = self._run, len(self._done.rows)
        batches = StepBatches(
            run.samples,
            run.packer,
            steps=run.params.steps,
            batch=run.params.batch,
            share=Share(
                rank=self._rank,
                processes=self._processes,
                parts=self.args.gradient_accumulation_steps,
            ),
            unlabelled=run.unlabelled,
            perception=run.perception,
        )
        self._loader = Prefetched(batches, first_step=first_step)
        live = run.work / "live" if run.work and self._rank == 0 else None
        self._live = LiveMetrics(live, first_step=first_step)
        self._clock = Clock()
        return self._loader

    def get_batch_samples(
        self,
        epoch_iterator: Iterator[dict[str, PackedBatch]],
        num_batches: int,
        device: torch.device,
    ) -> tuple[list[dict[str, PackedBatch]], None]:
        """The parts of one step of this process; counts what the terms of the step divide by."""
        parts = [next(epoch_iterator) for _ in range(num_batches)]
        found = [self._arm.counts(part["batch"]) for part in parts]
        names = list(found[0])
        totals = torch.tensor([sum(each[name] for each in found) for name in names])
        self._of_step = dict(zip(names, self._summed(totals, device).tolist(), strict=True))
        self._terms, self._computed = {}, 0
        return parts, None

    # --- loss ---------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Weighted sum of the arm's terms: the share of this part in the loss of the step.

        Raises:
            TrainingError: a term is not finite.
        """
        del num_items_in_batch
        batch: PackedBatch = inputs["batch"]
        step = self.state.global_step + 1
        phases = self._run.phases
        weights = {
            "sft": phases.sft_weight_at(step),
            **self._done.weights.of(self._of_step),
        }
        terms: dict[str, Tensor] = model(
            batch,
            self._of_step,
            ask=weights["sft"] > 0,
            distil=phases.distils_at(step),
            unweighted=tuple(name for name, weight in weights.items() if not weight),
        )
        # Every term stays in the graph, even at weight 0: processes wait for all gradients.
        total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        raw = {name: value.detach() for name, value in terms.items()}
        if not bool(torch.isfinite(torch.stack([total.detach(), *raw.values()])).all()):
            shown = ", ".join(f"{name} {float(value)}" for name, value in raw.items())
            raise TrainingError(
                f"loss is not finite at step {step} ({shown}); clips of the batch: "
                f"{', '.join(batch.clip_ids)}; check the labels of these clips or lower "
                "training.learning_rate"
            )
        self._terms = {name: self._terms.get(name, 0) + value for name, value in raw.items()}
        self._computed += 1
        self._clock_batch(batch)
        if self._computed == self.args.gradient_accumulation_steps:
            self._finish_row(step, weights)
        # Gradients are averaged over processes, while the parts of a step add up.
        scaled = total * self._processes
        return (scaled, terms) if return_outputs else scaled

    def _finish_row(self, step: int, weights: Mapping[str, float]) -> None:
        names = list(self._terms)
        summed = self._summed(torch.stack([self._terms[name] for name in names]), self.args.device)
        raw = dict(zip(names, summed.tolist(), strict=True))
        total = sum(weights[name] * value for name, value in raw.items())
        row = {"step": step, "total": total, **raw}
        self._done.rows.append({name: round(value, 6) for name, value in row.items()})
        shown = {name: float(f"{weights[name]:.6g}") for name in names}
        self._done.weight_rows.append({"step": step, **shown})
        if self._run.phases.distils_at(step):
            self._done.weights.observe(raw)

    def _summed(self, values: Tensor, device: torch.device) -> Tensor:
        """The sum over all processes."""
        if self._processes == 1:
            return values.double()
        values = values.double().to(device)
        torch.distributed.all_reduce(values)
        return values.cpu()

    # --- reports --------------------------------------------------------------------------------

    def _clock_batch(self, batch: PackedBatch) -> None:
        self._step_clips += len(batch.clip_ids)
        self._step_tokens += int(batch.token_mask.sum())

    def step_done(self, model: nn.Module) -> None:
        """Report an optimizer step, and predict the maps of the probes."""
        step = self.state.global_step
        self._clock.step(self._step_clips, self._step_tokens)
        self._step_clips = self._step_tokens = 0
        self.times = self._clock.times(self._loader.waited_s)
        row = self._done.rows[-1]
        wall_s = max(self.times.wall_s, 1e-9)
        self._live.row(
            {
                **row,
                **{f"weight_{k}": v for k, v in self._done.weight_rows[-1].items() if k != "step"},
                "learning_rate": float(f"{self._get_learning_rate():.6g}"),
                "clips_per_s": round(self.times.clips / wall_s, 3),
                "tokens_per_s": round(self.times.tokens / wall_s, 1),
                "data_wait": round(self.times.data_wait, 5),
            }
        )
        self._run.progress(step, self.state.max_steps, f"loss {row['total']:.3f}")
        probes = self._run.probes
        if probes is not None and step in probes.steps:
            model.eval()
            with torch.no_grad():
                maps = model(probes.batch, probe=True)
            model.train()
            self._done.probes |= probes.keep({k: v.float().cpu() for k, v in maps.items()}, step)

    def run_done(self) -> None:
        """Report where the time went."""
        self.times = self._clock.times(self._loader.waited_s)
        self._live.close(self.times)
        logger.info("trained: %s", self.times.text())

    # --- checkpoints ----------------------------------------------------------------------------

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401
        del trial
        assert self._store is not None
        assert self.lr_scheduler is not None
        values = {**self._done.values(), "schedule": self.lr_scheduler.state_dict()}
        self._store.write(
            self.state.global_step,
            model,
            self._plain_optimizer,
            values,
            self._done.probes,
            also=lambda folder: self.state.save_to_json(str(folder / TRAINER_STATE_NAME)),
        )

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        folder = Path(resume_from_checkpoint)
        checkpoints.restore_weights(folder, model or self._arm)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        folder = Path(checkpoint)
        checkpoints.restore_optimizer(folder, self.model_wrapped, self._plain_optimizer)
        assert self.lr_scheduler is not None
        self.lr_scheduler.load_state_dict(checkpoints.read_state(folder)["schedule"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            checkpoints.restore_random(Path(checkpoint))

    @property
    def _arm(self) -> Arm:
        arm = self.accelerator.unwrap_model(self.model)
        assert isinstance(arm, Arm)
        return arm

    @property
    def _plain_optimizer(self) -> torch.optim.Optimizer:
        optimizer: Any = self.optimizer
        plain: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
        return plain


class ReportSteps(TrainerCallback):
    """Calls the trainer after every step, and at the end of the run."""

    def __init__(self) -> None:
        """`trainer` is set once it exists."""
        self.trainer: ArmTrainer | None = None

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        """Report the step."""
        del args, state, control
        assert self.trainer is not None
        self.trainer.step_done(rest["model"])

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        """Report the end."""
        del args, state, control, rest
        assert self.trainer is not None
        self.trainer.run_done()
