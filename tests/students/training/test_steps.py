"""Which rows a step has: perception first, then questions."""

import shutil

import polars as pl

from p4d.artifacts import read_json, read_table, write_table
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import RowOrder, TrainingSamples
from p4d.students.model.student import load
from p4d.students.training.distillation_setup import set_up_distillation
from p4d.students.training.stages import build_p4d
from p4d.students.training.steps import Share, StepBatches
from tests.students.training.test_trainer import BUDGET, curve_of, inputs_of


def test_steps_of_perception_come_before_the_questions_and_change_none_of_them(project, tmp_path):
    curves = {}
    for alone in (0, 3):
        distillation = {"perception_steps": alone, "until_fraction": 1.0}
        out = tmp_path / str(alone)
        build_p4d(
            inputs_of(project, "student_p4d", training=BUDGET, distillation=distillation), out
        )
        curves[alone] = curve_of(out)
        assert ("perception_clips" in read_json(out / "card.json")) == bool(alone)
    asked = curves[0].height
    assert curves[3]["step"].to_list() == list(range(1, asked + 4))
    assert (curves[3]["sft"][:3] == 0).all() and (curves[3]["sft"][3:] > 0).all()
    assert (curves[3]["latent"] > 0).all()


def test_steps_of_perception_read_all_clips_and_the_questions_keep_their_order(project, tmp_path):
    release = tmp_path / "release"
    shutil.copytree(project.root / "release", release)
    questions = read_table(release / "questions.parquet")
    asked = questions.filter(pl.col("clip_id") == "clip_000")
    write_table(release / "questions.parquet", asked, sort_by=["qa_id"])
    inputs = inputs_of(
        project,
        "student_p4d",
        folders={"release": release},
        training=BUDGET,
        distillation={"perception_steps": 2},
    )
    base = load(inputs.folder("base_student"))
    packer = Packer(base.tokenizer, base.adapter)
    clips = ClipReader(inputs.shard_folders("clips"), inputs.shard_folders("regions"))
    questions = load_questions(release, "train")
    setup = set_up_distillation(inputs, base, questions, clips, packer)
    batch = BUDGET["batch"]
    order = RowOrder(length=BUDGET["steps"] * batch, seed=1)
    samples = TrainingSamples(
        questions, order, questions_per_clip=2, clips=clips, labels=setup.labels
    )

    def batches(perception):
        return StepBatches(
            samples, packer, steps=2 + BUDGET["steps"], batch=batch, share=Share(),
            perception=perception,
        )  # fmt: skip

    with_perception, without = batches(setup.perception), batches(None)
    alone = [with_perception.read(step, 0) for step in range(2)]
    assert {c for b in alone for c in b.clip_ids} > {"clip_000"}
    assert all(len(b.clip_ids) == batch and not b.qa_ids for b in alone)
    for step in range(BUDGET["steps"]):
        assert with_perception.read(step + 2, 0).qa_ids == without.read(step, 0).qa_ids
