from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.state.check_records import record_checks
from p4d.versioning.state.plan import Batch, in_order, make_plan
from tests.versioning.fake import SHARDS

GATES = {"label": ("finite",)}


def plan_of(fake, *, gates=GATES, judge="today"):
    return make_plan(fake.project, gates=gates, judge=judge)


def judge_all(fake, made, *, bad=()):
    for shard in SHARDS:
        check = CheckResult(
            name="finite", passed=shard not in bad, severity="critical", description="finite"
        )
        version = made[f"label@{shard}"].version
        record_checks(fake.project, version, [check], run_id="r", judge="today")


def test_an_empty_project_wants_everything_in_an_order_in_which_it_can_run(fake):
    plan = plan_of(fake)
    assert in_order(fake.project, plan.wanted) == [
        Batch(shard=None, stages=("teach",)),
        *(Batch(shard=shard, stages=("take", "label")) for shard in SHARDS),
        Batch(shard=None, stages=("gather", "choose")),
    ]
    assert plan.held == {}


def test_what_is_made_and_judged_is_not_wanted_until_something_changes(fake):
    judge_all(fake, fake.make_all())
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
    unjudged = {ArtifactKey("label", shard) for shard in SHARDS}
    assert plan_of(fake).wanted >= unjudged
    judge_all(fake, made)
    assert plan_of(fake).wanted == frozenset()
    assert plan_of(fake, judge="tomorrow").wanted >= unjudged


def test_a_refused_shard_is_held_back_and_the_others_are_not(fake):
    judge_all(fake, fake.make_all(), bad=SHARDS[:1])
    plan = plan_of(fake)
    assert list(plan.held) == [ArtifactKey("label", SHARDS[0])]
    assert "failed finite" in plan.held[ArtifactKey("label", SHARDS[0])]
    assert plan.wanted == frozenset()
