"""Nothing opens the test split before a choice on the validation split is in the history."""

import dataclasses
import subprocess

import pytest

from benchmarks.distillation.choices import FILE, apply, committed_choices, write_choices
from benchmarks.distillation.plan import (
    ALL_CLIPS,
    CANDIDATES,
    CHOICES,
    EXCLUDED,
    FEW,
    LONGER,
    MAPS,
    MUON,
    NEW_ENCODER,
    REGIONS_FIRST,
    REGIONS_LENGTH,
    STEPS,
    RunSpec,
    plan,
    settings,
)
from benchmarks.distillation.run import is_done, student_code
from benchmarks.machine import clean_commit
from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError


@pytest.fixture
def checkout(tmp_path):
    for command in (
        ["init", "-q"],
        ["config", "user.email", "a@b"],
        ["config", "user.name", "a"],
        ["commit", "-q", "--allow-empty", "-m", "nothing yet"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def commit_all(checkout):
    subprocess.run(["git", "add", "-A"], cwd=checkout, check=True)
    subprocess.run(["git", "commit", "-qm", "choices"], cwd=checkout, check=True)


def results(best, accuracy=0.4, code="abc"):
    return {
        run.name: {
            "val_accuracy": accuracy + (0.1 if run.name in best else 0.0),
            "cpu_s": 10.0,
            "commit": f"commit of {run.name}",
            "student_code": f"{code} {run.stage}",
        }
        for run in CANDIDATES
    }


def test_the_test_split_stays_closed_until_choices_are_committed(checkout):
    with pytest.raises(ContractError, match=r"missing, so the test split stays closed.*choose"):
        committed_choices(checkout, "corpus_a")
    write_choices(checkout, results({"choose_sft-101"}), "corpus_a", asked=70)
    with pytest.raises(ContractError, match="not committed"):
        committed_choices(checkout, "corpus_a")
    commit_all(checkout)
    assert committed_choices(checkout, "corpus_a")["questions"] == 70
    assert committed_choices(checkout, None)["corpus"] == "corpus_a"
    with pytest.raises(ContractError, match="chosen on corpus_a, and corpus_b is there now"):
        committed_choices(checkout, "corpus_b")
    write_json(checkout / FILE, {**read_json(checkout / FILE), "questions": 71})
    with pytest.raises(ContractError, match="not committed"):
        committed_choices(checkout, "corpus_a")


def test_the_best_setting_of_each_arm_is_chosen(checkout):
    best = {"choose_sft_new-101", "choose_p4d_regions-101"}
    found = write_choices(checkout, results(best), "corpus_a", asked=70)
    assert set(found["chosen"]) == set(CHOICES)
    assert found["chosen"]["sft"]["base"] == NEW_ENCODER
    assert found["chosen"]["p4d"]["distillation"] == REGIONS_FIRST
    assert {row["name"] for row in found["candidates"]} == {run.name for run in CANDIDATES}
    assert found["excluded"] == EXCLUDED
    sft, p4d = (apply(run, found) for run in plan(1, None)[:2])
    assert (sft.base, dict(sft.training)) == (NEW_ENCODER, MUON)
    assert (p4d.base, p4d.distillation["until_fraction"]) == (NEW_ENCODER, 1.0)
    longer = next(run for run in plan(1, None) if run.arm == "sft_longer")
    assert apply(longer, found).length == LONGER


def test_sft_has_no_fewer_candidates_than_p4d():
    of = [run.chooses for run in CANDIDATES]
    assert of.count("sft") >= of.count("p4d") >= 1


def test_with_few_questions_both_arms_start_from_equal_weights():
    sft, p4d = (apply(run, {}) for run in plan(1, None)[2:4])
    assert (sft.arm, p4d.arm) == ("sft_few", "p4d_few")
    for one in ("release", "base", "training", "seed"):
        assert getattr(sft, one) == getattr(p4d, one)
    assert (sft.release, sft.distillation) == (FEW, {})
    assert p4d.distillation["unlabelled_clips"] == ALL_CLIPS["unlabelled_clips"]


def test_candidates_use_other_seeds_than_the_arms_and_another_split():
    arms = plan(5, 1.1)
    assert "p4d_equal_time-4" in {run.name for run in arms}
    assert "p4d_equal_time-0" not in {run.name for run in plan(5, 0.9)}  # P4D itself is it
    assert not {run.seed for run in CANDIDATES} & {run.seed for run in arms}
    assert {run.split for run in CANDIDATES} == {"val"}
    assert {run.split for run in arms} == {"test"}


def test_a_run_keeps_what_it_changes_itself():
    exact = next(run for run in plan(1, None) if run.arm == "p4d_exact")
    setting = {
        "base": NEW_ENCODER,
        "length": 1.0,
        "training": {},
        "distillation": {"latents": True, "x": 1},
    }
    found = apply(exact, {"chosen": {"p4d": setting}})
    assert found.distillation["latents"] is False
    assert found.distillation["x"] == 1
    assert found.base == NEW_ENCODER
    assert apply(RunSpec("text_only"), {"chosen": {}}) == RunSpec("text_only")


def test_controls_that_distil_maps_do_not_distil_at_regions(checkout):
    write_choices(checkout, results({"choose_p4d_regions-101"}), "corpus_a", asked=70)
    found = read_json(checkout / FILE)
    at = {run.arm: apply(run, found) for run in plan(1, None) if run.chosen_as == "p4d"}
    of = {arm: settings(STEPS, run).distillation for arm, run in at.items()}
    assert (of["p4d"].region_share, of["p4d"].modalities) == (1.0, ())
    for arm in ("p4d_exact", "explicit_only", "latents_and_maps"):
        assert (of[arm].region_share, of[arm].modalities) == (0.0, MAPS), arm
    assert (of["latent_only"].region_share, of["latent_only"].modalities) == (0.0, ())
    assert of["regions_and_maps"].region_share == 0.5
    assert {run.length for run in at.values()} == {REGIONS_LENGTH}


def test_a_choice_needs_every_candidate_of_one_code(checkout):
    some = results(set())
    del some["choose_sft-101"]
    with pytest.raises(ContractError, match="choose_sft-101"):
        write_choices(checkout, some, "corpus_a", asked=70)
    mixed = results(set())
    mixed["choose_sft-101"]["student_code"] = "def"
    with pytest.raises(ContractError, match="student_sft were trained by different code"):
        write_choices(checkout, mixed, "corpus_a", asked=70)
    assert not (checkout / FILE).exists()


def test_a_candidate_counts_in_a_later_commit_only_of_the_same_code(tmp_path):
    candidate = CANDIDATES[0]
    arm = dataclasses.replace(candidate, arm="sft", role="arm")
    for run in (candidate, arm):
        row = {
            "corpus": "corpus_a",
            "commit": "then",
            "run": dataclasses.asdict(run),
            "student_code": student_code(run),
        }
        write_json(tmp_path / "runs" / f"{run.name}.json", row)
        assert is_done(tmp_path, run, "corpus_a", "then")
        assert is_done(tmp_path, run, "corpus_a", "now") == (run is candidate)
        assert not is_done(tmp_path, run, "corpus_b", "then")
    changed = read_json(tmp_path / "runs" / f"{candidate.name}.json") | {"student_code": "other"}
    write_json(tmp_path / "runs" / f"{candidate.name}.json", changed)
    assert not is_done(tmp_path, candidate, "corpus_a", "now")
    longer = dataclasses.replace(candidate, length=2.0)
    assert not is_done(tmp_path, longer, "corpus_a", "then")


def test_a_tree_with_changes_is_refused(checkout):
    assert len(clean_commit(checkout)) == 12
    (checkout / "new.py").write_text("x = 1\n")
    with pytest.raises(ContractError, match=r"uncommitted changes \(new.py\)"):
        clean_commit(checkout)
    (checkout / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(ContractError, match=r"uncommitted changes \(new.py\)"):
        clean_commit(checkout, written=("params.yaml",))
    (checkout / "new.py").unlink()
    assert len(clean_commit(checkout, written=("params.yaml",))) == 12


def test_every_control_of_a_comparison_is_a_run_of_its_own():
    names = [run.name for run in plan(5, 1.1)]
    assert len(names) == len(set(names))
    assert {
        "first_frame-0", "teacher_cues-0", "frame_differences-0", "other_clips-0",
        "labels_as_text-0", "p4d_exact-0", "teacher_features-0", "time_none-0", "sft_longer-4",
    } <= set(names)  # fmt: skip
    untimed = [run for run in plan(1, None) if run.untimed]
    assert {run.base_folder for run in untimed} == {"base_student_untimed"}
    assert dataclasses.replace(untimed[0], base=NEW_ENCODER).base_folder.endswith("new_untimed")
