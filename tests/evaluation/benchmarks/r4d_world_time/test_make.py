"""R4D-World-Time: videos that differ in their times alone, and questions that only these decide."""

import json
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from p4d.encoding import write_mp4
from p4d.evaluation.benchmarks import r4d_bench
from p4d.evaluation.benchmarks.r4d_world.release import SUMS
from p4d.evaluation.benchmarks.r4d_world_time.make import EDITION, PICTURES, SEED, make
from p4d.evaluation.benchmarks.r4d_world_time.videos import MILLISECOND, retime
from p4d.ids import seed_for, sha256_file
from p4d.questions.asking.families import BY_NAME
from p4d.video.decoding.decode import decode
from p4d.worlds.retimed import TAKES, takes_of
from p4d.worlds.spec import HELDOUT_COLOURS
from tests.video.media import params

WORLDS = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("r4d-world-time"), params(), worlds=WORLDS)


def records(made):
    return json.loads((made.folder / "test.json").read_text())


def test_whoever_ignores_the_times_answers_one_in_four(made):
    """Frames, words and order of options of a group are equal, and every option is right once."""
    right = defaultdict(Counter)
    for record in records(made):
        assert BY_NAME[record["family"]].needs_seconds
        seen_without_times = record["source"], record["question"], tuple(record["options"])
        right[seen_without_times][record["answer"]] += 1
    assert len(right) >= 3
    for (_, _, options), counts in right.items():
        assert set(counts) == set(options)
        assert len(set(counts.values())) == 1


def test_takes_of_a_world_decode_to_equal_frames_at_their_own_times(made):
    for number in range(WORLDS):
        takes = takes_of(seed_for(EDITION.name, SEED, number), PICTURES)
        shown = []
        for k, take in enumerate(takes):
            video = made.folder / ".build" / "inbox" / f"world_{number:04d}_{k}.mp4"
            frames = list(decode(video))
            assert [frame.pts_ns for frame in frames] == list(take.times_ns)
            shown.append(np.stack([frame.rgb() for frame in frames]))
        assert len(shown) == TAKES
        assert all(np.array_equal(shown[0], other) for other in shown[1:])
        assert (shown[0][0] != shown[0][-1]).any()


def test_it_is_read_as_r4d_world_with_one_cluster_per_world(made):
    found = r4d_bench.read(made.folder)
    assert not found.rejected
    assert len(found.items) == sum(made.questions.values())
    assert found.stages is not None
    assert (found.name, found.sampling) == ("r4d-world-time", "ends")
    assert len({item.group for item in found.items}) == made.worlds <= WORLDS
    assert len({item.video for item in found.items}) > made.worlds


def test_worlds_have_the_look_that_nothing_was_trained_on(made):
    facts = made.folder / ".build" / "clips"
    (shard,) = facts.iterdir()
    objects = pl.read_parquet(shard / "objects.parquet")
    assert set(objects["colour"]) <= set(HELDOUT_COLOURS)
    assert not set(objects["motion"]) & {"ballistic", "translating_rotating"}


def test_sums_name_every_file_and_a_second_run_keeps_them(made):
    before = (made.folder / SUMS).read_text()
    for line in before.splitlines():
        digest, name = line.split("  ")
        assert sha256_file(made.folder / name) == digest
    again = make(made.folder, params(), worlds=WORLDS)
    assert (again.folder / SUMS).read_text() == before
    assert "not compared" in again.comparison


def test_retiming_needs_as_many_times_as_frames(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    encoded = tmp_path / "a.mp4"
    write_mp4(encoded, enumerate(pictures), MILLISECOND, Fraction(1000), reordered=False)
    retime(encoded, tmp_path / "b.mp4", (0, 17, 4000, 4001), MILLISECOND)
    times_ns = [frame.pts_ns for frame in decode(tmp_path / "b.mp4")]
    assert times_ns == [0, 17 * 10**6, 4000 * 10**6, 4001 * 10**6]
    with pytest.raises(ValueError, match="shorter"):
        retime(encoded, tmp_path / "c.mp4", (0, 17, 4000), MILLISECOND)
