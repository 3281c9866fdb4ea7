import pytest

from p4d.questions.regions.mentions import keywords_in, match_marks

NAMES = ("box", "red box", "dog", "bus", "berry")


def test_keywords_are_found_longest_first_in_singular():
    assert keywords_in("Do the red boxes pass the Dog or the berries?", NAMES) == (
        "red box", "dog", "berry",
    )  # fmt: skip
    assert keywords_in("Who sees the boxer?", NAMES) == ()
    assert keywords_in("Anything?", ()) == ()


@pytest.mark.parametrize(
    ("question", "expected", "marks"),
    [
        ("Where is the red box?", "Where is the <obj_1>?", (1,)),
        ("Is the dog near the red box?", "Is the <obj_3> near the <obj_1>?", (3, 1)),
        ("Do the boxes move?", "Do the <obj_2> and <obj_4> move?", (2, 4)),
        ("Does the dog follow the dog?", "Does the <obj_3> follow the <obj_3>?", (3,)),
    ],
)
def test_names_become_marks(question, expected, marks):
    found = match_marks(question, {1: "red box", 2: "box", 3: "dog", 4: "box"}, NAMES)
    assert (found.question, found.marks, found.unclear) == (expected, marks, ())


def test_unclear_mentions_stay_as_they_are():
    found = match_marks("Does the box pass the bus?", {2: "box", 4: "box"}, NAMES)
    assert found.question == "Does the box pass the bus?"
    assert found.marks == ()
    assert found.unclear == ("box", "bus")
