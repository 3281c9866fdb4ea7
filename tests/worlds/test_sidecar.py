"""The truth sidecar: it reads back as written, and damage is named."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from p4d import truth
from p4d.artifacts import Arrays, write_arrays
from p4d.errors import TruthError
from p4d.worlds import sidecar
from p4d.worlds.truth import WorldTruth


@pytest.fixture(scope="module")
def stored(busy_video, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "a.truth.safetensors"
    sidecar.write(path, busy_video.truth)
    return path


def damaged(stored, tmp_path, change):
    """A copy of the sidecar after `change(arrays, meta)`."""
    source = Arrays(stored)
    arrays, meta = (
        {name: source[name].copy() for name in source},
        json.loads(json.dumps(source.meta)),
    )
    change(arrays, meta)
    path = tmp_path / "damaged.truth.safetensors"
    write_arrays(path, arrays, meta=meta)
    return path


def test_a_sidecar_reads_back_as_written(busy_video, stored, tmp_path):
    truth, read = busy_video.truth, sidecar.read(stored)
    assert read.objects == truth.objects
    np.testing.assert_array_equal(read.pts_ns, truth.pts_ns)
    np.testing.assert_array_equal(read.world_T_obj_kt44, truth.world_T_obj_kt44)
    for t in (0, 7):
        z_m, ids = truth.frames[t]
        z_read_m, ids_read = read.frames[t]
        np.testing.assert_allclose(z_read_m, z_m, rtol=8e-6)
        np.testing.assert_array_equal(ids_read, ids)
    sidecar.write(tmp_path / "again", read)
    assert (tmp_path / "again").read_bytes() == stored.read_bytes()


def test_damage_is_named(stored, tmp_path):
    def scaled(arrays, meta):
        arrays["world_T_cam_t44"][2, :3, :3] *= 1.1

    def backwards(arrays, meta):
        arrays["pts_ns"][3] = 0

    def cut(arrays, meta):
        arrays["depth_bytes"] = arrays["depth_bytes"][:-10]

    def other_format(arrays, meta):
        meta["format"] = "p4d-truth-9"

    def twice(arrays, meta):
        meta["objects"][1]["instance"] = meta["objects"][0]["instance"]

    def shorter(arrays, meta):
        arrays["K_t33"] = arrays["K_t33"][:4]

    def lacking(arrays, meta):
        del arrays["instance_bytes"]

    cases = {
        scaled: "not a rotation", backwards: "does not increase", cut: "depth is truncated",
        other_format: "p4d-truth-9", twice: "not unique", shorter: "K_t33",
        lacking: "instance_bytes",
    }  # fmt: skip
    for change, message in cases.items():
        with pytest.raises(TruthError, match=message):
            sidecar.read(damaged(stored, tmp_path, change))
    (tmp_path / "noise").write_bytes(b"no truth in here" * 9)
    with pytest.raises(TruthError, match="noise"):
        sidecar.read(tmp_path / "noise")
    with pytest.raises(TruthError, match="absent"):
        sidecar.read(tmp_path / "absent")


def test_a_damaged_frame_fails_alone(stored, tmp_path):
    def flip(arrays, meta):
        begin, end = arrays["depth_offsets"][2:4]
        arrays["depth_bytes"][begin:end] = 7

    truth = sidecar.read(damaged(stored, tmp_path, flip))
    assert truth.resample([0, 1], 64).valid_thw.all()
    with pytest.raises(TruthError, match="frame 2"):
        truth.resample([1, 2], 64)


def _object(field, value):
    def change(arrays, meta):
        meta["objects"][0][field] = value

    return change


def _meta(field, value):
    def change(arrays, meta):
        meta[field] = value

    return change


def _array(name, index, value):
    def change(arrays, meta):
        arrays[name][index] = value

    return change


DEEP = [[]]
for _ in range(100):
    DEEP = [DEEP]

HOSTILE = {
    "no focal length": (_array("K_t33", (0, 0, 0), 0.0), "no camera's"),
    "mirrored camera": (_array("K_t33", (0, 1, 1), -5.0), "no camera's"),
    "last row of K": (_array("K_t33", (0, 2, 2), 2.0), "no camera's"),
    "camera beyond the stars": (_array("world_T_cam_t44", (0, 0, 3), 1e300), "more than 1e\\+06 m"),
    "object beyond the stars": (_array("world_T_obj_kt44", (0, 0, 1, 3), -1e9), "more than"),
    "last row of a pose": (_array("world_T_cam_t44", (0, 3, 0), 1.0), "no pose"),
    "instance as text": (_object("instance", "1"), "no whole number"),
    "instance as truth value": (_object("instance", True), "no whole number"),
    "row as fraction": (_object("k", 0.5), "no whole number"),
    "name as number": (_object("name", 7), "no text"),
    "name as list": (_object("name", ["a"]), "no text"),
    "name of half a pair": (_object("name", "\ud800"), "no Unicode text"),
    "size not a number": (_object("size_m", [1.0, float("nan"), 1.0]), "three numbers"),
    "size as text": (_object("size_m", ["1", "1", "1"]), "three numbers"),
    "size negative": (_object("size_m", [1, -1, 1]), "three numbers"),
    "size of two": (_object("size_m", [1, 1]), "three numbers"),
    "size none": (_object("size_m", None), "incomplete"),
    "another field": (_object("evil", 1), "incomplete"),
    "objects as number": (_meta("objects", 7), "incomplete"),
    "objects as texts": (_meta("objects", ["a"]), "incomplete"),
    "objects nested": (_meta("objects", DEEP), "nested deeper"),
    "width as text": (_meta("width_px", "96"), "no number of pixels"),
    "width zero": (_meta("width_px", 0), "no number of pixels"),
    "height fraction": (_meta("height_px", 1e99), "no number of pixels"),
    "format as list": (_meta("format", ["p4d-truth-1"]), "expected 'p4d-truth-1'"),
}


@pytest.mark.attack("M1")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_sidecar_that_anybody_wrote_is_refused_with_its_reason(stored, tmp_path, case):
    change, reason = HOSTILE[case]
    with pytest.raises(TruthError, match=reason):
        sidecar.read(damaged(stored, tmp_path, change))


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "7", "null", "{", ""])
def test_metadata_of_another_form_is_refused(stored, tmp_path, text):
    source = Arrays(stored)
    path = tmp_path / "a.truth.safetensors"
    save_file({name: source[name] for name in source}, path, metadata={"meta": text})
    with pytest.raises(TruthError, match=r"a\.truth\.safetensors"):
        sidecar.read(path)


@pytest.mark.parametrize("depth_m", [-1.0, 1e7])
def test_an_impossible_depth_fails_its_frame(busy_video, tmp_path, depth_m):
    truth = busy_video.truth
    z_m, ids = truth.frames[2]
    z_m = z_m.copy()
    z_m[0, 0] = depth_m
    frames = [truth.frames[t] for t in range(len(truth.pts_ns))]
    frames[2] = (z_m, ids)
    path = tmp_path / "a.truth.safetensors"
    sidecar.write(path, dataclasses.replace(truth, frames=frames))
    read = sidecar.read(path)
    assert read.resample([0, 1], 64).valid_thw.all()
    with pytest.raises(TruthError, match=r"frame 2 is not from 0 to 1e\+06 m"):
        read.resample([1, 2], 64)


def test_a_sidecar_of_the_first_format_reads_as_it_did(busy_video, tmp_path):
    path = tmp_path / "one.truth.safetensors"
    sidecar.write(path, busy_video.truth)
    both = [reader(path) for reader in (truth.read, sidecar.read)]
    assert all(isinstance(each, WorldTruth) for each in both)
    one, other = [each.resample([0, 3], 64).arrays() for each in both]
    assert list(one) == list(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
