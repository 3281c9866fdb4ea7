import pytest

from p4d.datasets.number_table import read_lines, read_numbers
from p4d.errors import DatasetError


def written(tmp_path, text, name="00.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_and_columns(tmp_path):
    table = read_numbers(written(tmp_path, "1 2e-1 -3\r\n4\t5  6\n\n"), 3)
    assert table.tolist() == [[1.0, 0.2, -3.0], [4.0, 5.0, 6.0]]
    assert read_numbers(written(tmp_path, ""), 12).shape == (0, 12)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1 2 3\n1 2\n", "00.txt:2: holds 2 values, expected 3"),
        ("1 2 3\n1 x 3\n", "00.txt:2: 'x' is no number"),
        ("1 nan 3\n", "00.txt:1: 'nan' is not finite"),
        ("1 2 3\n\n1 2 3\n", "00.txt:2: holds 0 values"),
        (b"\xff\xfe1 2 3", "no text in UTF-8"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, text, what):
    with pytest.raises(DatasetError, match=what):
        read_numbers(written(tmp_path, text), 3)


def test_a_file_has_a_limit_and_must_exist(tmp_path):
    with pytest.raises(DatasetError, match="larger than 4 bytes"):
        read_lines(written(tmp_path, "12345"), max_bytes=4)
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        read_lines(tmp_path / "gone.txt")
