"""An unseen look on which questions are untrue blocks the expert that labelled it."""

from __future__ import annotations

from pathlib import Path

import pytest

from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError
from p4d.quality.gates import GATES
from p4d.quality.look_gates import (
    RECORD,
    newest_look_held,
    record_first_run,
    record_looks,
    unseen_looks_are_measured,
    unseen_looks_hold,
)

ROOT = Path(__file__).parents[2]
DIGEST = "a" * 64


@pytest.fixture
def expert(tmp_path: Path) -> Path:
    write_json(tmp_path / "card.json", {"digest": DIGEST})
    return tmp_path


def look(asked: int, untrue: int, unjudged: int = 0) -> dict[str, object]:
    return {
        "clips": 60, "asked": asked, "untrue": untrue, "marks_on_nothing": 0,
        "unjudged": unjudged, "more": 1,
    }  # fmt: skip


def test_a_look_that_fails_is_an_offender(expert: Path) -> None:
    path = expert / "looks.json"
    record_looks(DIGEST, {"one": look(200, 6), "other": look(200, 7)}, "measured", path)
    metrics, offenders = unseen_looks_hold(expert, path)
    assert metrics == {"looks": 2}
    assert offenders.to_dicts() == [
        {"look": "other", "asked": 200, "judged": 200, "untrue": 7, "reason": "too many are untrue"}
    ]


def test_looks_that_are_measured_one_by_one_add_up(expert: Path) -> None:
    path = expert / "looks.json"
    record_looks(DIGEST, {"one": look(200, 0), "other": look(200, 7)}, "both", path)
    record_looks(DIGEST, {"other": look(300, 0)}, "again", path)
    looks = read_json(path)[DIGEST]["looks"]
    assert {name: (each["asked"], each["command"]) for name, each in looks.items()} == {
        "one": (200, "both"), "other": (300, "again"),
    }  # fmt: skip
    assert unseen_looks_hold(expert, path)[1].is_empty()


def test_a_look_of_which_little_was_judged_is_an_offender(expert: Path) -> None:
    path = expert / "looks.json"
    looks = {"few": look(6, 0), "unjudged": look(100, 0, 41), "enough": look(100, 0, 40)}
    record_looks(DIGEST, looks, "measured", path)
    _, offenders = unseen_looks_hold(expert, path)
    assert offenders.select("look", "judged").rows() == [("few", 6), ("unjudged", 59)]


def test_a_record_of_before_says_nothing_of_the_unjudged(expert: Path) -> None:
    path = expert / "looks.json"
    old = {"clips": 60, "asked": 84, "untrue": 0, "marks_on_nothing": 0}
    write_json(path, {DIGEST: {"command": "measured", "looks": {"one": old}}})
    assert unseen_looks_hold(expert, path)[1].is_empty()


def test_records_of_other_experts_do_not_count(expert: Path) -> None:
    path = expert / "looks.json"
    record_looks("b" * 64, {"one": look(200, 100), "other": look(200, 100)}, "measured", path)
    assert unseen_looks_hold(expert, path)[1].is_empty()
    assert unseen_looks_are_measured(expert, path)[1].to_dicts() == [{"looks": 0, "needed": 2}]
    record_looks(DIGEST, {"one": look(60, 0), "other": look(90, 0)}, "measured", path)
    assert unseen_looks_are_measured(expert, path)[1].is_empty()
    assert unseen_looks_hold(expert, path)[1].is_empty()


def test_the_newest_look_counts_as_it_was_at_its_first_run(expert: Path) -> None:
    path = expert / "looks.json"
    record_first_run(DIGEST, "old", look(200, 50), "first", path)
    record_first_run(DIGEST, "new", look(128, 8), "second", path)
    record_looks(DIGEST, {"new": look(128, 0)}, "with other rules", path)
    metrics, offenders = newest_look_held(expert, path)
    assert metrics == {"first_runs": 2}
    assert offenders.select("look", "judged", "untrue").rows() == [("new", 128, 8)]
    assert unseen_looks_hold(expert, path)[1].is_empty()
    record_first_run(DIGEST, "third", look(128, 1), "third", path)
    assert newest_look_held(expert, path)[1].is_empty()


def test_a_look_is_opened_once(expert: Path) -> None:
    path = expert / "looks.json"
    record_first_run(DIGEST, "new", look(128, 8), "first", path)
    with pytest.raises(ContractError, match="a look is new once"):
        record_first_run(DIGEST, "new", look(128, 0), "again", path)


def test_the_shipped_first_runs_are_those_of_the_benchmark() -> None:
    (recorded,) = read_json(RECORD).values()
    measured = read_json(ROOT / "benchmarks/results/reality.json")["looks"]["first_runs"]
    assert {run["look"] for run in recorded["first_runs"]} == set(measured)
    for run in recorded["first_runs"]:
        assert run.items() <= (measured[run["look"]] | {"look": run["look"]}).items()


def test_an_expert_without_a_digest_cannot_pass(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"card\.json"):
        unseen_looks_hold(tmp_path)


def test_the_gate_blocks() -> None:
    found = {gate.name: gate.blocking for gate in GATES["expert"]}
    assert found["unseen_looks_hold"]
    assert not found["unseen_looks_are_measured"]
    assert not found["newest_look_held"]
