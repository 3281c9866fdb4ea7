"""The texts of questions: complete, distinct, plain, and each with its frame of reference."""

import re
import string
from collections import Counter

import pytest
import yaml

from p4d.categories import CATEGORIES
from p4d.questions.asking.families import FAMILIES
from p4d.questions.asking.families.phrasings import PHRASINGS, PHRASINGS_FILE, read_phrasings
from p4d.questions.wording import interval

FILLED = {
    "when": interval(0, 1_750_000_000),
    "a": "<obj_1>",
    "b": "<obj_2>",
    "c": "<obj_3>",
    "name": "red box",
    "point": "(0.4, 0.1, 2.3)",
}
EVERY = [(family.name, text) for family in FAMILIES for text in family.phrasings]
# Words by which a reader recovers the frame of reference from the question, or from its options.
FRAME_WORDS = {
    "camera_first": ("starting viewpoint",),
    "camera_at": ("camera",),
    "picture": ("in the image", "of the image"),
    "object": ("its own", "own sides", "rides on", "faces the way", "in which", "point of view",
               "stands on", "dimension", "direction", "side", "end to end", "length"),
}  # fmt: skip
SEEN_BY_OPTIONS = {"shape_of_way"}  # "it bends to its left"


def test_every_family_has_phrasings_under_its_category_and_nothing_else_has():
    by_category = yaml.safe_load(PHRASINGS_FILE.read_text())
    assert set(by_category) == set(CATEGORIES)
    assert {
        (category, name) for category, families in by_category.items() for name in families
    } == {(family.category, family.name) for family in FAMILIES}


def test_every_family_has_at_least_four_phrasings_and_no_text_occurs_twice():
    assert min(len(texts) for texts in PHRASINGS.values()) >= 4
    assert [text for text, count in Counter(text for _, text in EVERY).items() if count > 1] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_phrasing_is_one_short_question(family):
    for text in family.phrasings:
        filled = text.format(**FILLED)
        assert filled[0] in string.ascii_uppercase, text
        assert filled.endswith("?"), text
        assert filled.count("?") == 1, text
        assert not set("{}:;") & set(filled), text
        assert len(filled.split()) <= 24, text


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_phrasing_says_its_frame_of_reference(family):
    for text in family.phrasings:
        if family.frame in FRAME_WORDS and family.name not in SEEN_BY_OPTIONS:
            assert any(words in text for words in FRAME_WORDS[family.frame]), text
        if family.name in ("rotation", "premise_spins", "premise_name_spins"):
            assert "seen from above" in text


def test_the_texts_need_few_words():
    """The embedded student has 1,280 tokens for these words, the options and the facts."""
    words = Counter(word for _, text in EVERY for word in re.findall(r"[a-z]+", text.lower()))
    assert len(words) <= 240


def test_an_edit_of_the_file_is_all_it_takes(tmp_path):
    path = tmp_path / "phrasings.yaml"
    path.write_text('Counting:\n  moving_objects:\n    - "{when}, how many move?"\n')
    assert read_phrasings(path) == {"moving_objects": ("{when}, how many move?",)}
