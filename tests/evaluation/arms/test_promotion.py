import json
import math

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
        first_frame=15,
        first_id=0,
        evaluation=None,
        groups=QUESTIONS,
        changed=0,
        **promotion,
    ):
        self.runs += 1
        evaluation = evaluation or f"md5:evaluation{self.runs}"
        folder = self.root / f"evaluation{self.runs}"
        arms = {"p4d": right, "sft": sft, "blind": blind, "p4d_first_frame": first_frame}
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
            if count is not None
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


def test_a_category_that_is_shown_to_fall_blocks_even_a_clear_gain(project):
    """Counting falls from 30 of 30 to 2, Rotational rises from 0 to 30: no one protects either."""
    project.decide("md5:a", [i % 2 == 0 for i in range(QUESTIONS)], sft=0)
    better = [i % 2 == 1 or i < 4 for i in range(QUESTIONS)]
    decision = project.decide("md5:b", better, min_gain=-0.9)
    assert decision["decision"] == "refused"
    (reason,) = (r for r in decision["reasons"] if "category Counting fell" in r)
    assert "corrected for 2 looks" in reason
    simultaneous = decision["evidence"]["categories_simultaneous"]["Counting"]
    assert simultaneous["high"] < -0.15
    allowed = project.decide("md5:b", better, min_gain=-0.9, max_category_drop=1.0)
    assert allowed["decision"] == "promoted"


def test_a_small_fall_counts_in_a_protected_category_only(project):
    """Three of 30 lost do not show a fall beyond 15 points, nor do they exclude one."""
    project.decide("md5:a", [i % 2 == 0 for i in range(QUESTIONS)], sft=0)
    better = [i % 2 == 1 or i >= 6 for i in range(QUESTIONS)]
    protected = {"protected_categories": ["Counting"], "max_category_drop": 0.15}
    decision = project.decide("md5:b", better, **protected)
    assert decision["decision"] == "refused"
    (reason,) = (r for r in decision["reasons"] if "Counting may have fallen" in r)
    assert "do not exclude a fall of more than 0.15" in reason
    assert project.decide("md5:b", better, max_category_drop=0.15)["decision"] == "promoted"


def test_a_champion_without_weights_is_not_replaced_on_other_questions(project):
    """Nothing else stands in for it: a weak student_sft must not promote a worse challenger."""
    project.decide("md5:a", 59)
    decision = project.decide("md5:b", 45, first_id=1000)
    assert decision["decision"] == "refused"
    assert decision["champion"] == "md5:a"
    assert any("too few to compare" in reason for reason in decision["reasons"])
    assert decision["error_rate"]["spent"] is False


def test_a_first_challenger_must_use_more_than_the_first_frame(project):
    decision = project.decide("md5:a", 40, blind=5, first_frame=40)
    assert decision["decision"] == "refused"
    (reason,) = (r for r in decision["reasons"] if "first frame" in r and "gain" in r)
    assert "nothing shows that it uses anything but the first frame" in reason
    asked = {"first_min_gain_over_first_frame": -1.0}
    assert project.decide("md5:a", 40, blind=5, first_frame=40, **asked)["decision"] == "promoted"


def test_an_evaluation_without_the_first_frame_control_decides_nothing(project):
    with pytest.raises(ContractError, match="0 answers of p4d_first_frame to 60 questions"):
        project.decide("md5:a", 40, first_frame=None)


def test_each_refusal_is_a_try_and_lowers_the_error_rate_of_the_next(project):
    project.decide("md5:a", 30)
    tries = [project.decide(f"md5:{k}", 31)["error_rate"] for k in "bcd"]
    assert [each["try"] for each in tries] == [1, 2, 3]
    first = 0.05 * 6 / math.pi**2
    expected = [pytest.approx(first / k**2, rel=1e-5) for k in (1, 2, 3)]
    assert [each["alpha_of_try"] for each in tries] == expected
    decision = project.decide("md5:e", 55)
    assert decision["decision"] == "promoted"
    assert any("try 4 against this champion" in reason for reason in decision["reasons"])
    assert project.decide("md5:f", 56)["error_rate"]["try"] == 1  # against another champion


def test_other_questions_or_another_rule_do_not_reset_the_tries(project):
    project.decide("md5:a", 30)
    project.decide("md5:b", 31, evaluation="md5:one")
    project.decide("md5:b", 31, evaluation="md5:one", min_gain=0.01)
    decision = project.decide("md5:b", 31, first_id=2, evaluation="md5:two")
    assert decision["error_rate"]["try"] == 3


def test_a_decision_that_could_not_promote_is_no_try(project):
    project.decide("md5:a", 30)
    assert project.decide("md5:b", 55, groups=19)["error_rate"]["spent"] is False
    assert project.decide("md5:a", 55)["error_rate"]["spent"] is False  # the champion itself
    assert project.decide("md5:c", 31)["error_rate"] == {
        "alpha": 0.05, "alpha_of_try": 0.0303964, "spent": True, "try": 1,
    }  # fmt: skip


def test_a_late_try_needs_a_clearer_gain(project):
    """A gain that promotes the first challenger is refused at the fortieth."""
    project.decide("md5:a", 30)
    better = [i < 37 and i != 3 for i in range(QUESTIONS)]
    for number in range(40):
        project.decide(f"md5:{number}", 30)
    assert project.decide("md5:late", better)["decision"] == "refused"
    again = Evaluations(project.root / "again")
    again.decide("md5:a", 30)
    assert again.decide("md5:early", better)["decision"] == "promoted"


def test_decisions_of_versions_that_did_not_count_are_tries(project):
    project.decide("md5:a", 30)
    project.decide("md5:b", 31)
    ledger = project.champion / "champions.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for line in lines:
        del line["error_rate"]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert project.decide("md5:c", 31)["error_rate"]["try"] == 2


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
