"""The rows of facts and of labels as text, on the tiny project of the students, with facts."""

import polars as pl
import pytest

from p4d.artifacts import read_json, read_table, write_json, write_table
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, PublishedRules
from p4d.evaluation.controls.measured_facts import facts_of_items
from p4d.evaluation.controls.text_rows import (
    ROWS,
    benchmark_rows,
    make_row,
    questions_with_facts,
    row_states,
)
from p4d.questions.facts.table import SCHEMA
from p4d.students.data.fact_text import FactTexts
from p4d.students.data.label_questions import with_label_questions
from p4d.students.data.packer import Packer
from p4d.students.data.questions import load_questions
from p4d.students.data.samples import Sample
from p4d.students.model.batch import IGNORED
from p4d.students.model.student import load
from p4d.students.training.base_student import build_base_student
from p4d.students.training.launch import train
from tests.students import tiny

SHARD = tiny.SHARD


def fact(clip: str, kind: str, region: str, value: float, **rest):
    return {
        "fact_id": f"fact_{clip}_{kind}_{rest.get('start_ns', 0)}", "clip_id": clip, "kind": kind,
        "region_ids": [region] if region else [], "start_ns": 0, "end_ns": 750_000_000,
        "value": value, "value_text": None, "unit": "m/s", "sigma": 0.01, "frame": "world",
        "method": "exact", "scale_kind": "metric", "teacher": "exact", "teacher_digest": "d",
        **rest,
    }  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folders of a project up to its base student, with two facts per clip."""
    root = tmp_path_factory.mktemp("rows")
    project = tiny.make(root / "data", clips=6)
    folder = root / "data"
    table = read_table(folder / "release" / "questions.parquet")
    facts = []
    for clip in sorted(set(table["clip_id"].to_list())):
        region = f"reg_{clip}"
        facts += [
            fact(clip, "mean_speed", region, 0.41),
            fact(clip, "side", region, 1.0, value_text="left", unit="class", end_ns=0),
        ]
    write_table(
        folder / "facts" / SHARD / "facts.parquet", pl.DataFrame(facts, schema=SCHEMA), sort_by=[]
    )
    regions = [
        {"clip_id": clip, "region_id": f"reg_{clip}", "mark": 1, "outcome": "ok"}
        for clip in sorted(set(table["clip_id"].to_list()))
    ]
    write_table(folder / "regions" / SHARD / "regions.parquet", pl.DataFrame(regions), sort_by=[])
    write_table(
        folder / "release" / "questions.parquet",
        table.with_columns(
            question=pl.lit("From 0 sec to 0.75 sec, ") + pl.col("question"),
            fact_ids=pl.concat_list(pl.format("fact_{}_mean_speed_0", "clip_id")),
        ),
        sort_by=["qa_id"],
    )
    write_json(folder / "release" / "manifest.json", {"release_id": "rel_1"})
    build_base_student(project.inputs("base_student"), folder / "base_student")
    return project, folder


def test_facts_of_the_named_interval_stand_before_the_question_and_no_answer_is_marked(data):
    _, folder = data
    questions = load_questions(folder / "release", "test")
    texts = {SHARD: FactTexts(folder / "regions" / SHARD, folder / "facts" / SHARD)}
    asked = questions_with_facts(questions, texts)
    for before, after in zip(questions, asked, strict=True):
        assert after.question == f"0 to 0.75: <obj_1> mean speed: 0.41 m/s. \n{before.question}"
        assert (after.options, after.answer_index) == (before.options, before.answer_index)


def test_the_row_of_facts_answers_the_test_split_and_says_how(data, tmp_path):
    project, folder = data
    found = make_row("facts", folder / "base_student", folder, tmp_path / "facts", project.params)
    rows = pl.read_parquet(tmp_path / "facts" / "predictions.parquet")
    assert found["questions"] == len(rows) == 4
    assert found["accuracy"]["Average"]["value"] == pytest.approx(rows["correct"].mean())
    card = found["reproduction"]
    assert (card["device"], card["dtype"], card["decoding"]) == ("cpu", "float32", "greedy")
    assert set(card["versions"]) == {"p4d", "python", "torch", "transformers"}
    again = make_row("facts", folder / "base_student", folder, tmp_path / "again", project.params)
    assert again == found
    present, absent = row_states(tmp_path, "rel_1")
    assert present["accuracy"] == found["accuracy"]["Average"]
    assert (absent["accuracy"], absent["commands"]) == (None, ROWS["labels"].commands)
    assert row_states(tmp_path, "rel_2")[0]["accuracy"] is None  # of another release


def test_facts_that_are_not_those_of_the_release_are_refused(data, tmp_path):
    project, folder = data
    path = folder / "facts" / SHARD / "facts.parquet"
    kept = path.read_bytes()
    table = pl.read_parquet(path)
    table.filter(pl.col("kind") != "mean_speed").write_parquet(path)
    with pytest.raises(ContractError, match="is not what the release was made from"):
        make_row("facts", folder / "base_student", folder, tmp_path / "out", project.params)
    path.write_bytes(kept)


def test_labels_are_questions_with_a_text_as_answer_as_many_as_there_are_others(data):
    _, folder = data
    questions = load_questions(folder / "release", "train")
    texts = {SHARD: FactTexts(folder / "regions" / SHARD, folder / "facts" / SHARD)}
    mixed = with_label_questions(questions, texts)
    added = mixed[len(questions) :]
    assert mixed[: len(questions)] == questions
    assert len(added) == len(questions)
    assert {(q.question, q.options) for q in added} == {
        ("From 0 sec to 0.75 sec, <obj_1> mean speed?", ("0.41 m/s",)),
        ("At 0 sec, <obj_1> side?", ("left",)),
    }
    student = load(folder / "base_student")
    packer = Packer(student.tokenizer, student.adapter)
    batch = packer.pack([Sample("clip", (added[0],), None, {})], scored=False)
    learned = batch.targets[batch.targets != IGNORED].tolist()
    assert student.tokenizer.decode(learned[:-1]) == added[0].options[0]


def test_the_arm_of_labels_is_trained_with_the_steps_of_sft(data, tmp_path):
    project, folder = data
    train("labels", tmp_path / "labels", data=folder, params=project.params)
    card = read_json(tmp_path / "labels" / "card.json")
    assert card["steps"] == project.params.training.steps
    assert card["train_questions"] == 2 * len(load_questions(folder / "release", "train"))
    assert card["distils"] is False
    found = make_row("labels", tmp_path / "labels", folder, tmp_path / "row", project.params)
    assert found["questions"] == 4


def test_the_page_of_a_benchmark_names_what_is_absent_and_finds_what_is_there(tmp_path):
    out = tmp_path / "qwen"
    facts, labels = benchmark_rows("vlm4d", out, "items_1")
    assert facts["accuracy"] is labels["accuracy"] is None
    assert facts["commands"] == ("p4d evaluate --benchmark vlm4d --model qwen --facts",)
    assert labels["commands"][1] == "p4d evaluate --benchmark vlm4d --model runs/labels"
    found = {
        "benchmark": "vlm4d", "accuracy": 0.5, "low": 0.4, "high": 0.6,
        "run": {"items": "items_1"}, "facts": {"told": 3, "asked": 4},
    }  # fmt: skip
    for folder in ("labels", "qwen.facts"):
        (tmp_path / folder).mkdir()
        write_json(tmp_path / folder / "metrics.json", found)
    for own in (out, tmp_path / "qwen.facts"):  # the page of the model, and that of its row
        facts, labels = benchmark_rows("vlm4d", own, "items_1")
        assert facts["accuracy"] == labels["accuracy"] == {"value": 0.5, "low": 0.4, "high": 0.6}
        assert "(3 of 4 questions)" in facts["what"]
    for benchmark, items in (("sti-bench", "items_1"), ("vlm4d", "items_2")):
        assert all(row["accuracy"] is None for row in benchmark_rows(benchmark, out, items))


def test_a_benchmark_in_our_layout_brings_its_facts(data, tmp_path):
    _, folder = data
    clip = "clip_000"
    item = BenchmarkItem(
        item_id="one", category="x", dynamic=True, kind="mcq", video=tmp_path / "none.mp4",
        question="From 0 sec to 0.75 sec, how fast is <obj_1>?", options=("1", "2"), group="g",
        answer_index=0, clip=(SHARD, clip),
    )  # fmt: skip
    rules = PublishedRules(
        script="", prompt=lambda item: item.question, frames=4, max_new_tokens=8,
        score=lambda item, reply: 0.0, overall=lambda *_: {},
    )  # fmt: skip
    benchmark = Benchmark(
        name="r4d-world", folder=tmp_path, items=(item,), rejected=(), rules=rules, stages=folder
    )
    told = facts_of_items(
        benchmark, [item], expert=tmp_path, build=tmp_path / "build", params=tiny.params()
    )
    assert told == {"one": "0 to 0.75: <obj_1> mean speed: 0.41 m/s. "}
    assert not (tmp_path / "build").exists(), "nothing had to be measured"
