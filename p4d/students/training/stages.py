"""The arms: equal start, equal data order, equal budget.

`build_sft` learns from the questions, `build_p4d` from the same questions and from a teacher's
labels, `build_blind` from the questions without the video. What an arm leaves behind is a
transformers checkpoint and nothing else: the perception decoder is written to a file of its own.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p4d.artifacts import read_table, write_arrays, write_bytes, write_json
from p4d.config import ClipsParams, DistillationParams, TrainingParams
from p4d.errors import ContractError
from p4d.ids import seed_for, sha256_file
from p4d.pipeline import StageInputs, StageReport
from p4d.students.data.batch import (
    ClipReader,
    LabelReader,
    Packer,
    Question,
    Sample,
    TrainingSamples,
    load_questions,
)
from p4d.students.data.targets import RayGrid, StoredLabelReader
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.losses import TermWeights
from p4d.students.distillation.perception import LatentStats, PerceptionDecoder
from p4d.students.distillation.probes import FRAME, LOOKS_FILE, MAPS, chosen, taught
from p4d.students.model.student import Student, load, save_student
from p4d.students.training import checkpoints
from p4d.students.training.arm import Arm, Distillation
from p4d.students.training.loop import Extras, Looks, Phases, Trained, train_arm
from p4d.students.training.trainable import merged, prepare
from p4d.teachers.protocol import LatentTeacher
from p4d.teachers.registry import load_latent_teacher

LOOKED_AT = 2
"""Clips of the train split that are looked at over the steps, and as many of the others."""


def build_sft(inputs: StageInputs, out: Path) -> StageReport:
    """The arm that learns from questions alone."""
    return _build(inputs, out, sees_video=True, distils=False)


def build_p4d(inputs: StageInputs, out: Path) -> StageReport:
    """The arm with latent and explicit distillation."""
    return _build(inputs, out, sees_video=True, distils=True)


def build_blind(inputs: StageInputs, out: Path) -> StageReport:
    """The control that sees no video: what it answers right, the text alone gives away."""
    return _build(inputs, out, sees_video=False, distils=False)


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What looks show beside the student's maps, and how those are taken."""

    fixed: Mapping[str, np.ndarray]
    meta: Mapping[str, object]
    looks: Looks


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """The teacher's side of an arm; an arm without a teacher has the defaults."""

    labels: LabelReader = dataclasses.field(default_factory=LabelReader)
    distilled_steps: int = 0
    maps_every: int = 1
    distillation: Distillation | None = None
    weights: TermWeights = dataclasses.field(default_factory=lambda: TermWeights("paper", 0.0))
    extras: Extras = dataclasses.field(default_factory=Extras)
    shown: _Shown | None = None
    card: Mapping[str, object] = dataclasses.field(default_factory=dict)


def _build(inputs: StageInputs, out: Path, *, sees_video: bool, distils: bool) -> StageReport:
    params: TrainingParams = inputs.params("training")
    frames: int = inputs.params("clips").frames
    base = load(inputs.folder("base_student"))
    learning = prepare(base.adapter, params.trainable, seed=params.seed)
    questions = load_questions(inputs.folder("release"), "train")
    if not questions:
        raise ContractError("the release has no questions in its train split")
    clips = None
    if sees_video:
        clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    packer = Packer(base.tokenizer, base.adapter)
    teaching = Teaching()
    if distils:
        assert clips is not None
        teaching = teaching_of(inputs, base, questions, clips, packer)
    samples = TrainingSamples(
        questions,
        length=params.steps * params.batch,
        questions_per_clip=params.questions_per_clip,
        seed=params.seed,
        clips=clips,
        labels=teaching.labels,
        labelled=teaching.distilled_steps * params.batch,
        maps_every=teaching.maps_every,
    )
    arm = Arm(base.adapter, teaching.distillation)
    trained = train_arm(
        arm,
        samples,
        packer,
        params,
        teaching.weights,
        inputs.progress,
        extras=teaching.extras,
        work=inputs.work,
        identity=_identity(inputs),
    )
    last = _mean_of_last(trained.rows)
    report = StageReport(
        rows={"ok": len(questions)},
        metrics={"steps": params.steps, **{f"last_{name}": v for name, v in last.items()}},
    )
    if checkpoints.process()[0] > 0:
        return report  # the first process writes for all
    save_student(out, merged(base.adapter.model), base.tokenizer)
    _write_curves(out, trained, teaching.distillation)
    if teaching.shown:
        said = {name: value.numpy() for name, value in trained.looks.items()}
        write_arrays(out / LOOKS_FILE, {**teaching.shown.fixed, **said}, meta=teaching.shown.meta)
    card = {
        "sees_video": sees_video,
        "distils": distils,
        "parameters": sum(weight.numel() for weight in base.adapter.model.parameters()),
        "trainable": learning.how,
        "trainable_parameters": learning.trainable,
        "training_only_parameters": 0,
        "visual_tokens": base.visual_tokens(frames) if sees_video else 0,
        "steps": params.steps,
        "clips_per_step": params.batch,
        "precision": params.precision,
        "train_questions": len(questions),
        "train_clips": len({question.clip_id for question in questions}),
        "loss_weights": {n: float(f"{w:.6g}") for n, w in teaching.weights.current.items()},
        "clips_without_labels": 0,
        "unlabelled_clips": 0,
        "expert": None,
        "teacher": None,
        "loss_of_last_steps": last,
    }
    write_json(out / "card.json", card | dict(teaching.card))
    return report


