from dataclasses import replace

import numpy as np
import pytest

from p4d.config import ReleaseParams
from p4d.release.duplicates import duplicate_groups
from p4d.splits import split_for
from p4d.video.appearance import area_mean, difference_hash, frame_hashes

RELEASE = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)


def _bits(bits):
    return replace(RELEASE, duplicate_hamming_bits=bits)


def _hashed(hashes):
    return [{"video_id": v, "phash": f"{h:016x}"} for v, h in hashes.items()]


def _videos_of(split, count):
    names = (f"vid_{i:05d}" for i in range(10_000))
    return [name for name in names if split_for(name, RELEASE) == split][:count]


@pytest.mark.parametrize(("bits", "groups"), [(0, 4), (1, 3), (3, 2), (64, 1)])
def test_near_duplicates_join_through_others(bits, groups):
    a, b, c, d = _videos_of("train", 4)
    rows = _hashed({a: 0b0, b: 0b1, c: 0b1111, d: 0xFFFF_FFFF_FFFF_FFFF})
    found, between = duplicate_groups(rows, _bits(bits))
    assert len(set(found.values())) == groups
    assert found[b] == (b if bits == 0 else a)
    assert between == {}


def test_clips_without_a_hash_join_nothing():
    rows = [{"video_id": v, "phash": None} for v in ("vid_a", "vid_b")]
    assert duplicate_groups(rows, _bits(64)) == ({"vid_a": "vid_a", "vid_b": "vid_b"}, {})


def test_a_video_between_two_groups_of_a_split_joins_the_earlier_and_merges_none():
    first, second, bridge = _videos_of("train", 3)
    found, between = duplicate_groups(_hashed({first: 0b0, second: 0b1111, bridge: 0b11}), _bits(2))
    assert found == {first: first, second: second, bridge: first}
    assert between == {}


def test_a_video_that_looks_like_two_splits_is_left_out_and_moves_nobody():
    (train, bridge), (test,) = _videos_of("train", 2), _videos_of("test", 1)
    before = {train: 0b0, test: 0b1111}
    found, between = duplicate_groups(_hashed({**before, bridge: 0b11}), _bits(2))
    assert found == duplicate_groups(_hashed(before), _bits(2))[0]
    assert list(between) == [bridge]
    assert between[bridge] == f"resembles videos of test and train: {train}, {test}"


def test_every_later_video_leaves_earlier_ones_where_they_were():
    rng = np.random.default_rng(7)
    rows = [
        {"video_id": f"vid_{i // 2:05d}", "phash": f"{int(h):016x}"}
        for i, h in enumerate(rng.integers(0, 2**10, 160))
    ]
    params = _bits(1)
    groups, between = duplicate_groups(rows, params)
    assert between
    assert len(set(groups.values())) < len(groups)
    for n in range(2, len(rows), 20):
        some, left_out = duplicate_groups(rows[:n], params)
        assert some == {video: groups[video] for video in some}
        assert left_out == {video: between[video] for video in left_out}
    split = {video: split_for(group, params) for video, group in groups.items()}
    kept = [(int(row["phash"], 16), split.get(row["video_id"])) for row in rows]
    for one, split_one in kept:
        for other, split_other in kept:
            if split_one and split_other and (one ^ other).bit_count() <= 1:
                assert split_one == split_other


def _clip_of(grey_thw):
    """A row of hashes as stage clips writes them."""
    plain, mirrored = frame_hashes(grey_thw)
    assert frame_hashes(grey_thw[:, :, ::-1]) == (mirrored, plain)
    return {"phash": difference_hash(grey_thw), "frame_hash": plain, "mirrored_hash": mirrored}


def _film(seed, frames=16, side=64):
    """A picture of blobs that drift: u8 [frames, side, side]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (10, 14)).astype(np.uint8)
    wide = area_mean(np.kron(coarse, np.ones((32, 32), np.uint8)), side, 2 * side)
    return np.stack([wide[:, 2 * t : 2 * t + side] for t in range(frames)])


def _letterboxed(film):
    boxed = np.full_like(film, 16)
    boxed[:, 8:56] = np.stack([area_mean(frame, 48, 64) for frame in film])
    return boxed


COPIES = {
    "trimmed by three frames": lambda film: film[3:11],
    "trimmed by half a clip": lambda film: film[4:12],
    "letterboxed": lambda film: _letterboxed(film[:8]),
    "cropped": lambda film: np.stack([area_mean(f[2:62, 2:62], 64, 64) for f in film[:8]]),
    "mirrored": lambda film: film[:8, :, ::-1],
    "mirrored and trimmed": lambda film: film[2:10, :, ::-1],
    "brighter": lambda film: (film[:8] // 2 + 100).astype(np.uint8),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_in_the_group_of_its_original_and_a_stranger_is_not(kind):
    films = {f"vid_{seed}": _film(seed)[:8] for seed in range(8)}
    films |= {f"vid_copy_{seed}": COPIES[kind](_film(seed)) for seed in (1, 4)}
    rows = [{"video_id": name, **_clip_of(film)} for name, film in films.items()]
    groups, left_out = duplicate_groups(rows, RELEASE)
    assert left_out == {}
    assert {name: groups[name] for name in groups if "copy" in name} == {
        "vid_copy_1": "vid_1",
        "vid_copy_4": "vid_4",
    }
    assert len(set(groups.values())) == 8


def test_clips_of_a_version_without_frame_hashes_are_compared_by_their_mean_picture():
    rows = [{"video_id": f"vid_{i}", **_clip_of(_film(i)[:8])} for i in range(2)]
    rows.append({"video_id": "vid_2", "phash": rows[0]["phash"], "frame_hash": None})
    assert duplicate_groups(rows, RELEASE)[0]["vid_2"] == "vid_0"


def test_videos_of_one_recording_are_one_group_whatever_they_look_like():
    def row(video, phash, group=None):
        return {"video_id": video, "phash": phash, "exchange_group": group}

    far = ["0" * 16, "f" * 16, "00ff" * 4, "ff00" * 4]
    rows = [row(f"vid_{k}", phash, "sintel/alley" if k in (1, 3) else None)
            for k, phash in enumerate(far)]  # fmt: skip
    groups, left_out = duplicate_groups(rows, RELEASE)
    assert groups == {"vid_0": "vid_0", "vid_1": "vid_1", "vid_2": "vid_2", "vid_3": "vid_1"}
    assert not left_out
