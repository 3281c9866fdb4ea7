import numpy as np
import polars as pl
import pytest

from benchmarks.questions.calibration import (
    ERRORS_SCHEMA,
    SEEN,
    calibration_errors,
    coverage,
    fit_factors,
    piecewise_constant_motion,
)
from p4d.project import Project
from tests.questions.scenes import FACTS


def _numbers(scale, n=4000, kind="distance", seed=0):
    """Facts whose sigma is `scale` times too small."""
    rng = np.random.default_rng(seed)
    return [
        {"study": "s", "clip_id": f"clip_{i % 50}", "kind": kind, "is_exact": False, "right": False,
         "margin": 5.0, "error_sigma": abs(float(e)) * scale}
        for i, e in enumerate(rng.normal(size=n))
    ]  # fmt: skip


def _words(right, margin, n=1000, kind="direction"):
    return [
        {"study": "s", "clip_id": "clip_0", "kind": kind, "is_exact": True, "right": i < right * n,
         "margin": margin, "error_sigma": 0.0 if i < right * n else margin}
        for i in range(n)
    ]  # fmt: skip


def _table(rows):
    return pl.DataFrame(rows, schema=ERRORS_SCHEMA)


def test_an_honest_sigma_covers_like_a_normal_error():
    (row,) = coverage(_table(_numbers(1.0))).to_dicts()
    assert row["within_1"] == pytest.approx(0.683, abs=0.03)
    assert row["within_2"] == pytest.approx(0.954, abs=0.02)
    assert (row["facts"], row["clips"], row["asked"]) == (4000, 50, 0)
    assert row["asked_right"] is None


def test_the_factor_of_one_set_repairs_the_coverage_of_another():
    factors = fit_factors(_table(_numbers(3.0, seed=1)))
    assert factors[("s", "distance")] == pytest.approx(3.0, rel=0.15)
    (row,) = coverage(_table(_numbers(3.0, seed=2)), factors).to_dicts()
    assert row["within_1"] >= 0.66
    assert row["within_2"] >= 0.94
    assert coverage(_table(_numbers(3.0)))["within_1"][0] < 0.35


def test_wrong_words_count_as_far_off_as_they_were_sure():
    (row,) = coverage(_table(_words(0.9, 4.0))).to_dicts()
    assert (row["within_1"], row["within_2"]) == (0.9, 0.9)
    assert (row["asked"], row["asked_right"]) == (1000, 0.9)
    (row,) = coverage(_table(_words(0.9, 1.5))).to_dicts()
    assert (row["within_1"], row["within_2"], row["asked"]) == (0.9, 1.0, 0)


def test_words_that_are_too_often_wrong_lose_their_margin():
    factors = fit_factors(_table(_words(0.9, 4.0)))
    (row,) = coverage(_table(_words(0.9, 4.0)), factors).to_dicts()
    assert row["asked"] == 0


@pytest.fixture(scope="module")
def errors(labelled):
    return calibration_errors([labelled], FACTS, Project.find().params.regions)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Clips with truth, true regions, and an expert that says what is true."""
    from p4d.artifacts import write_table
    from p4d.standalone import run_stages
    from p4d.teachers.exact import truth_labels
    from p4d.teachers.labelling.label import INDEX_SCHEMA, ShardClips
    from p4d.teachers.labelling.statistics import STATS_SCHEMA
    from p4d.teachers.labelling.store import LabelWriter
    from tests.factories import make_clips_dir

    base, shard = tmp_path_factory.mktemp("calibration"), "0000-00000000"
    make_clips_dir(base / "clips" / shard, 4, seed=8, shard=shard)
    labels = base / "labels" / shard
    clips, writer = ShardClips(base / "clips" / shard), LabelWriter()
    for clip_id in clips.clip_ids:
        writer.add(clip_id, "expert4d", truth_labels(clips.read(clip_id).truth, 32, 64))
    labels.mkdir(parents=True)
    writer.write(labels)
    row = {"teacher": "expert4d", "teacher_digest": "d", "depth_kind": "z",
           "scale_kind": "relative",
           "map_px": 32, "outcome": "ok", "reason": None}  # fmt: skip
    index = pl.DataFrame([{"clip_id": c, **row} for c in clips.clip_ids], schema=INDEX_SCHEMA)
    write_table(labels / "index.parquet", index, sort_by=["clip_id"])
    stats = pl.DataFrame([], schema=STATS_SCHEMA)
    write_table(labels / "label_stats.parquet", stats, sort_by=["clip_id"])
    run_stages(base, Project.find().params, ["regions"], [shard])
    return tuple(base / stage / shard for stage in ("clips", "labels", "regions"))


def test_labels_that_are_true_give_words_that_are_right(errors):
    words = errors.filter(
        (pl.col("study") == "expert4d, true regions") & (pl.col("kind") == "moving")
    )
    assert words.height > 20
    assert words.filter(pl.col("margin") >= 3)["right"].mean() > 0.9


def test_positions_seen_with_their_stated_error_are_covered(errors):
    seen = coverage(errors.filter(pl.col("study") == SEEN))
    rows = {row["kind"]: row for row in seen.to_dicts()}
    for kind in ("position_right", "position_ahead", "distance"):
        assert 0.45 < rows[kind]["within_1"] < 0.85, kind
        assert rows[kind]["within_2"] > 0.85, kind


def test_what_may_be_even_is_taken_for_even():
    time_s = np.arange(8) * 0.25
    noise_m = np.random.default_rng(0).normal(0, 0.02, (8, 3))
    even_m = time_s[:, None] * np.array([0.5, 0.0, 0.1])
    found_m = piecewise_constant_motion(time_s, even_m + noise_m, 0.09)
    assert np.allclose(np.diff(found_m, n=2, axis=0), 0)
    late_m = np.maximum(time_s - 0.75, 0)[:, None] * np.array([0.9, 0.0, 0.0])
    found_m = piecewise_constant_motion(time_s, late_m, 0.09)
    assert np.allclose(found_m, late_m)


def test_the_study_gives_the_same_rows_again(labelled, errors):
    again = calibration_errors([labelled], FACTS, Project.find().params.regions)
    assert again.equals(errors)
