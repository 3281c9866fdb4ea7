"""Distillation from other teachers: latents without heads, and each modality by its source."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

from p4d.artifacts import Arrays, read_json, write_json, write_table
from p4d.config import TeacherParams, replace_params
from p4d.errors import ContractError
from p4d.students.data.targets import RayGrid, StoredLabelReader
from p4d.students.distillation.perception import LatentStats
from p4d.students.training.base_student import build_base_student
from p4d.students.training.stages import build_p4d
from p4d.teachers.l4p.teacher import L4PTeacher
from p4d.teachers.labelling.sources import write_record
from p4d.teachers.labelling.store import LabelStore, LabelWriter
from p4d.teachers.protocol import ClipInput, LabelArrays
from tests.students import tiny
from tests.teachers.l4p import tiny_l4p

CLIPS = 6


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The tiny project, labelled by the expert, by an encoder without heads, and by others."""
    root = tmp_path_factory.mktemp("project")
    project = tiny.make(root, clips=CLIPS)
    build_base_student(project.inputs("base_student"), root / "base_student")
    folder = root / "labels" / tiny.SHARD
    before, writer, rng = LabelStore(folder), LabelWriter(), np.random.default_rng(0)
    rows = []
    for clip_id, _ in before.labels():
        arrays = dict(before.get_all(clip_id, "expert4d"))
        writer.add(clip_id, "expert4d", LabelArrays(**arrays, latents=before.latents(clip_id)))
        # One encoder of 3 x 3 tokens, and one flow on a grid of twice the size, for half the clips.
        latents = rng.normal(2, 3, (1, 2, 3, 3, 8)).astype(np.float32)
        writer.add(clip_id, "encoder", LabelArrays(latents=latents))
        names = ["expert4d", "encoder", "inverse"]
        if int(clip_id[-1]) % 2 == 0:
            flow = np.tile(np.float32((4, 2)), (tiny.FRAMES, 32, 32, 1))
            known = np.ones((tiny.FRAMES, 32, 32), bool)
            writer.add(clip_id, "dis", LabelArrays(flow_px_thw2=flow, flow_valid_thw=known))
            names.append("dis")
        depth = np.ones((tiny.FRAMES, 16, 16), np.float32)
        writer.add(clip_id, "inverse", LabelArrays(depth_thw=depth, valid_thw=depth > 0))
        rows += [
            {"clip_id": clip_id, "teacher": name, "teacher_digest": f"{name}-digest",
             "depth_kind": "inverse_affine" if name == "inverse" else "z", "map_px": 16,
             "outcome": "ok"}
            for name in names
        ]  # fmt: skip
    writer.write(folder)
    write_table(folder / "index.parquet", pl.DataFrame(rows), sort_by=["clip_id", "teacher"])
    sources = {
        "depth": ["inverse", "expert4d"], "flow": ["dis", "expert4d"], "motion": ["expert4d"],
        "camera": ["expert4d"],
    }  # fmt: skip
    write_json(folder / "teachers.json", {"sources": sources, "teachers": {}})
    return project


def distilling(project, **distillation):
    settings = {
        "encoder": TeacherParams(kind="latents", where="folder"),
        "dis": TeacherParams(kind="flow_dis"),
        "inverse": TeacherParams(kind="depth", where="folder"),
    }
    params = replace_params(
        project.params,
        labels={"teachers": ("expert4d", "exact", *settings), "settings": settings},
        distillation=distillation,
    )
    return dataclasses.replace(project, params=params)


def reader(project, teacher, modalities, *, latents=False):
    folder = project.root / "labels" / tiny.SHARD
    return StoredLabelReader(
        {tiny.SHARD: folder}, teacher=teacher, modalities=modalities, latents=latents,
        ray_grid=RayGrid(size_px=tiny.SIZE, tokens_hw=4, map_px=tiny.MAP),
    )  # fmt: skip


def test_a_student_learns_the_latents_of_an_encoder_without_heads(labelled, tmp_path):
    project = distilling(labelled, teacher="encoder", modalities=())
    build_p4d(project.inputs("student_p4d"), tmp_path / "out")
    card = read_json(tmp_path / "out" / "card.json")
    assert (card["teacher"], card["expert"]) == ("encoder", "encoder-digest")
    curve = pl.read_csv(tmp_path / "out" / "curve.csv")
    assert set(curve.columns) >= {"sft", "latent"}
    assert curve["latent"].is_finite().all()
    assert not (tmp_path / "out" / "probes.safetensors").exists()


def test_each_modality_is_read_of_the_first_teacher_that_has_it(labelled):
    read = reader(labelled, "sources", ("depth", "flow", "motion", "rays"))
    store = LabelStore(labelled.root / "labels" / tiny.SHARD)
    even, odd = (read.read(tiny.SHARD, clip) for clip in ("clip_000", "clip_001"))
    # Twice the size: 4 px of 32 are 2 px of the 16 that the heads decode.
    assert even["flow_px_thw2"].shape == (tiny.FRAMES, 16, 16, 2)
    assert np.allclose(even["flow_px_thw2"], (2, 1))
    assert np.array_equal(odd["flow_px_thw2"], store.get("clip_001", "expert4d", "flow"))
    # Inverse depth up to scale and offset cannot be compared with depth.
    assert np.array_equal(even["depth_thw"], store.get("clip_000", "expert4d", "depth"))


