"""Trains one arm: sets up the trainer, resumes from a checkpoint, and checks the result."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PrinterCallback, TrainingArguments

from p4d.config import TrainingParams
from p4d.determinism import deterministic
from p4d.errors import TrainingError
from p4d.students.training import checkpoints
from p4d.students.training.arm import Arm
from p4d.students.training.checkpoints import Checkpoints
from p4d.students.training.live import Clock
from p4d.students.training.master_adamw import MasterAdamW
from p4d.students.training.muon_adamw import muon_adamw, schedule
from p4d.students.training.run import TrainingResult, TrainingRun
from p4d.students.training.trainer import ArmTrainer, ClipPartsSeparately, ReportSteps, RunState

logger = logging.getLogger(__name__)


def train_arm(arm: Arm, run: TrainingRun) -> TrainingResult:
    """Train `arm` in place; its weights end in the memory of the CPU.

    Under `torchrun` or `accelerate launch` each process computes its share of every step, and all
    processes end with equal weights. If weights are sharded, only the first process ends with
    whole ones.

    Raises:
        TrainingError: a loss or a weight is not finite (names the step and the clips), or the
            checkpoint belongs to another run.
        ContractError: the clips of a step do not divide into parts and processes.
    """
    params, work = run.params, run.work
    state = RunState(run.weights)
    with ExitStack() as stack:
        scratch = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(deterministic(params.threads, params.seed, device=params.device))
        arguments = _arguments(params, scratch, saves=work is not None)
        arm.place(params.device)
        if params.gradient_checkpointing:
            arm.student.gradient_checkpointing_enable({"use_reentrant": False})
        _ = arguments.device  # joins the other processes, if there are any
        store = Checkpoints(work / "checkpoints", run.identity, run.shared) if work else None
        if store and params.save_steps:
            store.meet()
        newest = store.newest() if store else None
        if newest is not None:
            state.restore(newest)
            logger.info("resuming after step %d from %s", len(state.rows), newest)
            if len(state.rows) >= params.steps:  # killed between the last step and the end
                checkpoints.restore_weights(newest, arm)
                arm.place("cpu")
                return state.result(Clock().times(waited_s=0.0))
        report = ReportSteps()
        trainer = ArmTrainer(
            model=arm,
            args=arguments,
            run=run,
            state=state,
            store=store,
            callbacks=[_clipping(params), report],
            **_optimizer(run, arm),
        )
        report.trainer = trainer
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
    return state.result(trainer.times)


def _clipping(params: TrainingParams) -> ClipPartsSeparately:
    together = params.gradient_norms == "together"
    return ClipPartsSeparately(params.max_gradient_norm, together=together)


def _optimizer(run: TrainingRun, arm: Arm) -> dict[str, Any]:
    """The optimizer and its schedule, if they are not those of `TrainingArguments`."""
    params = run.params
    if params.optimizer == "muon":
        optimizer = muon_adamw(arm, arm.encoder, params)
        return {"optimizers": (optimizer, schedule(optimizer, params, run.phases))}
    if params.weights == "float32":
        return {}
    settings = {"lr": params.learning_rate, "betas": params.adam_betas}
    return {"optimizer_cls_and_kwargs": (MasterAdamW, settings)}


def _arguments(params: TrainingParams, scratch: Path, *, saves: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        max_steps=params.steps,
        per_device_train_batch_size=1,  # unused: our batches are already packed and divided
        gradient_accumulation_steps=params.gradient_accumulation,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(params.warmup_fraction * params.steps),
        weight_decay=params.weight_decay,
        adam_beta1=params.adam_betas[0],
        adam_beta2=params.adam_betas[1],
        max_grad_norm=0,  # ClipPartsSeparately clips
        seed=params.seed % 2**32,
        bf16=params.precision == "bfloat16",
        save_strategy="steps" if saves and params.save_steps else "no",
        save_steps=params.save_steps or 500,
        ignore_data_skip=True,  # the loader starts at the right step
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=params.device == "cpu",
        # A blind arm never runs its encoder, nor a batch without labels its decoder.
        ddp_find_unused_parameters=True,
    )


def _finite(weight: Tensor) -> bool:
    local = weight.to_local() if hasattr(weight, "to_local") else weight
    return bool(local.isfinite().all())
