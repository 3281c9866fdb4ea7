"""MOTS masks in both forms; pycocotools is asked where it is installed."""

import re

import numpy as np
import pytest

from p4d.datasets.kitti.mots import (
    IGNORE_ID,
    category_of,
    draw_mots,
    read_mots_lines,
    read_mots_png,
)
from p4d.errors import DatasetError
from tests.datasets.png_files import write_png

# Rows 1 to 2, columns 1 to 3 of a picture of 4 rows and 5 columns, and its last column.
CAR, PERSON = "5220003", "`04"
GOOD = f"0 1005 1 4 5 {CAR}\n2 2001 2 4 5 {PERSON}\n0 10000 10 4 5 {PERSON}\n0 1005 1 4 5 {CAR}\n"


def written(tmp_path, text):
    path = tmp_path / "0002.txt"
    path.write_text(text)
    return path


def test_ids_are_class_times_1000_plus_instance_and_survive_16_bits(tmp_path):
    ids = np.array([[0, 1005, 2001], [10000, 0, 1255]], np.uint16)
    assert (read_mots_png(write_png(tmp_path / "000052.png", ids)) == ids).all()
    assert [category_of(each) for each in (1005, 2001, IGNORE_ID, 7003)] == [
        "car", "pedestrian", "class 10", "class 7",
    ]  # fmt: skip


def test_an_8_bit_file_is_refused(tmp_path):
    path = write_png(tmp_path / "000052.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(DatasetError, match="has 8 bits"):
        read_mots_png(path)


def test_lines_may_come_in_any_order(tmp_path):
    path = written(tmp_path, f"2 2001 2 4 5 {PERSON}\n\n0 1005 1 4 5 {CAR}\n")
    lines, problems = read_mots_lines(path)
    assert not problems
    assert [(line.frame, line.id, line.number) for line in lines] == [(2, 2001, 1), (0, 1005, 3)]
    ids, problems = draw_mots(path, [lines[1]], (4, 5))
    assert not problems
    assert np.argwhere(ids == 1005).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    ids, _ = draw_mots(path, [lines[0]], (4, 5))
    assert np.argwhere(ids == 2001).tolist() == [[0, 4], [1, 4], [2, 4], [3, 4]]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 1005 1 4 5", "0002.txt:2: is no line `time_frame id class_id"),
        ("0 1005 1 4 five 5220003", "0002.txt:2: is no line"),
        ("0 1005 2 4 5 5220003", "0002.txt:2: id 1005 of class 2 in frame 0; an id is class"),
        ("-1 1005 1 4 5 5220003", "0002.txt:2: id 1005 of class 1 in frame -1"),
    ],
)
def test_a_bad_line_is_named_and_left_out(tmp_path, line, what):
    path = written(tmp_path, f"0 1005 1 4 5 {CAR}\n{line}\n1 1005 1 4 5 {CAR}\n")
    lines, problems = read_mots_lines(path)
    assert [each.number for each in lines] == [1, 3]
    assert len(problems) == 1 and what in problems[0] and "left out" in problems[0]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 1006 1 5 4 5220003", ":2: size is 5x4 .* rows and columns are swapped"),
        ("0 1006 1 4 5 522000", ":2: counts sum to 15 pixels"),
    ],
)
def test_a_bad_mask_is_named_and_left_out(tmp_path, line, what):
    path = written(tmp_path, f"0 1005 1 4 5 {CAR}\n{line}\n")
    ids, (problem,) = draw_mots(path, read_mots_lines(path)[0], (4, 5))
    assert set(ids.ravel()) == {0, 1005}
    assert re.search(what, problem) and problem.endswith("left out")


def test_the_first_of_two_overlapping_objects_keeps_its_pixels(tmp_path):
    path = written(tmp_path, f"0 1005 1 4 5 {CAR}\n0 1007 1 4 5 {CAR}\n")
    ids, (problem,) = draw_mots(path, read_mots_lines(path)[0], (4, 5))
    assert "0002.txt:2: overlaps another object of frame 0" in problem
    assert set(ids.ravel()) == {0, 1005}


def test_pycocotools_agrees(tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    path = written(tmp_path, GOOD)
    for line in read_mots_lines(path)[0]:
        theirs = coco.decode({"size": list(line.size_hw), "counts": line.counts.encode()})
        ids, _ = draw_mots(path, [line], (4, 5))
        assert ((ids != 0) == theirs).all() and theirs.sum() in (4, 6)
