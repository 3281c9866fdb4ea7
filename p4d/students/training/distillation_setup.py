"""The teacher's side of the arm that distils: labels, decoder, expert, weights, phases, probes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from p4d.artifacts import read_table
from p4d.config import ClipsParams, DistillationParams, TrainingParams
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import LabelReader, RowOrder, Sample
from p4d.students.data.targets import RayGrid, StoredLabelReader
from p4d.students.data.unlabelled import UnlabelledClips
from p4d.students.distillation.losses import AutoBalance, TermWeights
from p4d.students.distillation.perception import DecoderSizes, LatentStats, PerceptionDecoder
from p4d.students.distillation.probes import FRAME, MAPS, chosen, teacher_maps
from p4d.students.distillation.regions import RegionDecoder
from p4d.students.distillation.viewed_clips import ViewedClips
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student
from p4d.students.training.arm import Distillation
from p4d.students.training.run import Phases, Probes
from p4d.teachers.l4p import network as l4p
from p4d.teachers.labelling.sources import LabelSources
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.latents_alone import LatentsAlone
from p4d.teachers.protocol import LatentTeacher
from p4d.teachers.registry import load_latent_teacher


@dataclass(frozen=True, kw_only=True)
class ProbeSetup:
    """Probes, and what their file holds besides the student's maps."""

    probes: Probes
    fixed: Mapping[str, np.ndarray]
    meta: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class DistillationSetup:
    """What an arm needs to distil; the defaults are those of an arm without a teacher."""

    labels: LabelReader = field(default_factory=LabelReader)
    maps_every: int = 1
    distilled_steps: int = 0
    distillation: Distillation | None = None
    weights: TermWeights = field(default_factory=lambda: TermWeights("paper"))
    phases: Phases = field(default_factory=Phases)
    unlabelled: UnlabelledClips | None = None
    perception: UnlabelledClips | ViewedClips | None = None
    probes: ProbeSetup | None = None
    card: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Settings:
    """The sections of params.yaml that shape distillation."""

    distillation: DistillationParams
    training: TrainingParams
    clips: ClipsParams


def set_up_distillation(
    inputs: StageInputs,
    base: Student,
    questions: Sequence[Question],
    clips: ClipReader,
    packer: Packer,
) -> DistillationSetup:
    """Read the sections and folders of the stage `student_p4d`.

    Raises:
        ContractError: no train clip has labels of the teacher, or the parameters request unlabelled
            clips and there are none, or a layer that the student does not have.
    """
    settings = _Settings(
        inputs.params("distillation"), inputs.params("training"), inputs.params("clips")
    )
    params = settings.distillation
    train_clips = {question.clip_id: question.shard for question in questions}
    expert, stats = _latents(inputs, params, train_clips)
    ray_grid = RayGrid(
        size_px=settings.clips.size_px, tokens_hw=expert.latent_shape[2], map_px=expert.map_px
    )
    labels = StoredLabelReader(
        inputs.shard_folders("labels"),
        teacher=params.teacher,
        modalities=params.modalities,
        latents=params.latents,
        ray_grid=ray_grid,
    )
    without = _count_without_labels(train_clips, labels, params.teacher)
    distillation = _distillation(base, expert, stats, settings)
    distilled_steps = math.ceil(params.until_fraction * settings.training.steps)
    unlabelled = perception = None
    if params.unlabelled_clips:
        unlabelled = _unlabelled_clips(
            inputs, settings, train_clips, distilled_steps, clips, labels
        )
    if params.perception_steps:
        perception = _perception_clips(inputs, settings, clips, labels, expert)
    return DistillationSetup(
        labels=labels,
        maps_every=params.maps_every,
        distilled_steps=distilled_steps,
        distillation=distillation,
        weights=TermWeights(params.preset, AutoBalance.of(params)),
        phases=_phases(settings, distilled_steps),
        unlabelled=unlabelled,
        perception=perception,
        probes=_probes(inputs, settings, clips, packer, ray_grid) if params.probe_steps else None,
        card={
            "training_only_parameters": _training_only_weights(distillation),
            "clips_without_labels": without,
            "unlabelled_clips": len(unlabelled.clip_ids) if unlabelled else 0,
            **({"perception_clips": len(perception.clip_ids)} if perception else {}),
            "expert": expert.digest,
            "teacher": params.teacher,
        },
    )


