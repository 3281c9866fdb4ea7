"""A hundred reasons are a few words."""

from p4d.versioning.state.reasons import grouped


def test_reasons_of_one_kind_are_counted_and_the_first_named():
    code = [f"code changed: p4d/m{number}.py" for number in range(41)]
    inputs = ["input changed: data/a", "input changed: data/b"]
    reasons = ["output edited", "params changed: x.y", *code, *inputs, "waits for data/c"]
    assert grouped(reasons) == (
        "output edited; params changed: x.y; code changed: 41 files (p4d/m0.py, p4d/m1.py, "
        "p4d/m2.py, ...); input changed: data/a, data/b; waits for data/c"
    )


def test_few_reasons_stay_as_they_are():
    for reason in ("never made", "command changed", "code changed: p4d/a: b.py"):
        assert grouped([reason]) == reason
    assert grouped([]) == ""
