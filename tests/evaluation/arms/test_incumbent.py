"""The champion answers questions that have changed, with the weights of its recorded version."""

import dataclasses

import polars as pl
import pytest

from p4d.artifacts import read_json, read_table, write_table
from p4d.evaluation.answering.visuals import ClipVisuals, FirstFrames
from p4d.evaluation.arms.asked_split import AskedSplit
from p4d.evaluation.arms.compare_arms import build_evaluation
from p4d.evaluation.arms.names import ARMS, FIRST_FRAME
from p4d.evaluation.arms.promotion import build_champion
from p4d.pipeline import StageInputs, stage_named
from p4d.students import load
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.questions import load_questions
from p4d.students.training.base_student import build_base_student
from p4d.students.training.stages import build_blind, build_p4d, build_sft
from tests.students import tiny

PROMOTES_ALL = {
    "min_groups": 2, "min_gain": -1.0, "max_category_drop": 1.0,
    "first_min_gain_over_blind": -1.0, "first_min_gain_over_first_frame": -1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("champion") / "data"
    sections = {
        "evaluation": {"bootstrap_samples": 100, "batch": 2, "generated_questions": 0},
        "promotion": PROMOTES_ALL,
    }
    project = tiny.make(root, clips=9, **sections)
    build_base_student(project.inputs("base_student"), root / "base_student")
    for stage, build in zip(ARMS.values(), (build_sft, build_p4d, build_blind), strict=True):
        build(project.inputs(stage), root / stage)
    build_evaluation(project.inputs("evaluation"), root / "evaluation")
    return project


def decide(project, out, *, evaluation, challenger, previous=None, reopened=None):
    inputs = project.inputs(
        "champion",
        versions={"evaluation": evaluation, "student_p4d": challenger},
        previous=previous,
        reopened=reopened,
    )
    build_champion(inputs, out)
    return read_json(out / "decision.json")


def answers_of(project, folder, *, first_frame=False):
    """What a student answers to the test split, without the stages."""
    clips = ClipReader(
        {tiny.SHARD: project.root / "clips" / tiny.SHARD},
        {tiny.SHARD: project.root / "regions" / tiny.SHARD},
    )
    params = project.params
    split = AskedSplit.of_release(
        project.root / "release", clips, params.evaluation, params.clips.frames
    )
    shown = split.first_frames() if first_frame else split
    return shown.answers(load(folder), arm="x").sort("qa_id")


def test_the_first_frame_control_is_the_student_shown_one_frame(project):
    rows = read_table(project.root / "evaluation" / "predictions.parquet")
    of_control = rows.filter(arm=FIRST_FRAME).sort("qa_id")
    own = answers_of(project, project.root / "student_p4d", first_frame=True)
    assert of_control["predicted_index"].to_list() == own["predicted_index"].to_list()
    metrics = read_json(project.root / "evaluation" / "metrics.json")
    assert metrics[FIRST_FRAME]["accuracy"]["Average"] == pytest.approx(own["correct"].mean())
    assert f"p4d_over_{FIRST_FRAME}" in metrics["gain"]


def test_first_frames_show_nothing_that_comes_later(project):
    question = load_questions(project.root / "release", "test")[0]
    clips = ClipVisuals(
        ClipReader(
            {tiny.SHARD: project.root / "clips" / tiny.SHARD},
            {tiny.SHARD: project.root / "regions" / tiny.SHARD},
        )
    )
    whole, still = clips.of(question), FirstFrames(clips).of(question)
    assert (whole.frames[2:] != whole.frames[1]).any()  # the square moves
    assert (still.frames[1:] == whole.frames[1]).all()
    assert (still.frames[0] == whole.frames[0]).all()
    assert still.times_s.tolist()[1:] == whole.times_s.tolist()[1:]


def test_a_champion_has_no_weights_of_its_own(project, tmp_path):
    """A takedown purges the student's version, and no later decision may still hold its weights."""
    decide(project, tmp_path / "c", evaluation="md5:e", challenger="md5:a")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "champion_answers.parquet", "champions.jsonl", "decision.json",
    ]  # fmt: skip


def test_a_champion_answers_changed_questions_again(project, tmp_path):
    """It was promoted with other weights; today's questions have new ids and other answers."""
    base = dataclasses.replace(project, root=tmp_path / "data")
    for folder in project.root.iterdir():
        (base.root / folder.name).parent.mkdir(exist_ok=True)
        (base.root / folder.name).symlink_to(folder)
    (base.root / "student_p4d").unlink()
    (base.root / "student_p4d").symlink_to(project.root / "student_sft")  # a champion of its own
    decide(base, tmp_path / "one", evaluation="md5:e", challenger="md5:a")

    (base.root / "student_p4d").unlink()
    (base.root / "student_p4d").symlink_to(project.root / "student_p4d")
    (base.root / "release").unlink()
    (base.root / "evaluation").unlink()
    table = read_table(project.root / "release" / "questions.parquet")
    changed = table.with_columns(qa_id="new_" + pl.col("qa_id"))
    write_table(base.root / "release" / "questions.parquet", changed, sort_by=["qa_id"])
    clips = read_table(project.root / "release" / "clips.parquet")
    write_table(base.root / "release" / "clips.parquet", clips, sort_by=["clip_id"])
    build_evaluation(base.inputs("evaluation"), base.root / "evaluation")
    decision = decide(
        base,
        tmp_path / "two",
        evaluation="md5:f",
        challenger="md5:b",
        previous=tmp_path / "one",
        reopened=project.root / "student_sft",
    )
    assert decision["compared_with"] == "incumbent"
    assert decision["evidence"]["incumbent_answered"] == "again"
    assert decision["evidence"]["shared_with_incumbent"] == 1.0
    theirs = answers_of(base, project.root / "student_sft")["correct"].mean()
    ours = answers_of(base, project.root / "student_p4d")["correct"].mean()
    gain = decision["evidence"]["over_compared"]["Average"]["value"]
    assert gain == pytest.approx(ours - theirs, abs=1e-6)


def test_an_unchanged_evaluation_asks_the_champion_nothing(project, tmp_path):
    """Its weights may then even be gone: nothing is loaded from this folder."""
    decide(project, tmp_path / "one", evaluation="md5:e", challenger="md5:a")
    found = decide(
        project,
        tmp_path / "two",
        evaluation="md5:f",
        challenger="md5:b",
        previous=tmp_path / "one",
        reopened=tmp_path / "nothing",
    )
    assert found["evidence"]["incumbent_answered"] == "at its promotion"


def test_the_stage_declares_what_it_reads():
    champion = stage_named("champion")
    assert set(champion.reads) == {"release", "evaluation", "student_p4d", "clips", "regions"}
    assert isinstance(champion.load(), type(build_champion))
    assert StageInputs(stage=champion, all_params=tiny.params(), folders={}).params("clips").frames
