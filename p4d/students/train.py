"""Training of the three arms with `transformers.Trainer`: equal data order, equal budget.

`build_sft` learns from the questions, `build_p4d` from the same questions and from the expert's
labels, `build_blind` from the questions without the video. What an arm leaves behind is a
transformers checkpoint and nothing else: the perception decoder is written to a file of its own.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from p4d.artifacts import write_arrays, write_bytes, write_json
from p4d.config import DistillationParams, TrainingParams
from p4d.errors import ContractError, TrainingError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.students.adapters import StudentAdapter
from p4d.students.data import (
    IGNORED,
    Batch,
    ClipReader,
    LabelReader,
    Packer,
    TrainingSamples,
    load_questions,
)
from p4d.students.labels import ExpertLabelReader
from p4d.students.losses import TermWeights, explicit_losses, latent_loss, sft_loss
from p4d.students.perception import LatentStats, PerceptionDecoder
from p4d.students.student import Student, hidden_states, load, save_student
from p4d.teachers import expert4d
from p4d.teachers.compute import deterministic
from p4d.teachers.expert4d import Expert4D

WEIGHT_DECAY = 0.05
ADAM_BETAS = (0.9, 0.98)
MAX_GRADIENT_NORM = 1.0


def build_sft(inputs: StageInputs, out: Path) -> StageReport:
    """The arm that learns from questions alone."""
    return _build(inputs, out, sees_video=True, distils=False)


def build_p4d(inputs: StageInputs, out: Path) -> StageReport:
    """The arm with latent and explicit distillation."""
    return _build(inputs, out, sees_video=True, distils=True)


def build_blind(inputs: StageInputs, out: Path) -> StageReport:
    """The control that sees no video: what it answers right, the text alone gives away."""
    return _build(inputs, out, sees_video=False, distils=False)


@dataclass(frozen=True)
class Distillation:
    """All that only training needs: the decoder, the frozen expert, and what is compared."""

    decoder: PerceptionDecoder
    expert: Expert4D
    stats: LatentStats
    modalities: tuple[str, ...]

    def terms(self, tokens: Tensor, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Distillation terms from visual tokens `[B, T, rows, columns, C]`; zero for B = 0."""
        if not len(tokens):
            return {name: tokens.sum() for name in ("latent", *self.modalities)}
        predicted = self.decoder(tokens)
        terms = {"latent": latent_loss(predicted, self.stats.standardise(labels["latents"]))}
        if self.modalities:
            maps = self.expert.decode(self.stats.restore(predicted))
            terms |= explicit_losses(maps, labels, self.modalities)
        return terms


class Arm(nn.Module):
    """What the trainer optimises: the student and, where it distils, the perception decoder."""

    def __init__(self, adapter: StudentAdapter, distillation: Distillation | None) -> None:
        """The expert stays outside of the module: it is not trained, saved or counted."""
        super().__init__()
        self.student = adapter.model
        self.decoder = distillation.decoder if distillation else None
        self._adapter = [adapter]
        self._distillation = [distillation]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Raw loss terms of a batch, `sft` first."""
        adapter, distillation = self._adapter[0], self._distillation[0]
        batch = batch.to(next(self.student.parameters()).device)
        hidden = hidden_states(adapter, batch)
        asked = batch.targets != IGNORED
        terms = {"sft": sft_loss(adapter.logits(hidden[asked]), batch.targets[asked])}
        if distillation and batch.frames is not None:
            tokens = adapter.frame_tokens(hidden, batch.input_ids, batch.frames.shape[1])
            # The first picture carries the drawn marks; the expert has never seen it.
            terms |= distillation.terms(tokens[batch.labelled_rows, 1:], batch.labels)
        return terms


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
class _Log:
    rows: list[dict[str, float]] = field(default_factory=list)

    def csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue().encode()


class _ArmTrainer(Trainer):
    """`Trainer` with named, weighted terms and a stop at the first value that is not finite."""

    def __init__(
        self,
        *,
        weights: TermWeights,
        log: _Log,
        progress: Callable[[int, int, str], None],
        **rest: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**rest)
        self._weights, self._log, self._progress = weights, log, progress

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:  # noqa: ANN401
        """The dataset is already in the order of use."""
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        return SequentialSampler(dataset)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Weighted sum of the arm's terms."""
        del num_items_in_batch
        batch: Batch = inputs["batch"]
        terms = model(batch)
        raw = {name: float(value.detach()) for name, value in terms.items()}
        weights = self._weights.observe(raw)
        total = terms["sft"] + sum(weights[name] * terms[name] for name in weights)
        step = self.state.global_step + 1
        if not bool(torch.isfinite(total)):
            shown = ", ".join(f"{name} {value}" for name, value in raw.items())
            raise TrainingError(
                f"loss is not finite at step {step} ({shown}); clips of the batch: "
                f"{', '.join(batch.clip_ids)}; check the labels of these clips or lower "
                "training.learning_rate"
            )
        row = {"step": step, "total": float(total.detach()), **raw}
        self._log.rows.append({name: round(value, 6) for name, value in row.items()})
        self._progress(step, self.state.max_steps, f"loss {row['total']:.3f}")
        return (total, terms) if return_outputs else total


