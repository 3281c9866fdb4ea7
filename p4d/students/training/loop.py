"""One training run with `transformers.Trainer`: named terms, equal steps however they are divided.

The trainer brings the loop, precision, accumulation, processes and sharding; here are our loss, our
order of data, gradients clipped by part, a stop at the first value that is not finite, checkpoints
of our own format, and what a run shows while it lasts.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME

from p4d.config import TrainingParams
from p4d.determinism import deterministic
from p4d.errors import TrainingError
from p4d.students.data.batch import Batch, Packer, Sample
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.losses import TermWeights
from p4d.students.training import checkpoints
from p4d.students.training.arm import Arm
from p4d.students.training.checkpoints import Checkpoints
from p4d.students.training.live import Clock, LiveMetrics, Times
from p4d.students.training.steps import Prefetched, Share, StepBatches

logger = logging.getLogger(__name__)

WEIGHT_DECAY = 0.05
ADAM_BETAS = (0.9, 0.98)
MAX_GRADIENT_NORM = 1.0

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Phases:
    """What the steps of a run learn from; steps count from 1.

    Attributes:
        warmup_steps: the first ones, in which the SFT loss counts `warmup_sft_weight`.
        warmup_sft_weight: at 0 nothing is asked.
        distilled_steps: the first ones, in which the teacher is compared with; None: all.
    """

    warmup_steps: int = 0
    warmup_sft_weight: float = 1.0
    distilled_steps: int | None = None

    def sft_weight_at(self, step: int) -> float:
        """Weight of the SFT loss."""
        return self.warmup_sft_weight if step <= self.warmup_steps else 1.0

    def distils_at(self, step: int) -> bool:
        """Whether the teacher is compared with."""
        return self.distilled_steps is None or step <= self.distilled_steps


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Fixed clips whose maps are kept at some steps.

    Attributes:
        steps: after which optimizer steps; beyond the last one: never.
        batch: the clips.
        keep: from maps by modality (float32, `[B, ...]`) and the step to named tensors.
    """

    steps: frozenset[int]
    batch: Batch
    keep: Callable[[Mapping[str, Tensor], int], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What a run may have beside its questions.

    Attributes:
        unlabelled: rows without questions; None: there are none.
        unlabelled_per_step: how many of them each step has.
        phases: which steps ask, and which distil.
        looks: what is kept to show how the student comes to see.
    """

    unlabelled: UnlabelledClips | None = None
    unlabelled_per_step: int = 0
    phases: Phases = Phases()
    looks: Looks | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a run leaves beside the weights.

    Attributes:
        rows: `step`, `total` and the raw terms, one row per step.
        weights: `step` and the weight of every term, one row per step.
        looks: tensors by name, see `Looks`.
        times: of this process since its start.
    """

    rows: list[dict[str, float]]
    weights: list[dict[str, float]]
    looks: dict[str, Tensor]
    times: Times


class ClipPartsSeparately(TrainerCallback):
    """Bounds the gradient norm of the student and of the perception decoder, each by itself.

    Clipped together, a large gradient of the decoder would shrink the student's step, and the arm
    that distils would learn less from the same questions. What the distillation terms add to the
    student's own gradient still counts towards its norm.
    """

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        """Clip in place, between the backward pass and the step."""
        del args, state, control
        for part in rest["model"].children():
            nn.utils.clip_grad_norm_(part.parameters(), MAX_GRADIENT_NORM)


@dataclass
class _Progressed:
    """What grows during a run and goes into its checkpoints."""

    weights: TermWeights
    rows: list[dict[str, float]] = field(default_factory=list)
    weight_rows: list[dict[str, float]] = field(default_factory=list)
    looks: dict[str, Tensor] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "weight_rows": self.weight_rows,
            "term_weights": self.weights.state(),
        }

    def trained(self, times: Times) -> Trained:
        return Trained(
            rows=self.rows, weights=self.weight_rows, looks=dict(self.looks), times=times
        )

    def restore(self, checkpoint: Path) -> None:
        state = checkpoints.read_state(checkpoint)
        self.rows[:] = state["rows"]
        self.weight_rows[:] = state["weight_rows"]
        self.weights.restore(state["term_weights"])
        self.looks |= checkpoints.read_looks(checkpoint)


