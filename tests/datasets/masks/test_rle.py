"""Run lengths: the worked example, both spellings, what is refused, and COCO's own code as judge.

`RECORDED` was written by pycocotools 2.0.11. Where that is installed, it is asked again.
"""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from p4d.datasets.masks.rle import (
    decode,
    decode_polygons,
    decode_segmentation,
    encode,
    runs_of_text,
)
from p4d.errors import DatasetError

RUNS = [5, 2, 2, 2, 2, 2, 5]
TEXT = "5220003"


def example():
    """4 rows x 5 columns, rows 1 to 2 x columns 1 to 3 set; not square, so an exchange shows."""
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    return mask


def blob(height, width, seed):
    if height < 100:
        return np.random.default_rng(seed).random((height, width)) < 0.5
    return np.broadcast_to(np.arange(width) // 70 % 2 == seed, (height, width))


RECORDED = {
    (1, 1, 0): "1",
    (3, 7, 1): "12220NO22",
    (7, 3, 2): "031N010O20O2ON",
    (9, 11, 3): "0110010O031O3N11L1ON10O00110OO00023NO021NOO2ON033NMO",
    (300, 200, 0): "0X`d0X`d0XRM",
    (200, 300, 1): "`e=`e=`e=0`WF",
}


def test_the_worked_example_in_both_spellings():
    assert runs_of_text(TEXT) == RUNS
    for counts in (TEXT, TEXT.encode(), RUNS):
        assert (decode({"size": [4, 5], "counts": counts}) == example()).all()


def test_columns_come_first():
    """One pixel in row 3, column 1 is run 4 + 3 = 7 of a picture of 4 rows."""
    mask = decode({"size": [4, 5], "counts": [7, 1, 12]})
    assert np.argwhere(mask).tolist() == [[3, 1]]


def test_a_mask_may_start_with_ones_and_may_be_empty_or_full():
    assert decode({"size": [2, 3], "counts": [0, 6]}).all()
    assert not decode({"size": [2, 3], "counts": [6]}).any()
    assert np.argwhere(decode({"size": [2, 3], "counts": [0, 1, 5]})).tolist() == [[0, 0]]


def test_texts_recorded_from_pycocotools_decode_to_their_masks():
    for (height, width, seed), text in RECORDED.items():
        found = decode({"size": [height, width], "counts": text})
        assert (found == blob(height, width, seed)).all()


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))), st.booleans()
)
def test_pycocotools_agrees_on_any_mask(mask, crowded):
    coco = pytest.importorskip("pycocotools.mask")
    mask = mask | crowded & (np.arange(mask.size).reshape(mask.shape) % 7 > 0)
    theirs = coco.encode(np.asfortranarray(mask, np.uint8))
    assert (decode(theirs) == mask).all()
    ours = encode(mask)
    assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    assert (coco.decode(ours) == mask).all()


@pytest.mark.parametrize(
    ("rle", "what"),
    [
        ({"size": [5, 4], "counts": TEXT}, "rows and columns are swapped: COCO writes rows first"),
        ({"size": [4, 6], "counts": TEXT}, "size is 4x6 .rows x columns., the video has 4x5"),
        ({"size": [4, 5], "counts": None}, "counts is None, expected a text or a list"),
        ({"size": [4, 5]}, "counts is None"),
        ({"size": [4, 5], "counts": [5, 2, -1, 14]}, "expected a text or a list of run lengths"),
        ({"size": [4, 5], "counts": [5, True, 14]}, "expected a text or a list of run lengths"),
        ({"size": [4, 5], "counts": TEXT[:-1]}, "counts sum to 15 pixels, size 4x5"),
        ({"size": [4, 5], "counts": TEXT[:-1] + "9"}, "counts sum to 26 pixels"),
        ({"size": [4, 5], "counts": [5, 2, 2]}, "counts sum to 9 pixels"),
        ({"size": [4, 5], "counts": ""}, "counts sum to 0 pixels"),
        ({"size": [4, 5], "counts": "5220o"}, "the counts end within a value"),
        ({"size": [4, 5], "counts": "52 20003"}, "character 2 of the counts, ' ', is no run"),
        ({"size": [4, 5], "counts": "52\u00e9"}, "character 2 of the counts"),
        ({"size": [4, 5], "counts": "o" * 20}, "is too long"),
        ({"size": [4, 5], "counts": "52O"}, "run 2 of the counts is negative: -1"),
        ({"size": None, "counts": TEXT}, "size is None, expected .rows, columns."),
        ({"size": [4], "counts": TEXT}, "expected .rows, columns."),
        ({"size": [4.0, 5], "counts": TEXT}, "expected .rows, columns."),
        ({"size": [1 << 20, 1 << 20], "counts": TEXT}, "expected .rows, columns."),
    ],
)
def test_what_is_no_mask_of_the_video_is_refused(rle, what):
    with pytest.raises(DatasetError, match=what):
        decode(rle, size_hw=(4, 5))


def test_the_size_of_the_video_stands_in_for_a_missing_one():
    assert (decode({"counts": TEXT}, size_hw=(4, 5)) == example()).all()


def test_a_huge_count_is_an_error_and_no_memory():
    with pytest.raises(DatasetError, match="counts sum to"):
        decode({"size": [4, 5], "counts": [5, 1 << 60]})


class TestPolygons:
    """pycocotools draws them; the masks here were recorded from it."""

    def test_the_rule_of_pixels_is_cocos(self):
        pytest.importorskip("pycocotools")
        mask = decode_polygons([[1, 1, 4, 1, 4, 3, 1, 3]], (4, 5))
        assert (mask == example()).all()

    def test_outlines_are_united(self):
        pytest.importorskip("pycocotools")
        mask = decode_polygons([[1, 1, 4, 1, 4, 3, 1, 3], [0, 0, 1, 0, 1, 1, 0, 1]], (4, 5))
        assert np.argwhere(mask & ~example()).tolist() == [[0, 0]]

    @pytest.mark.parametrize(
        "outline",
        [
            [1, 1, 2, 2],
            [1, 1, 2, 2, 3],
            [1, 1, 2, 2, 3, "x"],
            "abcdef",
            [0, 0, 1, 1, 2, float("nan")],
        ],
    )
    def test_no_outline(self, outline):
        with pytest.raises(DatasetError, match="polygon 0 is no outline"):
            decode_polygons([outline], (4, 5))


def test_a_segmentation_may_be_any_spelling_or_absent():
    size = (4, 5)
    assert decode_segmentation(None, size_hw=size) is None
    assert decode_segmentation([], size_hw=size) is None
    assert (decode_segmentation({"size": [4, 5], "counts": RUNS}, size_hw=size) == example()).all()
    with pytest.raises(DatasetError, match="expected run lengths or polygons"):
        decode_segmentation("5220003", size_hw=size)
    pytest.importorskip("pycocotools")
    outline = [1, 1, 4, 1, 4, 3, 1, 3]
    for polygons in (outline, [outline]):
        assert (decode_segmentation(polygons, size_hw=size) == example()).all()
