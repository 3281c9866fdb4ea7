"""The stages `student_sft`, `student_p4d` and `student_blind`.

All arms have equal initial weights, data order and budget. `build_sft` trains on the questions,
`build_p4d` on the same questions and on a teacher's labels, `build_blind` on the questions without
the video. An arm is a transformers checkpoint; the perception decoder is written to its own file.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import Dataset

from p4d.artifacts import write_arrays, write_bytes, write_json
from p4d.config import TrainingParams
from p4d.errors import ContractError
from p4d.ids import seed_for, sha256_file
from p4d.pipeline import StageInputs, StageReport
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.fact_text import FactTexts
from p4d.students.data.joined import MixedPacker
from p4d.students.data.label_questions import with_label_questions
from p4d.students.data.mixed import CLIPS, MixedSamples, MixPlan, sets_of_mix
from p4d.students.data.questions import Question, load_questions
from p4d.students.data.samples import RowOrder, Sample, TrainingSamples
from p4d.students.distillation.probes import PROBES_FILE
from p4d.students.model.attention import use_attention
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student, save_student
from p4d.students.model.tokenizer import token_id
from p4d.students.training import checkpoints
from p4d.students.training.arm import Arm
from p4d.students.training.distillation_setup import DistillationSetup, set_up_distillation
from p4d.students.training.loop import train_arm
from p4d.students.training.new_encoder import draw_encoder
from p4d.students.training.run import TrainingResult, TrainingRun
from p4d.students.training.sharded_loading import open_base
from p4d.students.training.trainable import WeightCounts, merged, prepare


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What distinguishes one arm from another."""

    sees_video: bool
    distils: bool
    labels_as_text: bool = False


def build_sft(inputs: StageInputs, out: Path) -> StageReport:
    """The arm that is trained on questions alone."""
    return _build(inputs, out, _Kind(sees_video=True, distils=False))


def build_p4d(inputs: StageInputs, out: Path) -> StageReport:
    """The arm with latent and explicit distillation."""
    return _build(inputs, out, _Kind(sees_video=True, distils=True))


def build_labels(inputs: StageInputs, out: Path) -> StageReport:
    """The arm that is fine-tuned on questions and on the labels as text, with SFT's budget.

    No stage of the pipeline: `p4d train labels` makes it (p4d/students/data/label_questions.py).
    """
    return _build(inputs, out, _Kind(sees_video=True, distils=False, labels_as_text=True))


def build_blind(inputs: StageInputs, out: Path) -> StageReport:
    """The control without video: what it answers correctly, the text alone reveals."""
    return _build(inputs, out, _Kind(sees_video=False, distils=False))


def _build(inputs: StageInputs, out: Path, kind: _Kind) -> StageReport:
    params: TrainingParams = inputs.params("training")
    base, unread = open_base(inputs.folder("base_student"), params)
    device = torch.device(params.device)
    use_attention(base.adapter.model, params.attention, device, "training.attention")
    counts = prepare(base.adapter, params, _region_tokens(base))
    questions = _questions(inputs, labels_as_text=kind.labels_as_text)
    clips = None
    if kind.sees_video:
        clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    packer = MixedPacker(base.tokenizer, base.adapter)
    setup = DistillationSetup()
    if kind.distils:
        assert clips is not None
        if inputs.params("distillation").encoder == "new":
            draw_encoder(base.adapter, seed=seed_for("untrained encoder", params.seed))
        setup = set_up_distillation(inputs, base, questions, clips, packer)
    samples, external_card = _samples(inputs, questions, clips, setup)
    run = TrainingRun(
        samples=samples,
        packer=packer,
        params=dataclasses.replace(params, steps=params.steps + setup.phases.perception_steps),
        weights=setup.weights,
        phases=setup.phases,
        unlabelled=setup.unlabelled,
        perception=setup.perception,
        probes=setup.probes.probes if setup.probes else None,
        progress=inputs.progress,
        work=inputs.work,
        shared=inputs.shared,
        unread=unread,
        identity=run_identity(inputs),
    )
    result = train_arm(Arm(base.adapter, setup.distillation), run)
    last = _mean_of_last(result.rows)
    if checkpoints.process()[0] == 0:  # the first process writes for all
        save_student(out, merged(base.adapter.model), base.tokenizer)
        _write_curves(out, result, setup)
        frames = inputs.params("clips").frames if kind.sees_video else 0
        card = _card(base, questions, params, counts, frames) | external_card
        card |= {
            "sees_video": kind.sees_video,
            "distils": kind.distils,
            "loss_weights": {n: float(f"{w:.6g}") for n, w in setup.weights.current.items()},
            "loss_of_last_steps": last,
        }
        write_json(out / "card.json", card | dict(setup.card))
    return StageReport(
        rows={"ok": len(questions)},
        metrics={"steps": params.steps, **{f"last_{name}": v for name, v in last.items()}},
    )


