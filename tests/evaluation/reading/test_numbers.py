import pytest

from benchmarks.scores.forms import numbers
from p4d.evaluation.reading.numbers import read_number, unit_asked


@pytest.mark.parametrize(("text", "value"), numbers())
def test_a_stated_number_is_read_and_ranges_bounds_and_several_are_not(text, value):
    assert read_number(text) == (None if value is None else pytest.approx(value, abs=1e-12))


def test_a_number_in_another_unit_is_converted_to_the_one_that_was_asked_for():
    unit = unit_asked("How long is the table in centimeters?")
    assert unit == "centimeters"
    assert read_number("1.5 m", unit) == 150.0
    assert read_number("150 cm", unit) == 150.0
    assert read_number("150", unit) == 150.0
    assert read_number("150 kg", unit) == 150.0  # no length: left as it is
    assert unit_asked("What is the size of this room (in square meters)?") == "square meters"
    assert unit_asked("How many chairs are in this room?") == ""
