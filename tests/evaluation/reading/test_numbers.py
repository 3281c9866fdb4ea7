import pytest

from p4d.evaluation.reading.numbers import read_number, unit_asked

STATED = [
    ("2.5 m", 2.5),
    ("-3.74m/s", -3.74),
    ("−3.74 m/s", -3.74),
    (".6", 0.6),
    ("0.6", 0.6),
    ("6", 6.0),
    ("1,200", 1200.0),
    ("1,234.5", 1234.5),
    ("about -1,200", -1200.0),
    ("The answer is 3.", 3.0),
    ("The answer is 3.2 meters.", 3.2),
    ("\\boxed{3.2}", 3.2),
    ("\\boxed{3.2 \\text{ m}}", 3.2),
    ("$3.2$", 3.2),
    ("**3.2**", 3.2),
    ("<answer>3.2</answer>", 3.2),
    ("<think>4</think>3", 3.0),
    ("0", 0.0),
    ("three", 3.0),
    ("There are three chairs.", 3.0),
    ("one", 1.0),
    ("3 chairs", 3.0),
    ("I count 3 chairs and 2 tables. The answer is 3.", 3.0),
    ("1.5 + 1.5 = 3.0\n3.0", 3.0),
    ("150 cm", 150.0),
    ("1e-3", 0.001),
    ("1.2 × 10^3", 1200.0),
    ("1.2*10^3", 1200.0),
    ("1.2 \\times 10^{3}", 1200.0),
    ("2½", 2.5),
    ("50%", 50.0),
    ("３.５", 3.5),
    ("٣", 3.0),
    ("3.", 3.0),
    ("~3", 3.0),
    ("≈3.1", 3.1),
    ("approximately 3.1 m", 3.1),
    ("Answer: 3", 3.0),
    ("Answer: -3", -3.0),
    ("answer is: 4.0 square meters", 4.0),
    ("12 m²", 12.0),
    ("<obj_1> is 3.0 m away", 3.0),
    ("obj_2 moves 1 m", 1.0),
    ("1.6\n", 1.6),
    ("1.6 meters", 1.6),
    ("Between frame 1 and 9 the camera moves. The answer is 2.0 m.", 2.0),
    ("+3.5", 3.5),
    ("–3.5", -3.5),
    ("3m", 3.0),
    ("3.2m.", 3.2),
    ("3.2 m, I think", 3.2),
    ("x = 3", 3.0),
    ("d ≈ 2.4 m", 2.4),
    ("The final answer is $\\boxed{2.0\\ \\mathrm{m}}$.", 2.0),
    ("Room size: 20.5", 20.5),
    ("20.5 sqm", 20.5),
    ("The answer is 1,000 m", 1000.0),
    ("Answer: ten", 10.0),
    ("Frame 3: 2 chairs\nTotal\n3", 3.0),
]
NOT_STATED = [
    "<think>4",
    "1 or 2",
    "2-3",
    "2 to 3 meters",
    "between 2 and 3",
    "3.5 ± 0.2",
    "far",
    "the one on the left",
    "No chairs",
    "1.5 + 1.5 = 3.0",
    "The distance is 1.5 m (4.9 ft).",
    "1.2x10^3",
    "1/2",
    "3,5",
    "1.234,5",
    "12,34",
    "3.0.1",
    ">3",
    "at least 3",
    "less than 3",
    "The camera moved 1.6 meters between frame 14 and frame 20.",
    "nan",
    "inf",
    "-",
    "A",
    "2024-01-02",
    "10:30",
    "The answer is not 3.",
    "The answer is 3. Wait, no.",
    "- 3.5",
    "3 m 20 cm",
    "5'11\"",
    "3rd",
    "2x4",
    "1 000",
    "Frame 3: 2 chairs\nFrame 7: 1 chair\nTotal: 3",
]


@pytest.mark.parametrize(("text", "value"), STATED)
def test_a_stated_number_is_read_with_sign_decimals_and_thousands(text, value):
    assert read_number(text) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("text", NOT_STATED)
def test_ranges_bounds_several_numbers_and_cut_reasoning_state_none(text):
    assert read_number(text) is None


def test_a_number_in_another_unit_is_converted_to_the_one_that_was_asked_for():
    unit = unit_asked("How long is the table in centimeters?")
    assert unit == "centimeters"
    assert read_number("1.5 m", unit) == 150.0
    assert read_number("150 cm", unit) == 150.0
    assert read_number("150", unit) == 150.0
    assert read_number("150 kg", unit) == 150.0  # no length: left as it is
    assert unit_asked("What is the size of this room (in square meters)?") == "square meters"
    assert unit_asked("How many chairs are in this room?") == ""
