import subprocess
import sys

import pytest

from p4d.students.model.chat import LETTERS, REGION_MARKS, opening, question_turn
from p4d.students.model.tokenizer import encode, letter_ids, train_tokenizer

TEXTS = [
    opening(sees_video=True),
    question_turn("Which way does <obj_1> move?", ["left", "right", "up", "down"]),
    question_turn("How far does <obj_2> get?", ["0.25 m", "1.50 m", "2.75 m", "3.25 m"]),
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 330, min_frequency=2)


def test_any_text_survives_a_round_trip(tokenizer):
    text = "Z\u00fcrich 12.5 m, <obj_3>?\n"
    assert tokenizer.decode(encode(tokenizer, text)) == text


def test_marks_and_letters_are_single_tokens(tokenizer):
    assert all(len(encode(tokenizer, mark)) == 1 for mark in REGION_MARKS)
    assert len(set(letter_ids(tokenizer))) == len(LETTERS)
    marks = [encode(tokenizer, f"\n{letter}. ") for letter in LETTERS[:4]]
    assert all(len(mark) == 1 for mark in marks)
    turn = encode(tokenizer, TEXTS[1])
    assert all(turn.count(mark) == 1 for (mark,) in marks)


def test_an_option_is_written_alike_wherever_it_stands(tokenizer):
    turn = encode(tokenizer, TEXTS[1])
    for option in ("left", "right", "up", "down"):
        alone = encode(tokenizer, option)
        assert any(turn[at : at + len(alone)] == alone for at in range(len(turn)))


def test_digits_stay_single_so_a_number_reads_alike_everywhere(tokenizer):
    assert len(encode(tokenizer, "1.50")) == 4


def test_training_depends_on_the_texts_alone(tmp_path):
    train_tokenizer(TEXTS, 330, min_frequency=2).save_pretrained(tmp_path / "here")
    script = (
        "import sys; from tests.students.model.test_tokenizer import TEXTS;"
        "from p4d.students.model.tokenizer import train_tokenizer;"
        "train_tokenizer(TEXTS[::-1], 330, min_frequency=2).save_pretrained(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "elsewhere")], check=True)
    files = sorted((tmp_path / "here").iterdir())
    assert files
    for path in files:
        assert path.read_bytes() == (tmp_path / "elsewhere" / path.name).read_bytes()
