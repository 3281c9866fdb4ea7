"""The words for the time that a step needs."""

import pytest

from p4d.progress import Pace


@pytest.mark.parametrize(
    ("done", "now_s", "text"),
    [
        (10, 5.0, "0.5 s each, 45 s left"),
        (20, 200.0, "10 s each, 13 min left"),
        (1, 100.0, "100 s each, 2.8 h left"),
        (100, 50.0, ""),
        (0, 50.0, ""),
    ],
)
def test_the_time_left_follows_from_what_is_done(done, now_s, text):
    pace = Pace()
    assert pace.left(0, 100, 0.0) == ""
    assert pace.left(done, 100, now_s) == text


def test_what_was_done_before_a_resumption_does_not_count():
    pace = Pace()
    assert pace.left(50, 100, 0.0) == ""
    assert pace.left(60, 100, 20.0) == "2 s each, 80 s left"