def test_a_clip_without_one_of_the_modalities_is_not_distilled(labelled):
    read = reader(labelled, "dis", ("flow",))
    assert [read.has(tiny.SHARD, f"clip_{k:03d}") for k in range(3)] == [True, False, True]
    assert not reader(labelled, "inverse", ("depth",)).has(tiny.SHARD, "clip_000")


def test_a_p4d_student_trains_on_labels_of_several_teachers(labelled, tmp_path):
    project = distilling(labelled, teacher="sources", latents=False)
    build_p4d(project.inputs("student_p4d"), tmp_path / "out")
    curve = pl.read_csv(tmp_path / "out" / "curve.csv")
    for term in ("depth", "flow", "motion", "rays"):
        assert curve[term].is_finite().all()


def test_shards_of_two_states_of_a_teacher_are_refused(labelled, tmp_path):
    folder = labelled.root / "labels" / tiny.SHARD
    index = pl.read_parquet(folder / "index.parquet")
    changed = (pl.col("clip_id") == "clip_001") & (pl.col("teacher") == "encoder")
    other = pl.when(changed).then(pl.lit("other")).otherwise(pl.col("teacher_digest"))
    write_table(
        folder / "index.parquet", index.with_columns(teacher_digest=other),
        sort_by=["clip_id", "teacher"],
    )  # fmt: skip
    project = distilling(labelled, teacher="encoder", modalities=())
    try:
        with pytest.raises(ContractError, match=r"by 2 states of its weights.*label all shards"):
            build_p4d(project.inputs("student_p4d"), tmp_path / "out")
    finally:
        write_table(folder / "index.parquet", index, sort_by=["clip_id", "teacher"])


def test_statistics_of_latents_are_those_of_all_of_them():
    rng = np.random.default_rng(0)
    parts = [rng.normal((1, -4), (2, 3), (1, 2, 3, 3, 2)) for _ in range(5)]
    stats = LatentStats.of(parts)
    whole = np.concatenate(parts)
    assert torch.allclose(stats.mean_hd[0], torch.tensor(whole.mean((0, 1, 2, 3))).float())
    assert torch.allclose(stats.std_hd[0], torch.tensor(whole.std((0, 1, 2, 3))).float())
    with pytest.raises(ContractError, match="do not vary"):
        LatentStats.of([np.ones((1, 2, 3, 3, 2))])


def test_the_heads_of_l4p_decode_what_a_student_predicts(tmp_path):
    root = tmp_path / "project"
    project = tiny.make(root, clips=CLIPS)
    build_base_student(project.inputs("base_student"), root / "base_student")
    sizes = dataclasses.replace(tiny_l4p.CONFIG, frames=tiny.FRAMES)
    weights = tiny_l4p.save(tmp_path / "l4p", sizes)
    settings = TeacherParams(kind="l4p", where=str(weights))
    teacher = L4PTeacher("l4p", settings, tiny.FRAMES)
    frames = Arrays(root / "clips" / tiny.SHARD / "frames.safetensors")
    folder, writer, rows = root / "labels" / tiny.SHARD, LabelWriter(), []
    for clip_id, _ in LabelStore(folder).labels():
        rgb = frames[f"{clip_id}.rgb_thw3"]
        (label,) = teacher.label([ClipInput(clip_id=clip_id, rgb_thw3=rgb, truth=None)])
        writer.add(clip_id, "l4p", label)
        rows.append(
            {"clip_id": clip_id, "teacher": "l4p", "teacher_digest": teacher.digest,
             "depth_kind": "z", "map_px": 32, "outcome": "ok"}
        )  # fmt: skip
    writer.write(folder)
    write_table(folder / "index.parquet", pl.DataFrame(rows), sort_by=["clip_id"])
    labels = {"teachers": ("expert4d", "l4p"), "settings": {"l4p": settings}}
    params = replace_params(project.params, labels=labels, distillation={"teacher": "l4p"})
    write_record(folder, params.labels, [teacher])
    project = dataclasses.replace(project, params=params)
    build_p4d(project.inputs("student_p4d"), tmp_path / "out")
    curve = pl.read_csv(tmp_path / "out" / "curve.csv")
    for term in ("latent", "depth", "flow", "motion", "rays"):
        assert curve[term].is_finite().all()
        assert curve[term].max() > 0, term
    tiny_l4p.save(weights, dataclasses.replace(sizes, mlp_width=32))
    with pytest.raises(ContractError, match="no longer holds the weights of l4p"):
        build_p4d(project.inputs("student_p4d"), tmp_path / "again")