def _questions(inputs: StageInputs, *, labels_as_text: bool) -> Sequence[Question]:
    """The questions of the train split; with `labels_as_text`, those about the labels as well."""
    questions = load_questions(inputs.folder("release"), "train")
    if not questions:
        raise ContractError("the release has no questions in its train split")
    return with_label_questions(questions, _fact_texts(inputs)) if labels_as_text else questions


def _samples(
    inputs: StageInputs,
    questions: Sequence[Question],
    clips: ClipReader | None,
    setup: DistillationSetup,
) -> tuple[Dataset[Sample] | MixedSamples, dict[str, object]]:
    """The rows of a run with those of external sets, and what the card says of these."""
    params: TrainingParams = inputs.params("training")
    plan = MixPlan(length=params.steps * params.batch, mix=params.mix)
    own = TrainingSamples(
        questions,
        RowOrder(length=plan.count(CLIPS), seed=params.seed, maps_every=setup.maps_every),
        questions_per_clip=params.questions_per_clip,
        clips=clips,
        labels=setup.labels,
        labelled=plan.count(CLIPS, setup.distilled_steps * params.batch),
    )
    if not plan.mix:
        return own, {}
    sets = sets_of_mix(inputs.folder("external"), inputs.folder("mixture"), plan.mix)
    frames = inputs.params("clips") if clips else None
    samples = MixedSamples(plan, own, sets, seed=params.seed, clips=frames)
    rows = {
        name: {"rows": len(held), "shown": plan.count(name)} for name, held in sorted(sets.items())
    }
    return samples, {"external_sets": rows}


def _region_tokens(base: Student) -> list[int]:
    """The tokens that name regions, for a student that reads regions as tokens."""
    if PromptSettings.of(base.adapter.model).regions != "tokens":
        return []
    return [token_id(base.tokenizer, mark) for mark in REGION_MARKS]


def _fact_texts(inputs: StageInputs) -> dict[str, FactTexts]:
    regions, facts = inputs.shard_folders("regions"), inputs.shard_folders("facts")
    return {shard: FactTexts(regions[shard], facts[shard]) for shard in regions if shard in facts}


def _card(
    base: Student,
    questions: Sequence[Question],
    params: TrainingParams,
    counts: WeightCounts,
    frames: int,
) -> dict[str, object]:
    """What is recorded of every arm; `frames` is 0 for an arm without video."""
    return {
        "parameters": sum(weight.numel() for weight in base.adapter.model.parameters()),
        "trainable": params.trainable,
        "trainable_parameters": counts.trainable,
        "training_only_parameters": 0,
        "visual_tokens": base.visual_tokens(frames) if frames else 0,
        "steps": params.steps,
        "clips_per_step": params.batch,
        "precision": params.precision,
        "train_questions": len(questions),
        "train_clips": len({question.clip_id for question in questions}),
        "clips_without_labels": 0,
        "unlabelled_clips": 0,
        "expert": None,
        "teacher": None,
    }


def _write_curves(out: Path, result: TrainingResult, setup: DistillationSetup) -> None:
    write_bytes(out / "curve.csv", _csv(result.rows))
    if setup.distillation is not None:
        write_bytes(out / "weights.csv", _csv(result.weights))
        state = setup.distillation.decoder.state_dict()
        arrays = {name: value.cpu().numpy() for name, value in state.items()}
        write_arrays(out / "perception.safetensors", arrays)
    if setup.probes is not None:
        predicted = {name: value.numpy() for name, value in result.probes.items()}
        write_arrays(out / PROBES_FILE, {**setup.probes.fixed, **predicted}, meta=setup.probes.meta)


def run_identity(inputs: StageInputs) -> str:
    """Digest of what a run depends on, so that it resumes from its own checkpoint only."""
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
    """Mean of every term over the last steps that computed it."""
    means = {}
    for name in rows[0]:
        last = [row[name] for row in rows if name in row][-count:]
        means[name] = round(sum(last) / len(last), 4)
    del means["step"]
    return means