def teaching_of(
    inputs: StageInputs,
    base: Student,
    questions: Sequence[Question],
    clips: ClipReader,
    packer: Packer,
) -> Teaching:
    """The labels, decoder, expert, weights and extras of the arm that distils.

    Raises:
        ContractError: no train clip has labels of the teacher, or unlabelled clips are asked for
            and there are none.
    """
    settings: DistillationParams = inputs.params("distillation")
    params: TrainingParams = inputs.params("training")
    clip_params: ClipsParams = inputs.params("clips")
    expert = load_latent_teacher(inputs.folder("expert"))
    ray_grid = RayGrid(size_px=clip_params.size_px, tokens_hw=expert.latent_shape[2])
    labels = StoredLabelReader(
        inputs.shard_folders("labels"),
        teacher=settings.teacher,
        modalities=settings.modalities,
        latents=settings.latents,
        ray_grid=ray_grid,
    )
    train_clips = {question.clip_id: question.shard for question in questions}
    without = sum(not labels.has(shard, clip) for clip, shard in train_clips.items())
    if without == len(train_clips):
        raise ContractError(
            f"no train clip has labels of {settings.teacher}, so there is nothing to distil; "
            "see `reason` in labels/*/index.parquet"
        )
    decoder = _decoder(base, expert, settings, params, clip_params.frames)
    stats = LatentStats.load(inputs.folder("expert"))
    distillation = Distillation(
        decoder,
        expert,
        stats,
        settings.modalities,
        latents=settings.latents,
        layer=_layer(base, settings),
    )
    distilled_steps = math.ceil(settings.until_fraction * params.steps)
    unlabelled = None
    if settings.unlabelled_clips:
        unlabelled = UnlabelledClips(
            inputs.folder("release"),
            asked=train_clips,
            seed=params.seed,
            length=distilled_steps * settings.unlabelled_clips,
            clips=clips,
            labels=labels,
            maps_every=settings.maps_every,
        )
        if not unlabelled.clip_ids:
            raise ContractError(
                "every labelled train clip has questions, so there are no unlabelled clips; set "
                "distillation.unlabelled_clips: 0"
            )
    shown = _looks(inputs, settings, params, clips, packer, ray_grid)
    extras = Extras(
        unlabelled=unlabelled,
        unlabelled_per_step=settings.unlabelled_clips,
        phases=Phases(
            warmup_steps=round(settings.warmup_fraction * params.steps),
            warmup_sft_weight=settings.warmup_sft_weight,
            distilled_steps=distilled_steps,
        ),
        looks=shown.looks if shown else None,
    )
    return Teaching(
        labels=labels,
        distilled_steps=distilled_steps,
        maps_every=settings.maps_every,
        distillation=distillation,
        weights=TermWeights(settings.preset, settings.target_ratio),
        extras=extras,
        shown=shown,
        card={
            "training_only_parameters": sum(weight.numel() for weight in decoder.parameters()),
            "clips_without_labels": without,
            "unlabelled_clips": len(unlabelled.clip_ids) if unlabelled else 0,
            "expert": expert.digest,
            "teacher": settings.teacher,
        },
    )


