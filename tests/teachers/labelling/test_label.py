"""Stage labels: the files that it writes, rows that fail, and the statistics."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.errors import LabelError
from p4d.teachers.exact import ExactTeacher
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.teachers.labelling.store import LabelStore
from tests.factories import make_clips_dir


@pytest.fixture(scope="module")
def clips_folder(tmp_path_factory):
    """Five clips; the last has no truth and one is rejected."""
    folder = tmp_path_factory.mktemp("clips")
    make_clips_dir(folder, 6, size_px=32, frames=4)
    table = read_table(folder / "clips.parquet").sort("clip_id").head(5)
    ids = table["clip_id"].to_list()
    table = table.with_columns(
        has_truth=pl.col("clip_id") != ids[4],
        outcome=pl.when(pl.col("clip_id") == ids[2])
        .then(pl.lit("rejected"))
        .otherwise(pl.col("outcome")),
    )
    write_table(folder / "clips.parquet", table, sort_by=["clip_id"])
    truth = Arrays(folder / "truth.safetensors")
    kept = {name: truth[name] for name in truth if not name.startswith(ids[4])}
    write_arrays(folder / "truth.safetensors", kept)
    return folder


@pytest.fixture(scope="module")
def labelled(run_stage, clips_folder, expert_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("labels")
    report = run_stage("labels", out, {"clips": clips_folder, "expert": expert_folder})
    return out, report


def test_every_accepted_clip_gets_a_row_per_teacher_that_can(labelled, clips_folder):
    out, report = labelled
    ids = read_table(clips_folder / "clips.parquet")["clip_id"].to_list()
    index = read_table(out / "index.parquet")
    expected = [(c, t) for c in ids if c != ids[2] for t in ("exact", "expert4d")]
    expected.remove((ids[4], "exact"))
    assert index.select("clip_id", "teacher").rows() == expected
    assert set(index["outcome"]) == {"ok"}
    assert report.rows == {"ok": 7, "failed": 0}
    scales = index.group_by("teacher").agg(pl.col("scale_kind").unique()).sort("teacher")
    assert scales.rows() == [("exact", ["metric"]), ("expert4d", ["relative"])]
    assert LabelStore(out).labels() == expected
    assert {p.name for p in out.iterdir()} == {
        "labels.safetensors", "latents.safetensors", "index.parquet", "label_stats.parquet",
    }  # fmt: skip


def test_labelling_again_gives_equal_bytes(
    labelled, run_stage, clips_folder, expert_folder, tmp_path
):
    run_stage("labels", tmp_path, {"clips": clips_folder, "expert": expert_folder})
    for path in labelled[0].iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_exact_labels_are_the_truth_up_to_storage(labelled, clips_folder):
    out, _ = labelled
    store, truth = LabelStore(out), Arrays(clips_folder / "truth.safetensors")
    clip_id = store.labels()[0][0]
    depth = truth[f"{clip_id}.z_depth_m_thw"][:, 1::2, 1::2]
    assert np.allclose(store.get(clip_id, "exact", "depth"), depth, rtol=2**-11)
    flow = truth[f"{clip_id}.flow_px_thw2"][:, 1::2, 1::2] / 2
    assert np.abs(store.get(clip_id, "exact", "flow") - flow).max() <= 1 / 128 + 1e-6
    moving = truth[f"{clip_id}.moving_thw"][:, 1::2, 1::2]
    assert np.array_equal(store.get(clip_id, "exact", "motion"), moving)


def test_statistics_measure_exact_labels_as_exact(labelled):
    stats = read_table(labelled[0] / "label_stats.parquet").filter(pl.col("teacher") == "exact")
    assert stats.group_by("modality").len().sort("modality")["modality"].to_list() == [
        "depth", "flow", "motion", "rays",
    ]  # fmt: skip
    assert stats["depth_absrel"].max() < 1e-3
    assert stats["flow_epe_px"].max() < 0.01
    assert stats["motion_iou"].drop_nulls().min() == 1
    assert stats["ray_angle_rad"].max() < 1e-6
    assert stats["flow_cycle_px"].max() < 0.02
    assert stats["depth_scale_jump"].max() < 0.02
    assert stats.select("n_nan", "n_inf").sum().row(0) == (0, 0)


def test_statistics_of_a_clip_without_truth_hold_only_self_consistency(labelled, clips_folder):
    last = read_table(clips_folder / "clips.parquet")["clip_id"][4]
    stats = read_table(labelled[0] / "label_stats.parquet").filter(pl.col("clip_id") == last)
    assert set(stats["teacher"]) == {"expert4d"}
    for name in ("depth_absrel", "flow_epe_px", "motion_iou", "ray_angle_rad"):
        assert stats[name].null_count() == stats.height, name
    by_modality = {row["modality"]: row for row in stats.iter_rows(named=True)}
    assert by_modality["flow"]["flow_cycle_px"] >= 0
    assert by_modality["depth"]["depth_scale_jump"] >= 0
    assert by_modality["depth"]["min"] > 0


def test_expert_cameras_start_at_the_identity_and_fit_its_rays(labelled):
    store = LabelStore(labelled[0])
    clip_id = store.labels()[0][0]
    poses = store.get(clip_id, "expert4d", "world_T_cam_t44")
    assert np.array_equal(poses[0], np.eye(4))
    assert np.allclose(poses[:, :3, :3] @ poses[:, :3, :3].swapaxes(1, 2), np.eye(3))
    assert store.get(clip_id, "expert4d", "rays").shape == (4, 4, 4, 6)
    assert store.latents(clip_id).shape == (2, 2, 4, 4, 32)


class Spoiling:
    """A teacher that copies truth, spoils the arrays of one clip and raises for another."""

    name, digest, depth_kind, scale_kind, needs_truth = "spoiling", "0", "z", "metric", False
    reads, uses, batch = None, (), 0

    def __init__(self, map_px, spoilt, refused):
        self.map_px = map_px
        self._exact, self._spoilt, self._refused = ExactTeacher(map_px), spoilt, refused

    def label(self, clips):
        if any(clip.clip_id == self._refused for clip in clips):
            raise LabelError("this clip cannot be labelled")
        labels = self._exact.label(clips)
        for i, clip in enumerate(clips):
            if clip.clip_id == self._spoilt:
                depth = labels[i].depth_thw.copy()
                depth[1, 2, 3] = np.nan
                labels[i] = replace(labels[i], depth_thw=depth)
        return labels


def test_a_bad_clip_is_a_failed_row_without_arrays_and_the_rest_goes_on(clips_folder, tmp_path):
    clips = ShardClips(clips_folder)
    a, b, c, without_truth = clips.clip_ids
    judged = label_clips(clips, [Spoiling(16, a, b)], tmp_path, batch=4, tokens_hw=4)
    reasons = {one.clip_id: one.reason for one in judged}
    assert reasons[a] == "depth_thw: 1 of 1024 values are not finite"
    assert reasons[b] == "this clip cannot be labelled"
    assert reasons[c] is None
    assert "no truth" in reasons[without_truth]
    index = read_table(tmp_path / "index.parquet")
    assert index.filter(pl.col("outcome") == "failed")["clip_id"].to_list() == [a, b, without_truth]
    assert LabelStore(tmp_path).labels() == [(c, "spoiling")]
    assert set(read_table(tmp_path / "label_stats.parquet")["clip_id"]) == {c}


def test_a_clip_whose_frames_are_missing_fails_alone(clips_folder, expert_folder, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("clips.parquet", "truth.safetensors"):
        (folder / name).write_bytes((clips_folder / name).read_bytes())
    frames = Arrays(clips_folder / "frames.safetensors")
    first = ShardClips(clips_folder).clip_ids[0]
    write_arrays(
        folder / "frames.safetensors",
        {name: frames[name] for name in frames if not name.startswith(first)},
    )
    teacher = ExpertTeacher(expert_folder)
    judged = label_clips(ShardClips(folder), [teacher], tmp_path / "out", batch=4, tokens_hw=4)
    failed = [one for one in judged if one.reason]
    assert [one.clip_id for one in failed] == [first]
    assert "rgb_thw3" in failed[0].reason


def test_a_shard_without_clips_gives_empty_tables(clips_folder, expert_folder, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    table = read_table(clips_folder / "clips.parquet").with_columns(outcome=pl.lit("rejected"))
    write_table(folder / "clips.parquet", table, sort_by=["clip_id"])
    write_arrays(folder / "frames.safetensors", {})
    out = tmp_path / "out"
    assert label_clips(ShardClips(folder), [ExactTeacher(16)], out, batch=2, tokens_hw=4) == []
    assert read_table(out / "index.parquet").is_empty()
    assert LabelStore(out).labels() == []