class _ArmTrainer(Trainer):
    """`Trainer` with our loss, data and checkpoints."""

    def __init__(
        self,
        *,
        batches: Callable[[Share], StepBatches],
        progressed: _Progressed,
        extras: Extras,
        store: Checkpoints | None,
        live: Path | None,
        progress: Progress,
        **rest: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**rest)
        self.loss_is_scaled_for_ga = True  # by the counts of the whole step
        rank, processes = checkpoints.process()
        parts = self.args.gradient_accumulation_steps
        self._batches = batches(Share(rank=rank, processes=processes, parts=parts))
        self._done, self._extras, self._store = progressed, extras, store
        self._live_folder = live if rank == 0 else None
        self._progress = progress
        self._of_step: dict[str, float] = {}
        self._terms: dict[str, Tensor] = {}
        self._computed = self._step_clips = self._step_tokens = 0
        self.times: Times | None = None

    # --- data ---------------------------------------------------------------------------------

    def get_train_dataloader(self) -> Any:  # noqa: ANN401
        """Batches in the order of use, from the first step that is not done yet."""
        first_step = len(self._done.rows)
        self._loader = Prefetched(self._batches, first_step=first_step)
        self._live = LiveMetrics(self._live_folder, first_step=first_step)
        self._clock = Clock()
        return self._loader

    def get_batch_samples(
        self,
        epoch_iterator: Iterator[dict[str, Batch]],
        num_batches: int,
        device: torch.device,
    ) -> tuple[list[dict[str, Batch]], None]:
        """The parts of one step of this process, and what the whole step's terms divide by."""
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
        """Weighted sum of the arm's terms; this part's share of the step."""
        del num_items_in_batch
        batch: Batch = inputs["batch"]
        step = self.state.global_step + 1
        phases = self._extras.phases
        weights = {
            "sft": phases.sft_weight_at(step),
            **self._done.weights.of(self._of_step),
        }
        terms: dict[str, Tensor] = model(
            batch, self._of_step, ask=weights["sft"] > 0, distil=phases.distils_at(step)
        )
        # Every term stays in the graph, also at weight 0: processes wait for all gradients.
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
        scaled = total * checkpoints.process()[1]
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
        if self._extras.phases.distils_at(step):
            self._done.weights.observe(raw)

    def _summed(self, values: Tensor, device: torch.device) -> Tensor:
        """The sum over all processes."""
        if checkpoints.process()[1] == 1:
            return values.double()
        values = values.double().to(device)
        torch.distributed.all_reduce(values)
        return values.cpu()

    # --- what a run shows -----------------------------------------------------------------------

    def _clock_batch(self, batch: Batch) -> None:
        self._step_clips += len(batch.clip_ids)
        self._step_tokens += int(batch.token_mask.sum())

    def step_done(self, model: nn.Module) -> None:
        """After an optimizer step: show it, and look."""
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
        self._progress(step, self.state.max_steps, f"loss {row['total']:.3f}")
        looks = self._extras.looks
        if looks is not None and step in looks.steps:
            model.eval()
            with torch.no_grad():
                maps = model(looks.batch, look=True)
            model.train()
            self._done.looks |= looks.keep({k: v.float().cpu() for k, v in maps.items()}, step)

    def run_done(self) -> None:
        """Say where the time went."""
        self.times = self._clock.times(self._loader.waited_s)
        self._live.close(self.times)
        logger.info("trained: %s", self.times.text())

    # --- checkpoints ----------------------------------------------------------------------------

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ANN401
        del trial
        assert self._store is not None
        assert self.lr_scheduler is not None
        state = {**self._done.state(), "schedule": self.lr_scheduler.state_dict()}
        self._store.write(
            self.state.global_step,
            model,
            self._plain_optimizer,
            state,
            self._done.looks,
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


class _Shows(TrainerCallback):
    """Tells the trainer when a step, and the run, is done."""

    def __init__(self) -> None:
        self.trainer: _ArmTrainer | None = None

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,  # noqa: ANN401
    ) -> None:
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
        del args, state, control, rest
        assert self.trainer is not None
        self.trainer.run_done()


