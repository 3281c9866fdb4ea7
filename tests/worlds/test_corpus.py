"""The simulated corpus: ordinary videos with agreeing truth, the same bytes again."""

from fractions import Fraction

import av
import numpy as np
import pytest

from p4d.artifacts import read_json
from p4d.config import WorldsParams
from p4d.worlds import sidecar
from p4d.worlds.corpus import frame_times, write_corpus, write_world
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for
from p4d.worlds.sidecar import path_for, read
from tests.video.media import params

PARAMS = WorldsParams(seed=5, videos=2, size_px=96, duration_s=1.0, fps=12.0)


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [
            (round(f.pts * stream.time_base * 10**9), f.to_ndarray(format="rgb24"))
            for f in container.decode(stream)
        ]
        return frames, stream.width, stream.height


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inbox")
    calls = []
    paths = write_corpus(folder, PARAMS, lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(1, 2), (2, 2)]
    return folder, paths


def test_the_corpus_is_ordinary_video_with_agreeing_truth(inbox):
    folder, paths = inbox
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        name for p in paths for name in (p.name, sidecar.path_for(p).name, f"{p.stem}.source.json")
    )
    for path in paths:
        frames, width_px, height_px = decoded(path)
        truth = sidecar.read(sidecar.path_for(path))
        sidecar.check_against(truth, [pts_ns for pts_ns, _ in frames], width_px, height_px)
        assert len(frames) == 12


def test_existing_videos_are_kept_and_missing_ones_made_again_with_equal_bytes(inbox):
    folder, paths = inbox
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}
    paths[1].unlink()
    calls = []
    assert write_corpus(folder, PARAMS, lambda *call: calls.append(call)) == paths
    assert calls == [(2, 2, paths[1].name)]
    assert paths[0].stat().st_mtime_ns == before[paths[0]][1]
    assert paths[1].read_bytes() == before[paths[1]][0]


def test_encoding_keeps_pictures_close_and_bytes_equal(tmp_path):
    one = write_world(tmp_path / "one.mp4", 11, PARAMS)
    two = write_world(tmp_path / "two.mp4", 11, PARAMS)
    assert one.read_bytes() == two.read_bytes()
    assert sidecar.path_for(one).read_bytes() == sidecar.path_for(two).read_bytes()
    stated = [read_json(path.with_name(f"{path.stem}.source.json")) for path in (one, two)]
    written = {"licence": "Apache-2.0", "schema": 1, "source": "simulated by p4d, world 11"}
    assert stated == [written] * 2
    frames, _, _ = decoded(one)
    drawn = render(spec_for(11, 1.0), [pts_ns for pts_ns, _ in frames], 96).rgb_thw3
    difference = np.abs(np.stack([p for _, p in frames]).astype(int) - drawn)
    assert difference.mean() < 3.0


def test_a_part_of_the_videos_has_a_variable_rate_in_whole_milliseconds():
    variable = 0
    for seed in range(60):
        ticks, tick_s = frame_times(seed, 4.0, 12.0)
        assert len(ticks) == 48
        assert ticks[0] == 0
        assert ticks[-1] * tick_s < 4
        steps = np.diff(ticks)
        assert (steps > 0).all()
        if len(set(steps.tolist())) > 1:
            variable += 1
            assert tick_s == Fraction(1, 1000)
            assert steps.min() > 25
            assert steps.max() < 140
    assert 10 < variable < 32


def test_a_video_may_show_a_later_part_of_a_longer_world(tmp_path):
    settings = params(worlds={"size_px": 48, "duration_s": 1.0, "fps": 4.0}).worlds
    path = write_world(tmp_path / "w.mp4", 5, settings, world_s=4.0, begin_s=2.0)
    truth = read(path_for(path))
    assert truth.pts_ns[0] == 0
    times_ns = 2 * 10**9 + truth.pts_ns
    whole = render(spec_for(5, 4.0), times_ns.tolist(), 48).truth
    assert truth.world_T_obj_kt44 == pytest.approx(whole.world_T_obj_kt44)
