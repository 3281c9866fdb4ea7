"""MPI Sintel, landed: cameras turned round, flow inverted, both passes one group."""

import numpy as np
import pytest

from p4d.datasets.backward_flow import backward_flow
from p4d.datasets.convert import convert
from p4d.datasets.registry import reader_named, recognise
from p4d.datasets.sintel.files import read_camera, read_depth, read_flow
from p4d.errors import DatasetError
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path
from p4d.truth import path_for, read
from tests.datasets.layouts.sintel import (
    FRAMES,
    HEIGHT,
    UNKNOWN,
    WIDTH,
    write_sintel,
)


@pytest.fixture
def made(tmp_path):
    return write_sintel(tmp_path / "MPI-Sintel-complete")


def converted(made, tmp_path, sequence="clean/alley_1"):
    return convert("sintel", made.folder, sequence, tmp_path / "out", {})


def origin_of(done):
    return read_source(sidecar_path(done.video, SOURCE_SUFFIX)).origin


def test_both_passes_land_and_are_one_group(made, tmp_path):
    assert recognise(made.folder) == "sintel"
    assert recognise(made.folder / "training") == "sintel"
    sequences = reader_named("sintel").sequences(made.folder, {})
    assert sequences == ["clean/alley_1", "final/alley_1"]
    origins = [origin_of(converted(made, tmp_path, each)) for each in sequences]
    assert {origin.exchange_group for origin in origins} == {"sintel/alley_1"}
    assert {origin.times for origin in origins} == {"declared"}
    assert not any(origin.redistributable for origin in origins)


def test_depth_and_cameras_are_in_our_conventions(made, tmp_path):
    done = converted(made, tmp_path)
    truth = read(path_for(done.video))
    assert truth.gives == ("intrinsics", "camera_poses", "depth", "flow")
    assert (truth.scale, truth.up, truth.times) == ("relative", "unknown", "declared")
    assert truth.K_t33 == pytest.approx(np.repeat(made.K[None], FRAMES, axis=0))
    assert truth.camera.matrix == pytest.approx(made.world_T_cam_t44, abs=1e-9)
    assert truth.camera.valid.all()
    for t in (0, 3, FRAMES - 1):
        # Planar, and 0 in the sky, which the file states as a huge distance.
        assert truth.depth[t] == pytest.approx(made.views[t].z_m_hw, rel=1e-5)
        assert 0.02 < (truth.depth[t] == 0).mean() < 0.4
    assert truth.pts_ns == pytest.approx(np.arange(FRAMES) * 1e9 / 24, abs=1000)


def test_flow_is_the_inverse_of_the_published_one(made, tmp_path):
    truth = read(path_for(converted(made, tmp_path).video))
    assert truth.flow[0] is None
    for t in range(1, FRAMES):
        flow, known = truth.flow[t]
        exact, _, seen = made.views[t].flow_to(made.views[t - 1])
        assert (known & seen).sum() > 0.9 * seen.sum()
        # What a neighbour's flow is interpolated from lies on the other side of an edge.
        assert (np.abs(flow - exact)[known].max(axis=-1) < 0.05).mean() > 0.97
        assert (known & ~seen).sum() < 0.01 * known.size
    forward, _, _ = made.views[t - 1].flow_to(made.views[t])
    # Negated forward flow, the known mistake, is far from it.
    wrong, right = (np.abs(each - exact)[known & seen].max(axis=-1) for each in (-forward, flow))
    assert np.median(wrong) > 20 * np.median(right)


def test_what_is_hidden_or_unknown_gives_no_flow(made, tmp_path):
    _, known = read(path_for(converted(made, tmp_path).video)).flow[1]
    forward, _, seen = made.views[0].flow_to(made.views[1])
    lands = np.indices((HEIGHT, WIDTH)).transpose(1, 2, 0)[..., ::-1] + 0.5 + forward
    u, v = np.floor(lands[UNKNOWN]).astype(int)
    assert seen[UNKNOWN]
    assert not known[v, u]
    uncovered = made.views[1].z_m_hw > 0
    uncovered &= ~made.views[1].flow_to(made.views[0])[2]
    assert uncovered.sum() > 20
    assert (known & uncovered).sum() < 0.35 * uncovered.sum()


