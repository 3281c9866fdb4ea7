"""Fuzzing: a small slice of what `python -m benchmarks.reality.fuzz` runs, through the stages too.

The slice is seeded: mutant i is the same in every run.
"""

import pytest

from benchmarks.reality.fuzz import digests_of, judge, run
from benchmarks.reality.mutants import FORMATS, good_file, mutants
from p4d.artifacts import read_table
from p4d.video.clips import build_clips
from p4d.video.decoding.per_video import FileFault
from p4d.video.ingest import build_videos
from p4d.video.landing import land
from tests.video.media import inputs, make_project, write_video

SLICE = 5 * len(FORMATS)
CHOSEN = tuple(kind for kind in FORMATS if kind.codec != "libsvtav1")  # its encoder takes seconds


@pytest.fixture(scope="module")
def good():
    return {kind: good_file(kind) for kind in CHOSEN}


def test_no_mutant_crashes_hangs_or_is_refused_without_a_reason(good, tmp_path):
    verdicts = run(list(mutants(SLICE, good)), digests_of(good, tmp_path), tmp_path)
    kinds = {verdict.kind for verdict in verdicts}
    assert kinds <= {"rejected", "harmless", "silent"}
    assert "rejected" in kinds  # the mutations do damage
    assert {verdict.mutant.kind for verdict in verdicts} == set(CHOSEN)


def test_every_kind_of_failure_is_counted_as_what_it_is(good):
    (mutant,) = mutants(1, good)
    reasons = {
        "crash": "the decoder crashed on this file, or did not come back within 40 seconds",
        "hang": "decoding takes more than 20 processor seconds (landing.max_cpu_s); cut it",
        "nameless": "cannot be read (OverflowError: int too big to convert)",
        "reasonless": " ",
        "rejected": "moov atom not found",
    }
    for kind, reason in reasons.items():
        assert judge(mutant, FileFault(reason), "abc").kind == kind
    assert judge(mutant, "abc", "abc").kind == "harmless"
    assert judge(mutant, "abd", "abc").kind == "silent"


def test_mutants_land_beside_a_good_file_and_cost_it_nothing(good, tmp_path):
    project = make_project(tmp_path, clips={"max_reject_ratio": 1.0})
    for mutant in mutants(SLICE, good):
        name = f"{mutant.number:03d}.{mutant.kind.suffix}"
        (project.inbox / name).write_bytes(mutant.payload)
    write_video(project.inbox / "good.mp4")
    land(project)
    rows = {}
    for shard in project.shards():
        out = project.data / "videos" / shard
        build_videos(inputs(project, "videos", shard), out)
        build_clips(inputs(project, "clips", shard), project.data / "clips" / shard)
        rows |= {row["name"]: row for row in read_table(out / "videos.parquet").to_dicts()}
    assert rows["good.mp4"]["outcome"] == "ok"
    assert len(rows) >= SLICE  # some mutants are equal
    assert all(row["outcome"] == "ok" or row["reason"] for row in rows.values())
