"""The general set: scores on held-out external rows, and the rule that promotions obey them."""

import dataclasses

import polars as pl
import pytest
import torch

from p4d.artifacts import read_json, read_table, write_table
from p4d.evaluation.arms.champion_ledger import read_general
from p4d.evaluation.arms.compare_arms import build_evaluation
from p4d.evaluation.arms.forgetting import general_drop
from p4d.evaluation.arms.general import general_scores
from p4d.evaluation.arms.promotion import build_champion
from p4d.evaluation.scoring.statistics import Bootstrap
from p4d.external.conversation import ForeignTurn
from p4d.external.mixture import HELD_OUT
from p4d.external.rows import ExternalConversation, read_split
from p4d.pipeline import StageInputs, stage_named
from p4d.students import load
from p4d.students.data.conversations import ConversationPacker, decoded
from p4d.students.training.base_student import build_base_student
from p4d.students.training.stages import build_blind, build_p4d, build_sft
from tests.external.made import external_artifacts
from tests.students import tiny

BOOTSTRAP = Bootstrap(100, 0.95)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("general") / "data"
    sections = {
        "evaluation": {"bootstrap_samples": 100, "batch": 2, "generated_questions": 0},
        "external": {"heldout_fraction": 0.6},
    }
    project = tiny.make(root, clips=6, **sections)
    external_artifacts(root, project.params)
    build_base_student(project.inputs("base_student"), root / "base_student")
    for stage, build in (
        ("student_sft", build_sft), ("student_p4d", build_p4d), ("student_blind", build_blind)
    ):  # fmt: skip
        build(project.inputs(stage), root / stage)
    build_evaluation(project.inputs("evaluation"), root / "evaluation")
    return project


def text_row(asked, answer):
    return ExternalConversation(
        row_id=asked, set_name="own", group=asked, turns=(ForeignTurn(asked, answer),), media=()
    )


def test_the_score_is_the_share_of_answer_tokens_that_greedy_decoding_predicts(project):
    """Against generation: a row is exact if and only if the generated text is the answer."""
    student = load(project.root / "base_student")
    asked = "What is it?"
    packer = ConversationPacker(student.tokenizer, student.adapter)
    (empty,) = (decoded(text_row(asked, "x"), project.params.clips),)
    batch = packer.pack([empty])
    # What the student itself says, token by token.
    ids = batch.input_ids[0].tolist()
    start = next(i for i, target in enumerate(batch.targets[0].tolist()) if target >= 0)
    said = ids[: start + 1]
    for _ in range(4):
        tokens = torch.tensor([said])
        one = dataclasses.replace(
            batch,
            input_ids=tokens,
            position_ids=torch.arange(len(said))[None],
            segment_ids=torch.ones_like(tokens),
            targets=torch.full_like(tokens, -100),
            branch_ids=torch.zeros_like(tokens),
        )
        with torch.no_grad():
            student.adapter.model.eval()
            said.append(int(student.adapter.logits(student.hidden(one)[0, -1]).argmax()))
    own = student.tokenizer.decode(said[start + 1 :])
    again = student.tokenizer(own, add_special_tokens=False)["input_ids"]
    if again != said[start + 1 :]:
        pytest.skip("the text that the student says is not encoded as it was said")
    rows = [text_row(asked, own), text_row("What else?", "a red box")]
    scores = general_scores(student, rows, project.params.clips, arm="p4d", batch=2).to_dicts()
    assert scores[0]["exact"] and scores[0]["score"] == 1.0
    assert scores[0]["tokens"] == 4
    assert not scores[1]["exact"] and scores[1]["score"] < 1
    assert scores[1]["tokens"] == len(
        student.tokenizer("a red box", add_special_tokens=False)["input_ids"]
    )


def test_the_evaluation_scores_the_held_out_rows_of_all_arms_that_see(project):
    table = read_table(project.root / "evaluation" / "general.parquet")
    held = read_split(project.root / "external", project.root / "mixture", HELD_OUT)
    assert len(held) >= 3
    assert set(table["arm"]) == {"base", "sft", "p4d"}
    for arm in ("base", "sft", "p4d"):
        assert set(table.filter(pl.col("arm") == arm)["row_id"]) == {row.row_id for row in held}
    metrics = read_json(project.root / "evaluation" / "metrics.json")["general"]
    own = table.filter(pl.col("arm") == "p4d")
    assert metrics["rows"] == len(held)
    assert metrics["p4d"]["value"] == pytest.approx(own["score"].mean(), abs=1e-5)
    assert 0 <= metrics["p4d"]["low"] <= metrics["p4d"]["value"] <= metrics["p4d"]["high"] <= 1