def _distillation(
    base: Student, expert: LatentTeacher, stats: LatentStats, settings: _Settings
) -> Distillation:
    """Untrained decoders, and what they are to predict."""
    params, seed = settings.distillation, settings.training.seed
    return Distillation(
        new_decoder(base, expert.latent_shape, params, frames=settings.clips.frames, seed=seed),
        expert,
        stats,
        params.modalities,
        latents=params.latents,
        layer=_layer(base, params),
        losses=params.losses,
        regions=new_region_decoder(base, expert.latent_shape, params, seed=seed),
    )


def _latents(
    inputs: StageInputs, params: DistillationParams, train_clips: Mapping[str, str]
) -> tuple[LatentTeacher, LatentStats]:
    """Whose latents are predicted, and their statistics.

    They are the expert's, unless a teacher without heads is distilled.
    """
    if not params.latents or params.teacher == "expert4d":
        folder = inputs.folder("expert")
        return load_latent_teacher(folder), LatentStats.load(folder)
    folders = inputs.shard_folders("labels")
    teacher: LatentTeacher = LatentsAlone(params.teacher, train_clips, folders)
    sources = LabelSources(min(folders.values()))
    if sources.settings(params.teacher).get("kind") == "l4p":
        teacher = _with_heads(sources, params.teacher, teacher)
    stores = {shard: LabelStore(folder) for shard, folder in folders.items()}
    return teacher, LatentStats.of(
        stores[shard].latents(clip_id, params.teacher)
        for clip_id, shard in sorted(train_clips.items())
        if stores[shard].has_latents(clip_id, params.teacher)
    )


def _with_heads(sources: LabelSources, name: str, stored: LatentTeacher) -> LatentTeacher:
    """The network whose heads decode the stored latents, if it is the one that made them.

    Raises:
        ContractError: its folder is gone, or holds other files than when it labelled.
    """
    where = sources.settings(name)["where"]
    network = l4p.load(Path(where))
    if network.file_digests != sources.files(name) or network.latent_shape != stored.latent_shape:
        raise ContractError(
            f"{where} no longer holds the weights of {name} that labelled; put them back, or label "
            "again"
        )
    return network


def _phases(settings: _Settings, distilled_steps: int) -> Phases:
    params = settings.distillation
    alone = params.perception_steps
    return Phases(
        perception_steps=alone,
        warmup_steps=round(params.warmup_fraction * settings.training.steps),
        warmup_sft_weight=params.warmup_sft_weight,
        distilled_steps=alone + distilled_steps,
    )


def _count_without_labels(train_clips: Mapping[str, str], labels: LabelReader, teacher: str) -> int:
    without = sum(not labels.has(shard, clip) for clip, shard in train_clips.items())
    if without == len(train_clips):
        raise ContractError(
            f"no train clip has labels of {teacher}, so there is nothing to distil; "
            "see `reason` in labels/*/index.parquet"
        )
    return without


def _layer(base: Student, params: DistillationParams) -> int:
    """`student_layer`, if the student has as many blocks."""
    blocks: int = base.adapter.model.config.get_text_config().num_hidden_layers
    if params.student_layer > blocks:
        raise ContractError(
            f"distillation.student_layer {params.student_layer}: the student's language model "
            f"has {blocks} blocks; choose at most that, or -1 for the last"
        )
    return params.student_layer


def new_decoder(
    base: Student,
    latent_shape: tuple[int, int, int, int, int],
    params: DistillationParams,
    *,
    frames: int,
    seed: int,
) -> PerceptionDecoder:
    """An untrained decoder for clips of `frames` frames; equal seeds give equal weights.

    `latent_shape` is (hooks, tubelets, rows, columns, width) of the teacher's latents.
    """
    hooks, tubelets, rows, columns, latent_width = latent_shape
    sizes = DecoderSizes(
        student_width=base.adapter.hidden_width,
        student_grid=base.adapter.frame_grid(),
        slots=frames // base.adapter.frames_per_slot,
        hooks=hooks,
        latent_grid=(tubelets, rows, columns),
        latent_width=latent_width,
        hidden_width=params.hidden_width,
        init=params.decoder_init,
        rearrange=params.rearrange,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("perception decoder", seed))
        return PerceptionDecoder(sizes)