def test_an_edge_in_the_flow_gives_nothing_between_its_sides():
    forward = np.zeros((20, 30, 2), np.float32)
    forward[5:15, 8:16] = (4.0, 0.0)  # a thing that moves to the right over what stands still
    hidden = np.zeros((20, 30), bool)
    hidden[5:15, 16:20] = True
    flow, known = backward_flow(forward, ~hidden)
    assert flow[6:14, 13:19][known[6:14, 13:19]] == pytest.approx(np.tile([-4.0, 0], (48, 1)))
    assert known[6:14, 13:19].all()
    assert not known[5:15, 9:12].any()  # uncovered: it was hidden before
    assert (flow[known & (np.abs(flow).max(axis=-1) > 0)] == (-4, 0)).all()


def test_the_headers_are_those_of_the_published_files(tmp_path):
    payload = bytes.fromhex("504945480300000002000000") + np.arange(12, dtype="<f4").tobytes()
    (tmp_path / "a.flo").write_bytes(payload)
    flow, known = read_flow(tmp_path / "a.flo")
    assert flow.shape == (2, 3, 2)
    assert flow[1, 2].tolist() == [10.0, 11.0]
    assert known.all()


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "begins with"),
        (b"HEIP" + bytes(8), "begins with"),
        (b"PIEH" + (3).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(23), "is cut"),
        (b"PIEH" + (2**30).to_bytes(4, "little") * 2, "states 1073741824x1073741824"),
        (b"PIEH" + b"\xff" * 8, "states -1x-1"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, payload, message):
    path = tmp_path / "frame_0001.dpt"
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=message) as failed:
        read_depth(path)
    assert "frame_0001.dpt" in str(failed.value)


def test_a_camera_that_mirrors_is_refused(made):
    path = made.folder / "training" / "camdata_left" / "alley_1" / "frame_0001.cam"
    payload = bytearray(path.read_bytes())
    numbers = np.frombuffer(payload, "<f8", offset=4).copy()
    numbers[9:13] *= -1
    path.write_bytes(payload[:4] + numbers.tobytes())
    with pytest.raises(DatasetError, match=r"frame_0001\.cam: the matrix is no rotation"):
        read_camera(path)


def test_lost_files_cost_their_part_of_their_frame(made, tmp_path):
    base = made.folder / "training"
    (base / "depth" / "alley_1" / "frame_0003.dpt").unlink()
    (base / "camdata_left" / "alley_1" / "frame_0005.cam").write_bytes(b"PIEH")
    (base / "flow" / "alley_1" / "frame_0006.flo").unlink()
    (base / "clean" / "alley_1" / "frame_0009.png").unlink()
    done = converted(made, tmp_path)
    assert done.frames == FRAMES - 1
    truth = read(path_for(done.video))
    assert [t for t in range(done.frames) if truth.depth[t] is None] == [2]
    assert np.flatnonzero(~truth.camera.valid).tolist() == [4]
    # No flow: the first frame, the one behind the lost file, the one behind the lost picture.
    assert [t for t in range(done.frames) if truth.flow[t] is None] == [0, 6, 8]
    problems = "\n".join(done.problems)
    for name in ("frame_0003.dpt", "frame_0005.cam", "frame_0006.flo", "frame_0009.png"):
        assert name in problems, name


def test_passes_without_the_depth_archive_land(tmp_path):
    import shutil

    made = write_sintel(tmp_path / "sintel")
    for part in ("depth", "camdata_left", "flow", "occlusions"):
        shutil.rmtree(made.folder / "training" / part)
    done = converted(made, tmp_path)
    assert done.gives == ()
    assert sum("is missing: no" in problem for problem in done.problems) == 3


def test_a_folder_that_is_no_sintel_is_named(tmp_path):
    (tmp_path / "training").mkdir()
    with pytest.raises(DatasetError, match="is no MPI Sintel"):
        reader_named("sintel").sequences(tmp_path, {})