def test_without_held_out_rows_an_evaluation_is_as_ever(project, tmp_path):
    inputs = project.inputs("evaluation")
    folders = {**inputs.folders, "mixture": tmp_path / "none"}
    build_evaluation(dataclasses.replace(inputs, folders=folders), tmp_path / "out")
    assert not (tmp_path / "out" / "general.parquet").exists()
    assert "general" not in read_json(tmp_path / "out" / "metrics.json")


def scores(values, *, start=0):
    return pl.DataFrame(
        {
            "row_id": [f"ext_{start + n}" for n in range(len(values))],
            "group": [f"g{start + n}" for n in range(len(values))],
            "score": values,
        }
    )


def test_the_drop_counts_rows_that_both_answered():
    found = general_drop(scores([0.5, 0.5, 0.0]), scores([1.0, 0.5], start=0), BOOTSTRAP)
    assert (found.value, found.n) == (0.25, 2)
    assert general_drop(scores([1.0]), scores([1.0], start=5), BOOTSTRAP) is None


class Champions:
    """Decisions one after another; every challenger is clearly better on our questions."""

    def __init__(self, root):
        self.root, self.previous, self.runs = root, None, 0

    def decide(self, general, *, drop=0.1, base=0.5, right=50):
        """`general`: score of the challenger on each held-out row, or None for no general set."""
        self.runs += 1
        folder = self.root / f"evaluation{self.runs}"
        counts = {"p4d": right + self.runs, "sft": 20, "blind": 15, "p4d_first_frame": 15}
        rows = [
            {
                "arm": arm, "qa_id": f"qa_{n}", "clip_id": f"clip_{n}", "category": "Counting",
                "group": f"vid_{n}", "answer_index": 0, "correct": n < count,
            }
            for arm, count in counts.items()
            for n in range(60)
        ]  # fmt: skip
        write_table(folder / "predictions.parquet", pl.DataFrame(rows), sort_by=["arm", "qa_id"])
        if general is not None:
            table = pl.concat(
                scores(values).with_columns(arm=pl.lit(arm))
                for arm, values in (("p4d", general), ("base", [base] * len(general)))
            )
            write_table(folder / "general.parquet", table, sort_by=["arm", "row_id"])
        inputs = StageInputs(
            stage=stage_named("champion"),
            all_params=tiny.params(
                promotion={"max_general_drop": drop, "min_gain": -1.0, "min_groups": 2}
            ),
            folders={"evaluation": folder, "student_p4d": folder},
            versions={"evaluation": f"md5:e{self.runs}", "student_p4d": f"md5:m{self.runs}"},
            previous=self.previous,
        )
        self.previous = self.root / f"champion{self.runs}"
        build_champion(inputs, self.previous)
        return read_json(self.previous / "decision.json")


@pytest.fixture
def champions(tmp_path):
    return Champions(tmp_path)


def test_a_first_challenger_is_held_on_the_base_student(champions):
    refused = champions.decide([0.3] * 8)
    assert refused["decision"] == "refused"
    assert refused["reasons"][-1] == (
        "on 8 held-out external rows the score fell by 0.200 against base_student, more than 0.1"
    )
    assert refused["evidence"]["general_drop"]["compared_with"] == "base_student"
    assert read_general(champions.previous) is None
    promoted = champions.decide([0.45] * 8)
    assert promoted["decision"] == "promoted"
    assert promoted["evidence"]["general_drop"]["value"] == pytest.approx(0.05)
    assert read_general(champions.previous)["score"].to_list() == [0.45] * 8


def test_a_later_one_is_held_on_the_champion_and_its_scores_stay_until_then(champions):
    assert champions.decide([0.9] * 8)["decision"] == "promoted"
    refused = champions.decide([0.7] * 8)
    assert refused["decision"] == "refused", "better than the base student, worse than the champion"
    assert refused["evidence"]["general_drop"] == {
        "compared_with": "incumbent", "value": 0.2, "low": 0.2, "high": 0.2, "n": 8, "clusters": 8,
    }  # fmt: skip
    assert read_general(champions.previous)["score"].to_list() == [0.9] * 8
    assert champions.decide([0.85] * 8)["decision"] == "promoted"
    assert read_general(champions.previous)["score"].to_list() == [0.85] * 8


def test_a_champion_without_general_scores_leaves_the_base_student_to_compare_with(champions):
    assert champions.decide(None, drop=1.0)["decision"] == "promoted"
    found = champions.decide([0.45] * 8)
    assert found["evidence"]["general_drop"]["compared_with"] == "base_student"
    assert found["decision"] == "promoted"


def test_the_rule_needs_a_general_set(champions):
    refused = champions.decide(None)
    assert refused["decision"] == "refused"
    assert "no external row is held out" in refused["reasons"][-1]


def test_a_rule_that_asks_for_nothing_records_nothing(champions):
    decision = champions.decide([0.0] * 8, drop=1.0)
    assert decision["decision"] == "promoted"
    assert "general_drop" not in decision["evidence"]
    assert "max_general_drop" not in decision["rule"]
