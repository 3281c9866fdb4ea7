"""Exact measures of pictures."""

import numpy as np

from p4d.video.appearance import area_mean, difference_hash


def test_area_mean_is_the_mean_over_the_covered_area():
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    blocks = picture.reshape(4, 3, 5, 4, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_array_equal(area_mean(picture, 4, 5), np.floor(blocks + 0.5))
    # Any ratio: enlarge by the target size, then the ratio is whole.
    large = picture.repeat(7, axis=0).repeat(9, axis=1).astype(float)
    blocks = large.reshape(7, 12, 9, 20, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(area_mean(picture, 7, 9), np.floor(blocks + 0.5))


def test_near_duplicates_have_near_hashes():
    rng = np.random.default_rng(6)
    smooth = area_mean(rng.integers(0, 256, (4, 64, 64), dtype=np.uint8).transpose(1, 2, 0), 9, 9)
    clip = smooth.transpose(2, 0, 1).repeat(7, axis=1).repeat(7, axis=2)
    noise = rng.integers(-2, 3, clip.shape)
    near = (clip.astype(int) + noise).clip(0, 255).astype(np.uint8)

    def bits(a, b):
        return (int(difference_hash(a), 16) ^ int(difference_hash(b), 16)).bit_count()

    assert len(difference_hash(clip)) == 16
    assert bits(clip, near) <= 8
    assert bits(clip, clip[:, :, ::-1]) > 16
