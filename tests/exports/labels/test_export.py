"""Exported labels are those of the store, with units, validity and terms."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays
from p4d.exports.labels.export import export_labels
from p4d.teachers.labelling.store import LabelStore


@pytest.fixture(scope="module")
def labels(small, tmp_path_factory):
    return export_labels(small.project, tmp_path_factory.mktemp("labels") / "out")


def test_every_array_is_that_of_the_store_and_has_a_unit(small, labels):
    index = pl.read_parquet(labels.path / "index.parquet")
    assert set(index["split"]) == {"train", "val"}
    row = index.row(by_predicate=pl.col("split") == "train", named=True)
    store = LabelStore(small.project.data / "labels" / small.shards[0])
    exported = Arrays(labels.path / row["file"])
    expected = {**store.get_all(row["clip_id"], "exact"),
                "latents": store.latents(row["clip_id"], "exact")}  # fmt: skip
    assert sorted(exported) == sorted(expected) == row["arrays"]
    for name, values in expected.items():
        assert np.array_equal(exported[name], values), name
    about = dict(zip(row["arrays"], zip(row["units"], row["valid"], row["coverage"], strict=True),
                     strict=True))  # fmt: skip
    assert about["depth_thw"] == ("m", "valid_thw", 31 / 32)
    assert about["world_T_cam_t44"][0] == "m" and about["latents"][0] == "1"
    assert row["frames_pts_s"] and len(row["frames_pts_s"]) == 8
    text = (labels.path / "README.md").read_text()
    assert all(f"`{name}`" in text for name in expected)


def test_labels_of_the_test_split_stay_unless_asked_for(small, labels, tmp_path):
    clip = small.clip_of["portrait"]
    assert not [p for p in labels.path.rglob("*") if clip in p.name]
    whole = export_labels(small.project, tmp_path / "out", held_out=True)
    assert (whole.path / f"labels/test/{clip}.exact.safetensors").is_file()
    assert whole.counts == {"labels": 3, "clips": 3}


def test_equal_exports_have_equal_bytes(small, labels, tmp_path):
    again = export_labels(small.project, tmp_path / "out")
    assert (again.path / "SHA256SUMS").read_text() == (labels.path / "SHA256SUMS").read_text()
    assert export_labels(small.project, tmp_path / "out").again


def test_labels_of_videos_whose_terms_forbid_copies_stay(own_small, tmp_path):
    own_small.redistributable["landscape"] = False
    own_small.write()
    done = export_labels(own_small.project, tmp_path / "out")
    needle = own_small.clip_of["landscape"].encode()
    assert done.counts["labels"] == 1
    for path in done.path.rglob("*"):
        held = needle in path.name.encode() or (path.is_file() and needle in path.read_bytes())
        assert not held, path
