from pathlib import Path

import pytest

from p4d.categories import CATEGORIES
from p4d.questions.asking.families import FAMILIES
from p4d.studies.question_examples import write_page

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("docs"))


def test_the_page_on_questions_says_what_the_code_does(made):
    assert made.read_text() == (DOCS / "questions.md").read_text(), (
        "run `python -m p4d.studies.question_examples docs`"
    )


def test_every_category_has_a_small_picture_and_every_family_its_frame(made):
    text = made.read_text()
    pictures = sorted(path.name for path in (made.parent / "questions").iterdir())
    assert len(pictures) == len(CATEGORIES)
    for picture in pictures:
        assert f"questions/{picture}" in text
        assert (DOCS / "questions" / picture).stat().st_size <= 20_000
    for family in FAMILIES:
        assert f"| `{family.name}` | `{family.frame}` |" in text
