"""The gate on copies across splits: it finds what the release looks for, and no more."""

import json

import numpy as np
import polars as pl
import pytest

from p4d.config import ReleaseParams
from p4d.project import Project
from p4d.release.duplicates import duplicate_groups
from p4d.release.manifest import FIRST_COPY_BITS
from p4d.splits import split_for
from p4d.video.appearance import frame_hashes
from p4d.warehouse import Warehouse
from tests.release.test_duplicates import COPIES, _film

GATE = "release/no_copies_across_splits"
RELEASE: ReleaseParams = Project.find().params.release


def offenders(root, films, split_of, **manifest):
    """Rows of the gate for a release of these clips."""
    hashed = {name: frame_hashes(film) for name, film in films.items()}
    clips, release = root / "clips", root / "release"
    for folder in (clips / "0001-a", release):
        folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {"clip_id": name, "frame_hash": plain, "mirrored_hash": mirrored}
        for name, (plain, mirrored) in hashed.items()
    ).write_parquet(clips / "0001-a/frame_hashes.parquet")
    pl.DataFrame(
        {"clip_id": name, "video_id": name, "shard": "0001-a", "split": split, "group": name}
        for name, split in split_of.items()
    ).write_parquet(release / "clips.parquet")
    (release / "manifest.json").write_text(
        json.dumps({"release_id": "rel_1", "duplicate_hamming_bits": 0, **manifest})
    )
    return Warehouse.over({"clips": clips, "release": release}).gate(GATE)


def test_the_limit_of_a_release_that_states_none_is_that_of_the_parameters():
    assert RELEASE.copy_bits == FIRST_COPY_BITS


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_in_another_split_is_found_and_a_stranger_is_not(kind, tmp_path):
    films = {f"clip_{seed}": _film(seed)[:8] for seed in range(8)}
    films["clip_copy"] = COPIES[kind](_film(4))
    splits = {name: ("train", "val")[name == "clip_copy"] for name in films}
    found = offenders(tmp_path, films, splits | {"clip_5": "test"})
    assert found.select("clip_id", "other_clip_id", "split", "other_split").rows() == [
        ("clip_4", "clip_copy", "train", "val")
    ]
    assert found["bits"][0] <= FIRST_COPY_BITS
    assert offenders(tmp_path, films, dict.fromkeys(films, "train")).is_empty()


def test_the_limit_that_a_release_states_counts(tmp_path):
    films = {"clip_1": _film(1)[:8], "clip_2": COPIES["cropped"](_film(1))}
    splits = {"clip_1": "train", "clip_2": "test"}
    assert len(offenders(tmp_path, films, splits)) == 1
    assert offenders(tmp_path, films, splits, copy_bits=0.0).is_empty()


def test_what_the_release_keeps_apart_or_together_passes(tmp_path):
    """Films of which many resemble one another a little, up to the limit and beyond it."""
    rng = np.random.default_rng(3)
    films = {}
    for number in range(120):
        film = _film(number % 12)[rng.integers(0, 9) :][:8].astype(np.int16)
        noise = rng.normal(0, rng.uniform(0, 90), (1, 8, 8)).repeat(8, 1).repeat(8, 2)
        films[f"clip_{number:03d}"] = (film + noise).clip(0, 255).astype(np.uint8)
        films[f"clip_{number:03d}"] = films[f"clip_{number:03d}"][:, :, :: rng.choice([1, -1])]
    rows = []
    for name, film in films.items():
        plain, mirrored = frame_hashes(film)
        rows.append({"video_id": name, "phash": None, "frame_hash": plain,
                     "mirrored_hash": mirrored})  # fmt: skip
    groups, left_out = duplicate_groups(rows, RELEASE)
    assert left_out
    assert 12 < len(set(groups.values())) < len(groups)
    split_of = {name: split_for(group, RELEASE) for name, group in groups.items()}
    assert offenders(tmp_path, films, split_of).is_empty()
    # Without the release's care the same clips offend.
    alone = {name: split_for(name, RELEASE) for name in groups}
    assert not offenders(tmp_path, films, alone).is_empty()
