import polars as pl
import pytest

from p4d.artifacts import read_json, write_table
from p4d.errors import ContractError
from p4d.evaluation.arms.champion_ledger import read_ledger
from p4d.evaluation.arms.promotion import build_champion
from p4d.pipeline import StageInputs, stage_named
from tests.students import tiny

QUESTIONS = 60


def correct_until(count):
    return [i < count for i in range(QUESTIONS)]


class Evaluations:
    """Evaluations with made-up predictions, decided one after another."""

    def __init__(self, root):
        self.root = root
        self.champion = None
        self.runs = 0

    def decide(
        self,
        model,
        right,
        *,
        sft=20,
        blind=15,
        first_id=0,
        evaluation=None,
        groups=QUESTIONS,
        changed=0,
        **promotion,
    ):
        self.runs += 1
        evaluation = evaluation or f"md5:evaluation{self.runs}"
        folder = self.root / f"evaluation{self.runs}"
        arms = {"p4d": right, "sft": sft, "blind": blind}
        rows = [
            {
                "arm": arm,
                "qa_id": f"qa_{first_id + i:04d}",
                "clip_id": f"clip_{i}",
                "category": ("Counting", "Rotational")[i % 2],
                "group": f"vid_{i % groups}",
                "answer_index": i % 4 if i >= changed else (i + 1) % 4,
                "correct": value,
            }
            for arm, count in arms.items()
            for i, value in enumerate(count if isinstance(count, list) else correct_until(count))
        ]
        write_table(folder / "predictions.parquet", pl.DataFrame(rows), sort_by=["arm", "qa_id"])
        inputs = StageInputs(
            stage=stage_named("champion"),
            all_params=tiny.params(promotion=promotion),
            folders={"evaluation": folder, "student_p4d": folder},
            versions={"evaluation": evaluation, "student_p4d": model},
            previous=self.champion,
        )
        out = self.root / f"champion{self.runs}"
        build_champion(inputs, out)
        self.champion = out
        return read_json(out / "decision.json")


@pytest.fixture
def project(tmp_path):
    return Evaluations(tmp_path)


def test_the_first_challenger_is_promoted_and_its_answers_are_kept(project):
    decision = project.decide("md5:a", 40)
    assert decision["decision"] == "promoted"
    assert decision["incumbent"] is None
    assert decision["champion"] == "md5:a"
    assert "no champion yet" in decision["reasons"]
    assert decision["evidence"]["over_student_sft"]["value"] == pytest.approx(20 / 60)
    kept = pl.read_parquet(project.champion / "champion_answers.parquet")
    assert kept["correct"].sum() == 40


@pytest.mark.parametrize("blind", [20, 19, 40])
def test_a_first_challenger_not_clearly_better_than_blind_is_refused(project, blind):
    decision = project.decide("md5:a", 20, blind=blind)
    assert decision["decision"] == "refused"
    assert decision["champion"] is None
    assert decision["incumbent"] is None
    (reason,) = (r for r in decision["reasons"] if "student_blind" in r)
    assert "lower bound is not above 0" in reason
    assert not (project.champion / "champion_answers.parquet").exists()


def test_how_much_better_than_blind_a_first_champion_must_be_is_a_parameter(project):
    asked = {"first_min_gain_over_blind": 0.3}
    assert project.decide("md5:a", 30, blind=15, **asked)["decision"] == "refused"
    assert project.decide("md5:b", 45, blind=15, **asked)["decision"] == "promoted"


def test_asking_for_nothing_lets_a_first_challenger_at_chance_in(project):
    decision = project.decide("md5:a", 20, blind=20, first_min_gain_over_blind=-1.0)
    assert decision["decision"] == "promoted"
    assert decision["rule"]["first_min_gain_over_blind"] == -1.0


def test_a_first_challenger_clearly_worse_than_plain_fine_tuning_is_refused(project):
    decision = project.decide("md5:a", 20, sft=40, blind=5)
    assert decision["decision"] == "refused"
    (reason,) = (r for r in decision["reasons"] if "upper bound is below" in r)
    assert "student_sft" in reason


def test_a_first_champion_needs_enough_groups_of_videos_too(project):
    decision = project.decide("md5:a", 55, groups=4)
    assert decision["decision"] == "refused"
    assert any("4 groups of videos" in reason for reason in decision["reasons"])


def test_after_a_refused_first_challenger_the_next_one_is_still_the_first(project):
    project.decide("md5:a", 5)
    decision = project.decide("md5:b", 30)
    assert decision["decision"] == "promoted"
    assert "no champion yet" in decision["reasons"]
    assert [record["champion"] for record in read_ledger(project.champion)] == [None, "md5:b"]
    assert project.decide("md5:c", 50)["incumbent"] == "md5:b"


def test_too_few_groups_of_videos_replace_no_champion(project):
    project.decide("md5:a", 30)
    decision = project.decide("md5:b", QUESTIONS, groups=19)
    assert decision["decision"] == "refused"
    assert any("19 groups of videos" in reason for reason in decision["reasons"])
    assert project.decide("md5:b", QUESTIONS, groups=20)["decision"] == "promoted"