def train_arm(
    arm: Arm,
    samples: Dataset[Sample],
    packer: Packer,
    params: TrainingParams,
    weights: TermWeights,
    progress: Progress,
    *,
    extras: Extras | None = None,
    work: Path | None = None,
    identity: str = "",
) -> Trained:
    """Train `arm` in place; it ends in the memory of the CPU.

    Under `torchrun` or `accelerate launch` each process computes its share of every step, and all
    end with equal weights; where they are sharded, the first process alone ends with whole ones.

    Args:
        arm: student and, where it distils, decoder.
        samples: rows of the whole run in the order of use, `params.batch` for each step.
        packer: makes batches.
        params: the budget.
        weights: of the distillation terms.
        progress: called after each step.
        extras: see `Extras`.
        work: scratch for checkpoints and live metrics; None: neither is written.
        identity: names inputs and parameters; a checkpoint of another run is refused.

    Raises:
        TrainingError: a loss or a weight is not finite; names the step and the clips.
        ContractError: the clips of a step do not divide into parts and processes.
    """
    extras = extras or Extras()
    progressed = _Progressed(weights)
    shows = _Shows()
    with ExitStack() as stack:
        scratch = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(deterministic(params.threads, params.seed))
        arguments = _arguments(params, scratch, saves=work is not None)
        arm.place(params.device)
        if params.gradient_checkpointing:
            arm.student.gradient_checkpointing_enable({"use_reentrant": False})
        store = Checkpoints(work / "checkpoints", identity) if work else None
        newest = store.newest() if store else None
        if newest is not None:
            progressed.restore(newest)
            logger.info("resuming after step %d from %s", len(progressed.rows), newest)
            if len(progressed.rows) >= params.steps:  # killed between the last step and the end
                checkpoints.restore_weights(newest, arm)
                arm.place("cpu")
                return progressed.trained(Clock().times(waited_s=0.0))
        trainer = _ArmTrainer(
            model=arm,
            args=arguments,
            batches=lambda share: StepBatches(
                samples,
                packer,
                steps=params.steps,
                batch=params.batch,
                share=share,
                extra=extras.unlabelled,
                extra_per_step=extras.unlabelled_per_step,
            ),
            progressed=progressed,
            extras=extras,
            store=store,
            live=work / "live" if work else None,
            progress=progress,
            callbacks=[ClipPartsSeparately(), shows],
        )
        shows.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
        if params.gradient_checkpointing:
            arm.student.gradient_checkpointing_disable()
    if checkpoints.sharded(arm):
        checkpoints.put_together(arm)
    else:
        arm.place("cpu")
    broken = [name for name, weight in arm.named_parameters() if not _finite(weight)]
    if broken:
        raise TrainingError(f"weights are not finite after step {params.steps}: {broken[:3]}")
    assert trainer.times is not None
    return progressed.trained(trainer.times)


def _arguments(params: TrainingParams, scratch: Path, *, saves: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        max_steps=params.steps,
        per_device_train_batch_size=1,  # unused: our batches come ready and divided
        gradient_accumulation_steps=params.gradient_accumulation,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(params.warmup_fraction * params.steps),
        weight_decay=WEIGHT_DECAY,
        adam_beta1=ADAM_BETAS[0],
        adam_beta2=ADAM_BETAS[1],
        max_grad_norm=0,  # ClipPartsSeparately does it
        seed=params.seed % 2**32,
        bf16=params.precision == "bfloat16",
        save_strategy="steps" if saves and params.save_steps else "no",
        save_steps=params.save_steps or 500,
        ignore_data_skip=True,  # the loader begins at the right step by itself
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=params.device == "cpu",
        # A blind arm never runs its encoder, and a batch without labels not its decoder.
        ddp_find_unused_parameters=True,
    )


def _finite(weight: Tensor) -> bool:
    local = weight.to_local() if hasattr(weight, "to_local") else weight
    return bool(local.isfinite().all())
