"""Flow without weights: measured against exact truth of landed videos."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import read_json, read_table
from p4d.config import TeacherParams
from p4d.teachers.flow_dis import DisFlowTeacher, cycle_closes
from p4d.teachers.labelling.sources import LabelSources
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.protocol import ClipInput
from tests.teachers.landed import landed_shard, run

SETTINGS = {"dis": TeacherParams(kind="flow_dis")}


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    return landed_shard(tmp_path_factory.mktemp("project"), seeds=(7, 8), frames=4)


@pytest.fixture(scope="module")
def labelled(shard, expert_folder, tmp_path_factory):
    """Labels by expert, truth and DIS; flow of DIS counts."""
    out = tmp_path_factory.mktemp("labels")
    run(*shard_of(shard), out, {"expert": expert_folder}, labels=labels_params())
    return out


def shard_of(shard):
    project, name = shard
    return project, "labels", name


def labels_params(**changed):
    sources = dict.fromkeys(("depth", "motion", "camera"), ("expert4d",))
    return {
        "teachers": ("expert4d", "exact", "dis"), "settings": SETTINGS, "threads": 1,
        "sources": {**sources, "flow": ("dis", "expert4d")}, **changed,
    }  # fmt: skip


def textured(shift_px):
    """Two frames of one texture, the second moved by `shift_px` to the right and down."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 40), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((6, 6), np.uint8))
    frames = [texture[20 - d : 140 - d, 20 - d : 200 - d] for d in (0, shift_px)]
    return np.repeat(np.stack(frames)[..., None], 3, -1)


def test_a_shift_is_found_backward_in_px_of_the_map():
    teacher = DisFlowTeacher("dis", SETTINGS["dis"], 30)
    (label,) = teacher.label([ClipInput(clip_id="a", rgb_thw3=textured(4), truth=None)])
    # The picture is 180 x 120 px, the map 30 x 30: four px are 2/3 and 1 of the map.
    found = np.median(label.flow_px_thw2[1][label.flow_valid_thw[1]], axis=0)
    assert np.allclose(found, [-4 * 30 / 180, -4 * 30 / 120], atol=0.03)
    assert label.flow_valid_thw[1].mean() > 0.8
    assert not label.flow_valid_thw[0].any()
    assert not label.flow_px_thw2[0].any()


def test_a_hidden_point_has_no_valid_flow():
    backward = np.zeros((8, 8, 2), np.float32)
    forward = np.zeros((8, 8, 2), np.float32)
    backward[:, :4, 0] = 3  # comes from where something else stays
    assert np.array_equal(cycle_closes(backward, forward)[0], [False] * 4 + [True] * 4)
    forward[:, 3:7, 0] = -3
    assert cycle_closes(backward, forward)[:, :4].all()


def test_flow_of_landed_videos_is_nearer_to_the_truth_than_zero(labelled):
    stats = read_table(labelled / "label_stats.parquet").filter(
        (pl.col("teacher") == "dis") & (pl.col("modality") == "flow")
    )
    assert stats.height >= 2
    assert stats["flow_epe_px"].mean() < 0.5 * stats["flow_zero_epe_px"].mean()
    assert stats["coverage"].min() > 0.25


def test_the_record_names_settings_digest_and_sigma(labelled):
    record = read_json(labelled / "teachers.json")
    assert record["sources"]["flow"] == ["dis", "expert4d"]
    one = record["teachers"]["dis"]
    index = read_table(labelled / "index.parquet").filter(teacher="dis")
    assert set(index["teacher_digest"]) == {one["digest"]}
    assert one["settings"]["kind"] == "flow_dis"
    assert one["sigma"]["flow"] > 0


def test_each_modality_is_that_of_its_first_teacher(labelled):
    sources = LabelSources(labelled)
    clip_id = read_table(labelled / "index.parquet")["clip_id"][0]
    assert sources.needed(clip_id, "flow") == "dis"
    assert sources.needed(clip_id, "motion") == "expert4d"
    assert sources.sigma("expert4d", "flow") is None


def test_another_teacher_leaves_the_bytes_of_the_others_as_they_are(
    shard, labelled, expert_folder, tmp_path
):
    plain = tmp_path / "plain"
    default = {"threads": 1}
    run(*shard_of(shard), plain, {"expert": expert_folder}, labels=default)
    assert not (plain / "teachers.json").exists()
    both, alone = LabelStore(labelled), LabelStore(plain)
    for clip_id, teacher in alone.labels():
        for name, values in alone.get_all(clip_id, teacher).items():
            assert np.array_equal(values, both.get(clip_id, teacher, name)), (teacher, name)


def test_labelling_again_gives_equal_bytes(shard, labelled, expert_folder, tmp_path):
    run(*shard_of(shard), tmp_path, {"expert": expert_folder}, labels=labels_params())
    for path in labelled.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_damaged_video_is_a_failed_row_of_this_teacher_alone(shard, expert_folder, tmp_path):
    project, name = shard
    videos = tmp_path / "videos"
    (videos / "files").mkdir(parents=True)
    table = read_table(project.data / "videos" / name / "videos.parquet")
    table.write_parquet(videos / "videos.parquet")
    for file in (project.data / "videos" / name / "files").iterdir():
        (videos / "files" / file.name).write_bytes(file.read_bytes())
    damaged = table["video_id"][0]
    (videos / table["file"][0]).write_bytes(b"no video")
    out = tmp_path / "labels"
    run(*shard_of(shard), out, {"expert": expert_folder, "videos": videos}, labels=labels_params())
    clips = read_table(project.data / "clips" / name / "clips.parquet")
    lost = set(
        clips.filter((pl.col("outcome") == "ok") & (pl.col("video_id") == damaged))["clip_id"]
    )
    index = read_table(out / "index.parquet")
    failed = index.filter(outcome="failed")
    assert set(failed["clip_id"]) == lost
    assert set(failed["teacher"]) == {"dis"}
    assert failed["reason"].str.contains("source frames").all()
    sources = LabelSources(out)
    assert {sources.needed(clip_id, "flow") for clip_id in lost} == {"expert4d"}
