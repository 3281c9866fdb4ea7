"""What a stage may read, and what is refused."""

import json

import pytest

from p4d.errors import GateError, PublishError
from p4d.quality.results import CheckResult
from p4d.versioning.state.check_records import record_checks
from tests.versioning.fake import SHARDS

FIRST, SECOND = SHARDS


def record(fake, made, *, passed, name="good", severity="critical"):
    result = CheckResult(name=name, passed=passed, severity=severity, description="is good")
    gates = {made.key.stage: (name,)}
    record_checks(fake.project, made.version, [result], run_id="r", gates=gates)


def test_inputs_that_are_not_as_recorded_are_refused(fake):
    with pytest.raises(PublishError, match=f"missing: data/take/{FIRST}, data/teach"):
        fake.make(f"label@{FIRST}")
    fake.make_all()
    weights = fake.out("teach") / "weights.safetensors"
    weights.write_text("edited")
    with pytest.raises(PublishError, match=r"data/teach was edited.*dvc checkout -f teach"):
        fake.make(f"label@{FIRST}")
    fake.dvc("checkout", "-f", "teach")
    assert fake.make(f"label@{FIRST}").skipped


def test_an_input_is_read_only_when_its_own_version_passed_the_gates(fake):
    gates = {"take": ("good",)}
    made = fake.make(f"take@{FIRST}")
    fake.make("teach")
    with pytest.raises(GateError, match="was never checked by good"):
        fake.make(f"label@{FIRST}", gates=gates)
    record(fake, made, passed=False)
    with pytest.raises(GateError, match=f"of take@{FIRST} failed good"):
        fake.make(f"label@{FIRST}", gates=gates)
    record(fake, made, passed=True)
    assert not fake.make(f"label@{FIRST}", gates=gates).skipped
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    fake.make(f"take@{FIRST}")
    with pytest.raises(GateError, match="was never checked"):  # the new version was not
        fake.make(f"label@{FIRST}", gates=gates)


def test_a_fan_in_leaves_out_what_failed_or_is_not_made_and_takes_it_in_later(fake):
    gates = {"label": ("good",)}
    for key in ("teach", f"take@{FIRST}", f"take@{SECOND}", f"label@{FIRST}"):
        made = fake.make(key)
    with pytest.raises(GateError, match=f"label@{FIRST} was never checked by good; `make up`"):
        fake.make("gather", gates=gates)
    record(fake, made, passed=False)
    with pytest.raises(GateError, match=f"no shard to read .*{FIRST}: label failed good"):
        fake.make("gather", gates=gates)
    record(fake, made, passed=True)
    first = fake.make("gather", gates=gates)
    assert first.excluded == {SECOND: f"label@{SECOND} was never made"}
    assert json.loads((fake.out("gather") / "excluded.json").read_text()) == first.excluded
    second = fake.make(f"label@{SECOND}")
    record(fake, second, passed=False)
    assert fake.make("gather", gates=gates).excluded[SECOND] == "label failed good"
    assert fake.make("gather", gates=gates).skipped
    record(fake, second, passed=True)
    # No data changed, only a check result: it is an input of its own.
    last = fake.make("gather", gates=gates)
    assert not last.skipped
    assert last.excluded == {}
    assert fake.make("gather", gates=gates).skipped


@pytest.mark.parametrize(
    ("path", "old", "new", "again", "named"),
    [
        ("params.yaml", "teachers: [expert4d, exact]", "teachers: [expert4d]", (), "label"),
        ("params.yaml", "duration_s: 600.0", "duration_s: 60.0", (f"take@{FIRST}",), "take"),
        ("params.yaml", "seed: 17", "seed: 18", ("teach",), "label"),
    ],
)  # fmt: skip
def test_shards_of_mixed_origin_are_refused_however_far_up(fake, path, old, new, again, named):
    fake.make_all()
    fake.edit(path, old, new)
    for key in again:
        fake.make(key)
    fake.make(f"label@{FIRST}")
    with pytest.raises(PublishError, match=rf"mixed origin. {named}: .*{FIRST}.*\|.*{SECOND}"):
        fake.make("gather", force=True)
    if named == "take":
        fake.make(f"take@{SECOND}")
    fake.make(f"label@{SECOND}")
    fake.make("gather")
