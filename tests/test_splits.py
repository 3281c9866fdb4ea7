import numpy as np

from p4d.config import ReleaseParams
from p4d.splits import split_for

RELEASE = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)


def test_splits_have_about_the_sizes_asked_for():
    splits = [split_for(f"vid_{i:05d}", RELEASE) for i in range(2000)]
    shares = [splits.count(name) / 2000 for name in ("test", "val", "train")]
    assert np.allclose(shares, [0.25, 0.1, 0.65], atol=0.04)