def new_region_decoder(
    base: Student,
    latent_shape: tuple[int, int, int, int, int],
    params: DistillationParams,
    *,
    seed: int,
) -> RegionDecoder | None:
    """The untrained decoder of the region term; None if the parameters switch it off.

    Raises:
        ContractError: the student does not read regions as tokens.
    """
    if not params.region_share:
        return None
    reads = PromptSettings.of(base.adapter.model).regions
    if reads != "tokens":
        raise ContractError(
            f"distillation.region_share {params.region_share}: the student reads regions as "
            f"{reads}, and the region term needs tokens; set region_share: 0, or make a base "
            "student with student.region_prompt: tokens"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("region decoder", seed))
        return RegionDecoder(base.adapter.hidden_width, latent_shape)


def _training_only_weights(distillation: Distillation) -> int:
    decoders = (distillation.decoder, distillation.regions)
    return sum(weight.numel() for each in decoders if each for weight in each.parameters())


def _unlabelled_clips(
    inputs: StageInputs,
    settings: _Settings,
    train_clips: Mapping[str, str],
    distilled_steps: int,
    clips: ClipReader,
    labels: LabelReader,
) -> UnlabelledClips:
    params = settings.distillation
    order = RowOrder(
        length=distilled_steps * params.unlabelled_clips,
        seed=settings.training.seed,
        maps_every=params.maps_every,
    )
    found = UnlabelledClips(
        inputs.folder("release"),
        order,
        asked=train_clips,
        per_step=params.unlabelled_clips,
        clips=clips,
        labels=labels,
    )
    if not found.clip_ids:
        raise ContractError(
            "every labelled train clip has questions, so there are no unlabelled clips; set "
            "distillation.unlabelled_clips: 0"
        )
    return found


def _perception_clips(
    inputs: StageInputs,
    settings: _Settings,
    clips: ClipReader,
    labels: LabelReader,
    teacher: LatentTeacher,
) -> UnlabelledClips | ViewedClips:
    """Rows of the steps before the first question: all labelled clips of the train split."""
    params = settings.distillation
    per_step = settings.training.batch
    order = RowOrder(
        length=params.perception_steps * per_step,
        seed=settings.training.seed,
        maps_every=params.maps_every,
    )
    rows = UnlabelledClips(
        inputs.folder("release"), order, asked=(), per_step=per_step, clips=clips, labels=labels
    )
    if params.perception_views == 1:
        return rows
    viewed = ViewedClips(rows, clips, views=params.perception_views)
    with deterministic(settings.training.threads, settings.training.seed):
        viewed.label(teacher, inputs.work, inputs.progress)
    return viewed


def _probes(
    inputs: StageInputs,
    settings: _Settings,
    clips: ClipReader,
    packer: Packer,
    ray_grid: RayGrid,
) -> ProbeSetup | None:
    """Clips of the train split and of the others, which are predicted at the chosen steps."""
    params = settings.distillation
    last_step = params.perception_steps + settings.training.steps
    labels = StoredLabelReader(
        inputs.shard_folders("labels"),
        teacher=params.teacher,
        modalities=MAPS,
        latents=False,
        ray_grid=ray_grid,
    )
    table = read_table(inputs.folder("release") / "clips.parquet")
    labelled = {
        clip_id: (shard, split)
        for clip_id, shard, split in table.select("clip_id", "shard", "split").iter_rows()
        if labels.has(shard, clip_id)
    }
    train = [clip_id for clip_id, (_, split) in labelled.items() if split == "train"]
    others = [clip_id for clip_id, (_, split) in labelled.items() if split != "train"]
    probed = [*chosen(train, params.probe_clips), *chosen(others, params.probe_clips)]
    if not probed:  # a teacher of some modalities only has no maps to show beside the student's
        return None
    samples = [Sample(c, (), clips.read(labelled[c][0], c), {}) for c in probed]
    fixed: dict[str, np.ndarray] = {}
    for sample in samples:
        assert sample.visual is not None
        fixed[f"{sample.clip_id}.rgb_hw3"] = sample.visual.frames[FRAME]
        maps = teacher_maps(labels.read(labelled[sample.clip_id][0], sample.clip_id))
        fixed |= {f"{sample.clip_id}.teacher.{name}": values for name, values in maps.items()}

    def keep(maps: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        return {
            f"{clip_id}.step{step:07d}.{name}": maps[name][row, FRAME].half().clone()
            for row, clip_id in enumerate(probed)
            for name in MAPS
        }

    reached = {step for step in params.probe_steps if step < last_step}
    steps = frozenset({*reached, last_step})
    return ProbeSetup(
        probes=Probes(steps=steps, batch=packer.pack(samples), keep=keep),
        fixed=fixed,
        meta={"clips": probed, "splits": {c: labelled[c][1] for c in probed}},
    )
