"""Lists of rows, read by place: the same rows as a whole parse, in little memory, or an error."""

import json
import tracemalloc

import pytest

from p4d.datasets.masks import row_file
from p4d.datasets.masks.row_file import RowFile
from p4d.errors import DatasetError

ROWS = [
    {"video": "a.mp4", "annotation": [{"0": {"counts": '[{"},]\\'}}], "text": 'köök ☃ \\ "'},
    {"video": "ü☃.mp4", "annotation": [], "n": -1.5e3},
    12345,
    {"video": "a.mp4", "annotation": [1, [2]], "nested": {"annotation": []}},
    {"video": "a.mp4"},
    {"annotation": []},
    None,
    {"video": "z", "annotation": []},
]


def rows_of(path):
    found = RowFile.of(path)
    return {video: list(found.rows(video)) for video in found.places}


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("style", [{}, {"ensure_ascii": False}, {"indent": 2}])
def test_rows_are_those_of_a_whole_parse(tmp_path, monkeypatch, piece, style):
    monkeypatch.setattr(row_file, "_PIECE_BYTES", piece)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS, **style), encoding="utf-8")
    assert rows_of(path) == {
        "a.mp4": [(0, ROWS[0]), (3, ROWS[3])],
        "ü☃.mp4": [(1, ROWS[1])],
        "z": [(7, ROWS[7])],
    }


@pytest.mark.parametrize("text", ["[]", " [ ] \n"])
def test_an_empty_list_has_no_row(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert rows_of(path) == {}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "holds no list of rows"),
        (b'{"a": 1}', "holds no list of rows"),
        (b'[{"a": 1}', "no comma at byte 9"),
        (b'[{"a": 1} {"b"', "no comma at byte 10"),
        (b'[{"a": 1}, {"b": [1, 2', "is no JSON behind byte 11"),
        (b"[1, nan]", "is no JSON behind byte 4"),
        (b'[{"video": "\xff", "annotation": []}]', "no UTF-8"),
        (b"[" * 200_000, "nested too deep"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_place(tmp_path, payload, said):
    path = tmp_path / "rows.json"
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=said) as failed:
        RowFile.of(path)
    assert "rows.json" in str(failed.value)


def test_a_row_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(row_file, "MAX_ROW_BYTES", 100)
    monkeypatch.setattr(row_file, "_PIECE_BYTES", 50)
    path = tmp_path / "rows.json"
    path.write_text('["' + "a" * 1000)
    with pytest.raises(DatasetError, match="has more than 100 bytes"):
        RowFile.of(path)


def test_a_large_file_takes_little_memory(tmp_path):
    path = tmp_path / "rows.json"
    row = json.dumps({"video": "a.mp4", "annotation": [{"0": [[0.5, 1.5] * 2000]}]})
    with path.open("w") as stream:
        stream.write("[" + ",".join([row] * 400) + "]")
    size = path.stat().st_size
    assert size > 8e6
    tracemalloc.start()
    found = RowFile.of(path)
    assert sum(1 for _ in found.rows("a.mp4")) == 400
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size
