"""The truth sidecar: it reads back as written, and damage is named."""

import json

import numpy as np
import pytest

from p4d.artifacts import Arrays, write_arrays
from p4d.errors import TruthError
from p4d.worlds import sidecar


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
