import csv

import polars as pl
import pytest

from p4d.artifacts import read_json
from p4d.evaluation.arms.compare_arms import build_evaluation
from p4d.evaluation.arms.names import ARMS
from p4d.students.training.base_student import build_base_student
from p4d.students.training.stages import build_blind, build_p4d, build_sft
from tests.students import tiny


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluation") / "data"
    sections = {"evaluation": {"bootstrap_samples": 100, "batch": 2, "generated_questions": 3}}
    project = tiny.make(root, clips=9, **sections)
    build_base_student(project.inputs("base_student"), root / "base_student")
    for stage, build in zip(ARMS.values(), (build_sft, build_p4d, build_blind), strict=True):
        build(project.inputs(stage), root / stage)
    build_evaluation(project.inputs("evaluation"), root / "evaluation")
    return project


def test_every_arm_answers_every_test_question(project):
    rows = pl.read_parquet(project.root / "evaluation" / "predictions.parquet")
    test = pl.read_parquet(project.root / "release" / "questions.parquet").filter(
        pl.col("split") == "test"
    )
    for arm in ARMS:
        assert set(rows.filter(pl.col("arm") == arm)["qa_id"]) == set(test["qa_id"])
    offered = rows.join(test.select("qa_id", n=pl.col("options").list.len()), on="qa_id")
    assert (offered["predicted_index"] < offered["n"]).all()
    assert (rows["correct"] == (rows["predicted_index"] == rows["answer_index"])).all()


def test_text_is_generated_for_the_same_fixed_questions_in_every_arm(project):
    rows = pl.read_parquet(project.root / "evaluation" / "predictions.parquet")
    generated = rows.filter(pl.col("text").is_not_null())
    asked = {arm: set(generated.filter(pl.col("arm") == arm)["qa_id"]) for arm in ARMS}
    assert {len(ids) for ids in asked.values()} == {3}
    assert asked["sft"] == asked["p4d"] == asked["blind"]
    assert generated["parsed"].null_count() == 0
    read = generated.filter("parsed")["generated_index"]
    assert read.null_count() == 0


def test_metrics_and_tables_agree_with_the_predictions(project):
    folder = project.root / "evaluation"
    rows = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("arm") == "p4d")
    metrics = read_json(folder / "metrics.json")
    assert metrics["p4d"]["accuracy"]["Average"] == pytest.approx(rows["correct"].mean(), abs=1e-6)
    assert metrics["groups"] == rows["group"].n_unique()
    assert metrics["chance"] == pytest.approx((0.25 + 0.5) / 2)
    with (folder / "by_category.csv").open() as stream:
        table = {(r["arm"], r["category"]): r for r in csv.DictReader(stream)}
    counting = rows.filter(pl.col("category") == "Translational")
    assert int(table["p4d", "Translational"]["n"]) == len(counting)
    gain = read_json(folder / "comparisons.json")["p4d_over_sft"]["Average"]["value"]
    difference = metrics["p4d"]["accuracy"]["Average"] - metrics["sft"]["accuracy"]["Average"]
    assert gain == pytest.approx(difference, abs=1e-6)


def test_a_second_evaluation_writes_the_same_bytes(project, tmp_path):
    build_evaluation(project.inputs("evaluation"), tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (project.root / "evaluation" / path.name).read_bytes()
