"""A handful of kills; the long form is `python -m benchmarks.durability kills`."""

from tests.durability.kills import run_kills


def test_killed_runs_end_like_undisturbed_ones(tmp_path):
    tally = run_kills(tmp_path, kills=4, seed=5, per_episode=2, repro_every=0)
    assert tally.problems == []
    assert tally.kills >= 4
    assert (tally.torn, tally.lost, tally.events_lost, tally.byte_equal) == (0, 0, 0, True)
