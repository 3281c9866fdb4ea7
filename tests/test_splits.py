import numpy as np

from p4d.config import ReleaseParams
from p4d.splits import is_asked, split_for

RELEASE = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)


def test_splits_have_about_the_sizes_asked_for():
    splits = [split_for(f"vid_{i:05d}", RELEASE) for i in range(2000)]
    shares = [splits.count(name) / 2000 for name in ("test", "val", "train")]
    assert np.allclose(shares, [0.25, 0.1, 0.65], atol=0.04)


def test_a_share_of_the_train_videos_and_all_held_out_ones_are_asked_about():
    videos = [f"vid_{i:05d}" for i in range(2000)]
    asked = {video for video in videos if is_asked(video, RELEASE, 0.3)}
    train = {video for video in videos if split_for(video, RELEASE) == "train"}
    assert set(videos) - train <= asked
    assert abs(len(asked & train) / len(train) - 0.3) < 0.04
    assert asked < {video for video in videos if is_asked(video, RELEASE, 0.6)}
    assert all(is_asked(video, RELEASE, 1.0) for video in videos)
