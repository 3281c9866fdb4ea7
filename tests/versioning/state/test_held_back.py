from p4d.quality.results import CheckResult
from p4d.versioning.state.check_records import record_checks
from p4d.versioning.state.held_back import held_back
from tests.versioning.fake import SHARDS

GATES = {"take": ("sized",), "label": ("finite",), "teach": ("finite",)}


def check(fake, made, name, passed, **metrics):
    result = CheckResult(
        name=GATES[name.partition("@")[0]][0],
        passed=passed,
        severity="critical",
        description="It is.",
        metrics=metrics,
        sample=() if passed else ({"clip_id": "c1"},),
    )
    record_checks(fake.project, made[name].version, [result], run_id="r", gates=GATES)


def lines(fake):
    return [(str(each.key), each.summary, each.rows) for each in held_back(fake.project, GATES)]


def test_a_failed_shard_names_its_check_what_it_found_and_what_waits(fake):
    made = fake.make_all()
    assert lines(fake) == []
    check(fake, made, f"take@{SHARDS[0]}", False, rows=3, unexpected=2)
    text = "failed sized (2 of 3 rows beyond the limit; for example clip_id c1); waiting: label"
    assert lines(fake) == [(f"take@{SHARDS[0]}", text, ["sized: clip_id c1"])]
    check(fake, made, f"take@{SHARDS[0]}", True, rows=3)
    assert lines(fake) == []


def test_what_has_no_shard_holds_back_everything_below(fake):
    made = fake.make_all()
    check(fake, made, "teach", False)
    ((name, text, _),) = lines(fake)
    assert name == "teach"
    assert text.endswith("waiting: label, gather, choose")


def test_a_version_that_is_to_be_made_again_is_not_held_back(fake):
    made = fake.make_all()
    check(fake, made, "teach", False)
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    assert lines(fake) == []
