import pytest

from p4d.errors import GateError
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run import run_stage as run_module
from p4d.versioning.state import plan as plan_module
from p4d.versioning.state.check_records import record_checks
from p4d.versioning.state.plan import Batch, in_order, make_plan
from p4d.versioning.state.workspace import status
from tests.versioning.fake import SHARDS

GATES = {"label": ("finite",)}


def plan_of(fake, *, gates=GATES, checks_version="today"):
    return make_plan(fake.project, gates=gates, checks_version=checks_version)


def check_all(fake, made, *, bad=()):
    for shard in SHARDS:
        check = CheckResult(
            name="finite", passed=shard not in bad, severity="critical", description="finite"
        )
        version = made[f"label@{shard}"].version
        record_checks(
            fake.project,
            version,
            [check],
            run_id="r",
            checks_version="today",
            gates=GATES,
        )


def not_fresh(fake):
    return {str(s.key) for s in status(fake.project) if s.state != "fresh"}


def test_an_empty_project_wants_everything_in_an_order_in_which_it_can_run(fake):
    plan = plan_of(fake)
    assert in_order(fake.project, plan.wanted) == [
        Batch(shard=None, stages=("teach",)),
        *(Batch(shard=shard, stages=("take", "label")) for shard in SHARDS),
        Batch(shard=None, stages=("gather", "choose")),
    ]
    assert plan.blocked == {}


def test_what_is_made_and_judged_is_not_wanted_until_something_changes(fake):
    check_all(fake, fake.make_all())
    assert plan_of(fake).wanted == frozenset()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    assert plan_of(fake).wanted == {
        ArtifactKey("teach"),
        *(ArtifactKey("label", shard) for shard in SHARDS),
        ArtifactKey("gather"),
        ArtifactKey("choose"),
    }


def test_a_verdict_of_other_gates_is_asked_for_again(fake):
    made = fake.make_all()
    unchecked = {ArtifactKey("label", shard) for shard in SHARDS}
    assert plan_of(fake).wanted >= unchecked
    check_all(fake, made)
    assert plan_of(fake).wanted == frozenset()
    assert plan_of(fake, checks_version="tomorrow").wanted >= unchecked


def test_a_shard_that_fails_after_the_fan_in_makes_it_stale_and_passing_again_does_too(fake):
    made = fake.make_all()
    check_all(fake, made)
    bad = ArtifactKey("label", SHARDS[0])
    for failed, excluded in ((SHARDS[:1], {SHARDS[0]: "label failed finite"}), ((), {})):
        check_all(fake, made, bad=failed)
        assert not_fresh(fake) == set(fake.dvc_status()) == {"gather"}
        plan = plan_of(fake)
        assert set(plan.blocked) == ({bad} if failed else set())
        assert plan.wanted == {ArtifactKey("gather"), ArtifactKey("choose")}
        gathered = fake.make("gather", gates=GATES)
        assert (gathered.skipped, gathered.excluded) == (False, excluded)
        fake.make("choose", gates=GATES)
        assert not_fresh(fake) == set(fake.dvc_status()) == set()
        plan = plan_of(fake)
        assert plan.wanted == frozenset()
        assert all("failed finite" in reason for reason in plan.blocked.values())


def test_what_reads_a_blocked_artifact_of_the_same_shard_waits(fake):
    made = {key: fake.make(key) for key in ("teach", *(f"take@{shard}" for shard in SHARDS))}
    gates = {"take": ("finite",)}
    for shard in SHARDS:
        check = CheckResult(
            name="finite", passed=shard != SHARDS[0], severity="critical", description="finite"
        )
        version = made[f"take@{shard}"].version
        record_checks(
            fake.project, version, [check], run_id="r", checks_version="today", gates=gates,
        )  # fmt: skip
    plan = plan_of(fake, gates=gates)
    assert plan.wanted == {
        ArtifactKey("label", SHARDS[1]), ArtifactKey("gather"), ArtifactKey("choose"),
    }  # fmt: skip
    fake.make(f"label@{SHARDS[1]}", gates=gates)
    # The failed check is of a stage above the one that the fan-in reads.
    assert fake.make("gather", gates=gates).excluded == {SHARDS[0]: "take failed finite"}


def test_results_of_older_ledgers_count(fake):
    made = fake.make_all()
    for shard in SHARDS:
        body = {"stage": "label", "shard": shard, "md5": made[f"label@{shard}"].md5,
                "name": "finite", "passed": True, "judge": "today"}  # fmt: skip
        Ledger(fake.project).append("check", body)
    assert plan_of(fake).wanted == frozenset()


def test_without_gates_handed_in_all_gates_count(fake, monkeypatch):
    monkeypatch.setattr(plan_module, "blocking_gates", lambda: GATES)
    monkeypatch.setattr(run_module, "blocking_gates", lambda: GATES)
    fake.make(f"take@{SHARDS[0]}")
    fake.make("teach")
    fake.make(f"label@{SHARDS[0]}")
    with pytest.raises(GateError, match="was never checked by finite"):
        fake.make("gather")
    wanted = make_plan(fake.project, checks_version="today").wanted
    assert ArtifactKey("label", SHARDS[0]) in wanted
