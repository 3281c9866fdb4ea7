"""Run lengths as pycocotools 2.0.11 writes them."""

import numpy as np
import pytest

from p4d.errors import ContractError
from p4d.geometry.coco_masks import decode_mask, encode_mask


def test_small_masks_are_written_as_pycocotools_writes_them():
    # Written by pycocotools.mask.encode(np.asfortranarray(mask)).
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 2:4] = 1
    assert encode_mask(mask) == {"size": [4, 5], "counts": "92203"}
    assert encode_mask(np.ones((3, 2)))["counts"] == "06"
    assert encode_mask(np.zeros((3, 2)))["counts"] == "6"


def test_rows_and_columns_are_not_exchanged():
    mask = np.zeros((2, 3), bool)
    mask[1, 0] = True
    assert decode_mask(encode_mask(mask)).tolist() == mask.tolist()
    assert decode_mask({"size": [2, 3], "counts": encode_mask(mask)["counts"]})[1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_any_mask_comes_back(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 53)) < rng.random()
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


def test_run_lengths_of_another_size_are_refused():
    found = encode_mask(np.ones((4, 4)))
    with pytest.raises(ContractError, match="16 pixels for a mask of 4 x 5"):
        decode_mask({**found, "size": [4, 5]})