def train_arm(
    arm: Arm,
    samples: TrainingSamples,
    packer: Packer,
    params: TrainingParams,
    weights: TermWeights,
    progress: Callable[[int, int, str], None],
) -> list[dict[str, float]]:
    """Train `arm` in place; one row of named terms per step.

    Raises:
        TrainingError: a loss or a weight is not finite; names the step and the clips.
    """
    log = _Log()
    with tempfile.TemporaryDirectory() as scratch, deterministic(params.threads, params.seed):
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=params.steps,
            per_device_train_batch_size=params.batch,
            learning_rate=params.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=round(params.warmup_fraction * params.steps),
            weight_decay=WEIGHT_DECAY,
            adam_beta1=ADAM_BETAS[0],
            adam_beta2=ADAM_BETAS[1],
            max_grad_norm=0,  # ClipPartsSeparately does it
            seed=params.seed % 2**32,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            # The expert and its statistics stay where they were loaded, on the CPU, and only there
            # are equal bytes of two runs tested.
            use_cpu=True,
        )
        trainer = _ArmTrainer(
            model=arm,
            args=arguments,
            train_dataset=samples,
            data_collator=lambda rows: {"batch": packer.pack(rows)},
            weights=weights,
            log=log,
            progress=progress,
            callbacks=[ClipPartsSeparately()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    broken = [name for name, weight in arm.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise TrainingError(f"weights are not finite after step {params.steps}: {broken[:3]}")
    return log.rows


def _build(inputs: StageInputs, out: Path, *, sees_video: bool, distils: bool) -> StageReport:
    params: TrainingParams = inputs.params("training")
    frames: int = inputs.params("clips").frames
    base = load(inputs.folder("base_student"))
    questions = load_questions(inputs.folder("release"), "train")
    if not questions:
        raise ContractError("the release has no questions in its train split")
    clips = None
    if sees_video:
        clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    train_clips = {question.clip_id: question.shard for question in questions}
    unlabelled = 0
    labels, distillation, weights = LabelReader(), None, TermWeights("paper", 0.0)
    if distils:
        settings: DistillationParams = inputs.params("distillation")
        labels = ExpertLabelReader(inputs.shard_folders("labels"), settings.modalities)
        unlabelled = sum(not labels.has(shard, clip) for clip, shard in train_clips.items())
        if unlabelled == len(train_clips):
            raise ContractError(
                "no train clip has labels of the expert, so there is nothing to distil; "
                "see `reason` in labels/*/index.parquet"
            )
        distillation = _distillation(base, inputs.folder("expert"), settings, params, frames)
        weights = TermWeights(settings.preset, settings.target_ratio)
    visual_tokens = base.adapter.visual_tokens(1 + frames) if sees_video else 0
    samples = TrainingSamples(
        questions,
        length=params.steps * params.batch,
        questions_per_clip=params.questions_per_clip,
        seed=params.seed,
        clips=clips,
        labels=labels,
    )
    rows = train_arm(
        Arm(base.adapter, distillation),
        samples,
        Packer(base.tokenizer, visual_tokens),
        params,
        weights,
        inputs.progress,
    )
    save_student(out, base.adapter.model, base.tokenizer)
    write_bytes(out / "curve.csv", _Log(rows).csv())
    if distillation:
        state = distillation.decoder.state_dict()
        write_arrays(
            out / "perception.safetensors",
            {name: value.cpu().numpy() for name, value in state.items()},
        )
    last = _mean_of_last(rows)
    write_json(
        out / "card.json",
        {
            "sees_video": sees_video,
            "distils": distils,
            "parameters": sum(weight.numel() for weight in base.adapter.model.parameters()),
            "training_only_parameters": sum(
                weight.numel() for weight in distillation.decoder.parameters()
            )
            if distillation
            else 0,
            "visual_tokens": visual_tokens,
            "steps": params.steps,
            "clips_per_step": params.batch,
            "train_questions": len(questions),
            "train_clips": len(train_clips),
            "loss_weights": {name: float(f"{w:.6g}") for name, w in weights.current.items()},
            "clips_without_labels": unlabelled,
            "expert": distillation.expert.digest if distillation else None,
            "loss_of_last_steps": last,
        },
    )
    return StageReport(
        rows={"ok": len(questions)},
        metrics={"steps": params.steps, **{f"last_{name}": v for name, v in last.items()}},
    )


def _distillation(
    base: Student,
    expert_folder: Path,
    settings: DistillationParams,
    params: TrainingParams,
    frames: int,
) -> Distillation:
    expert = expert4d.load(expert_folder)
    config = expert.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("perception decoder", params.seed))
        decoder = PerceptionDecoder(
            student_width=base.adapter.hidden_width,
            student_grid=base.adapter.frame_grid(),
            frames=frames,
            hooks=len(config.hooks),
            latent_grid=(config.tubelets, config.tokens_hw, config.tokens_hw),
            latent_width=config.width,
            hidden_width=settings.hidden_width,
        )
    stats = LatentStats.load(expert_folder)
    return Distillation(decoder, expert, stats, settings.modalities)


def _mean_of_last(rows: Sequence[Mapping[str, float]], count: int = 10) -> dict[str, float]:
    last = rows[-count:]
    names = [name for name in rows[0] if name != "step"]
    return {name: round(sum(row[name] for row in last) / len(last), 4) for name in names}