def _layer(base: Student, settings: DistillationParams) -> int:
    """`student_layer`, if the student has as many blocks."""
    blocks: int = base.adapter.model.config.get_text_config().num_hidden_layers
    if settings.student_layer > blocks:
        raise ContractError(
            f"distillation.student_layer {settings.student_layer}: the student's language model "
            f"has {blocks} blocks; choose at most that, or -1 for the last"
        )
    return settings.student_layer


def _decoder(
    base: Student,
    expert: LatentTeacher,
    settings: DistillationParams,
    params: TrainingParams,
    frames: int,
) -> PerceptionDecoder:
    hooks, *latent_grid, latent_width = expert.latent_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("perception decoder", params.seed))
        return PerceptionDecoder(
            student_width=base.adapter.hidden_width,
            student_grid=base.adapter.frame_grid(),
            slots=frames // base.adapter.frames_per_slot,
            hooks=hooks,
            latent_grid=(latent_grid[0], latent_grid[1], latent_grid[2]),
            latent_width=latent_width,
            hidden_width=settings.hidden_width,
        )


def _looks(
    inputs: StageInputs,
    settings: DistillationParams,
    params: TrainingParams,
    clips: ClipReader,
    packer: Packer,
    ray_grid: RayGrid,
) -> _Shown | None:
    """Clips of both kinds, seen and never trained on, and the steps after which they are shown."""
    if not settings.look_steps:
        return None
    ask_all = StoredLabelReader(
        inputs.shard_folders("labels"),
        teacher=settings.teacher,
        modalities=MAPS,
        latents=False,
        ray_grid=ray_grid,
    )
    table = read_table(inputs.folder("release") / "clips.parquet")
    labelled = {
        clip_id: (shard, split)
        for clip_id, shard, split in table.select("clip_id", "shard", "split").iter_rows()
        if ask_all.has(shard, clip_id)
    }
    seen = [clip_id for clip_id, (_, split) in labelled.items() if split == "train"]
    others = [clip_id for clip_id, (_, split) in labelled.items() if split != "train"]
    shown = [*chosen(seen, LOOKED_AT), *chosen(others, LOOKED_AT)]
    samples = [Sample(c, (), clips.read(labelled[c][0], c), {}) for c in shown]
    fixed: dict[str, np.ndarray] = {}
    for sample in samples:
        assert sample.visual is not None
        fixed[f"{sample.clip_id}.rgb_hw3"] = sample.visual.frames[FRAME]
        teacher = taught(ask_all.read(labelled[sample.clip_id][0], sample.clip_id))
        fixed |= {f"{sample.clip_id}.teacher.{name}": values for name, values in teacher.items()}

    def keep(maps: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        return {
            f"{clip_id}.step{step:07d}.{name}": maps[name][row, FRAME].half().clone()
            for row, clip_id in enumerate(shown)
            for name in MAPS
        }

    reached = {step for step in settings.look_steps if step < params.steps}
    return _Shown(
        fixed=fixed,
        meta={"clips": shown, "splits": {c: labelled[c][1] for c in shown}},
        looks=Looks(
            steps=frozenset({*reached, params.steps}), batch=packer.pack(samples), keep=keep
        ),
    )


def _write_curves(out: Path, trained: Trained, distillation: Distillation | None) -> None:
    write_bytes(out / "curve.csv", _csv(trained.rows))
    if distillation is None:
        return
    write_bytes(out / "weights.csv", _csv(trained.weights))
    state = distillation.decoder.state_dict()
    arrays = {name: value.cpu().numpy() for name, value in state.items()}
    write_arrays(out / "perception.safetensors", arrays)


def _identity(inputs: StageInputs) -> str:
    """Names what a run depends on, so that it never resumes from another run's checkpoint."""
    sections = {
        name: dataclasses.asdict(inputs.params(name)) for name in sorted(inputs.stage.params)
    }
    sections["training"].pop("save_steps")
    content = {
        "stage": inputs.stage.name,
        "params": sections,
        "versions": dict(inputs.versions),
        "base": sha256_file(inputs.folder("base_student") / "card.json"),
        "questions": sha256_file(inputs.folder("release") / "questions.parquet"),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _csv(rows: Sequence[Mapping[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _mean_of_last(rows: Sequence[Mapping[str, float]], count: int = 10) -> dict[str, float]:
    """Of every term over the last steps that had it."""
    means = {}
    for name in rows[0]:
        last = [row[name] for row in rows if name in row][-count:]
        means[name] = round(sum(last) / len(last), 4)
    del means["step"]
    return means
