"""A handful of kills; the long form is `python -m benchmarks.speed.durability kills`."""

import signal

from p4d.versioning.ledger.continuity import is_anchored
from tests.durability.kills import BEFORE_ANCHOR, Server, run_kills


def test_killed_runs_end_like_undisturbed_ones(tmp_path):
    tally = run_kills(tmp_path, kills=4, seed=5, per_episode=2, repro_every=0)
    assert tally.problems == []
    assert tally.kills >= 4
    assert (tally.torn, tally.lost, tally.events_lost, tally.byte_equal) == (0, 0, 0, True)


def test_what_a_run_left_after_its_last_version_is_done_by_one_that_makes_nothing(toy, tmp_path):
    toy.edit("p4d/toy/champion.py", "VERSION = 1", "VERSION = 2")
    with Server(toy, tmp_path / "answers") as server:
        assert server.start("up", checkpoint=BEFORE_ANCHOR).wait() == -signal.SIGKILL
        assert not is_anchored(toy.project)
        again = server.start("up")
        assert again.wait() == 0
        assert "Nothing to do" in again.log()
        facts = server.run("facts")
    assert facts["verified"], facts["verify_text"]
    assert facts["hanging_runs"] == 0
    assert is_anchored(toy.project)
    assert list((toy.root / ".staging").iterdir()) == []