def test_a_protected_category_that_is_not_asked_about_is_a_reason_to_refuse(project):
    decision = project.decide("md5:a", 40, protected_categories=["Spatial Relation"])
    assert decision["decision"] == "refused"
    assert (
        "protected category Spatial Relation has no question in the test split"
        in (decision["reasons"])
    )


def test_a_clear_gain_over_the_incumbent_promotes(project):
    project.decide("md5:a", 30)
    decision = project.decide("md5:b", 45)
    assert decision["decision"] == "promoted"
    assert decision["compared_with"] == "incumbent"
    assert decision["incumbent"] == "md5:a"
    assert decision["evidence"]["over_compared"]["Average"]["value"] == pytest.approx(15 / 60)


def test_a_gain_within_the_noise_is_refused_and_the_champion_stays(project):
    project.decide("md5:a", 30)
    decision = project.decide("md5:b", [i < 30 or i == 59 for i in range(QUESTIONS)])
    assert decision["decision"] == "refused"
    assert decision["champion"] == "md5:a"
    assert pl.read_parquet(project.champion / "champion_answers.parquet")["correct"].sum() == 30


def test_the_refused_are_compared_with_the_champion_and_not_with_each_other(project):
    project.decide("md5:a", 40)
    project.decide("md5:b", 10)
    decision = project.decide("md5:c", 30)
    assert decision["decision"] == "refused"
    assert decision["incumbent"] == "md5:a"


def test_a_least_gain_can_be_asked_for(project):
    project.decide("md5:a", 30)
    assert project.decide("md5:b", 45, min_gain=0.2)["decision"] == "refused"


def test_a_fall_in_a_protected_category_blocks_even_a_clear_gain(project):
    project.decide("md5:a", [i % 2 == 0 and i < 30 for i in range(QUESTIONS)])
    better = [i % 2 == 1 or i < 4 for i in range(QUESTIONS)]
    protected = {"protected_categories": ["Counting"], "max_category_drop": 0.15}
    decision = project.decide("md5:b", better, **protected)
    assert decision["decision"] == "refused"
    assert any("Counting fell" in reason for reason in decision["reasons"])
    assert project.decide("md5:b", better)["decision"] == "promoted"


def test_a_champion_that_answered_other_questions_is_not_compared(project):
    project.decide("md5:a", 59)
    decision = project.decide("md5:b", 45, first_id=1000)
    assert decision["compared_with"] == "student_sft"
    assert decision["decision"] == "promoted"
    assert any("too few to compare" in reason for reason in decision["reasons"])


def test_questions_whose_answer_changed_are_left_out_of_the_comparison(project):
    project.decide("md5:a", 30)
    decision = project.decide("md5:b", 45, changed=10)
    assert decision["evidence"]["changed_since_incumbent"] == 10
    assert decision["evidence"]["over_compared"]["Average"]["n"] == QUESTIONS - 10
    assert decision["evidence"]["shared_with_incumbent"] == pytest.approx(50 / 60)
    assert any("10 questions have another answer" in reason for reason in decision["reasons"])
    assert project.decide("md5:c", 45, changed=40)["compared_with"] == "incumbent"


def test_an_earlier_decision_is_not_restored_over_a_later_champion(project):
    project.decide("md5:a", 30, evaluation="md5:first")
    project.decide("md5:b", 45, evaluation="md5:second")
    decision = project.decide("md5:a", 30, evaluation="md5:first")
    assert decision["decision"] == "refused"
    assert decision["champion"] == decision["incumbent"] == "md5:b"
    assert [r["champion"] for r in read_ledger(project.champion)] == ["md5:a", "md5:b", "md5:b"]
    assert pl.read_parquet(project.champion / "champion_answers.parquet")["correct"].sum() == 45


def test_the_champion_does_not_challenge_itself(project):
    project.decide("md5:a", 30)
    decision = project.decide("md5:a", 55)
    assert decision["decision"] == "refused"
    assert decision["champion"] == "md5:a"


def test_the_ledger_only_grows_and_the_same_evaluation_is_not_counted_twice(project):
    project.decide("md5:a", 30)
    first = (project.champion / "champions.jsonl").read_text()
    project.decide("md5:b", 45, evaluation="md5:second")
    second = (project.champion / "champions.jsonl").read_text()
    assert second.startswith(first)
    before = {path.name: path.read_bytes() for path in project.champion.iterdir()}
    project.decide("md5:b", 45, evaluation="md5:second")
    assert {path.name: path.read_bytes() for path in project.champion.iterdir()} == before
    assert [record["order"] for record in read_ledger(project.champion)] == [1, 2]


def test_a_damaged_ledger_stops_the_decision(project):
    project.decide("md5:a", 30)
    ledger = project.champion / "champions.jsonl"
    ledger.write_text(ledger.read_text()[:-20])
    with pytest.raises(ContractError, match="line 1"):
        project.decide("md5:b", 45)


def test_a_champion_without_its_answers_stops_the_decision(project):
    project.decide("md5:a", 30)
    (project.champion / "champion_answers.parquet").unlink()
    with pytest.raises(ContractError, match="champion_answers"):
        project.decide("md5:b", 45)


def test_versions_of_the_inputs_must_be_known(project):
    with pytest.raises(ContractError, match="needs the data version"):
        build_champion(
            StageInputs(stage=stage_named("champion"), all_params=tiny.params(), folders={}),
            project.root / "out",
        )
