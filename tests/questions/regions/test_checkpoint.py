import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

from p4d.artifacts import Arrays, read_table, write_table
from p4d.errors import ConfigError
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.questions.regions.checkpoint import Box, CheckpointTracks, Detector, Segmenter, _choose
from p4d.questions.regions.stage import build_regions
from tests.factories import make_clips_dir
from tests.questions.regions.checkpoints import save_grounding_dino, save_owlv2, save_sam2_video


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("checkpoints")
    return {
        "detector": save_grounding_dino(base / "dino"),
        "owlv2": save_owlv2(base / "owlv2"),
        "tracker": save_sam2_video(base / "sam"),
    }


@pytest.fixture(scope="module")
def clip_rgb():
    rng = np.random.default_rng(3)
    return rng.integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)


def _params(folders, **change):
    return dataclasses.replace(
        Project.find().params.regions, sources=("truth", "checkpoint", "motion"),
        keywords=("red box", "dog"), detector=folders["detector"], tracker=folders["tracker"],
        detector_threshold=0.05, threads=1, min_area_px=4, min_visible_frames=2, **change,
    )  # fmt: skip


def _box(keyword, score, *xyxy):
    return Box(keyword=keyword, score=score, xyxy_px=xyxy)


@pytest.mark.parametrize("which", ["detector", "owlv2"])
def test_a_detector_gives_boxes_inside_the_picture_best_first(folders, clip_rgb, which):
    boxes = Detector(folders[which], 0.01).find(clip_rgb[0], ["red box", "dog"])
    assert {box.keyword for box in boxes} == {"red box", "dog"}
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)
    for left, top, right, bottom in (box.xyxy_px for box in boxes):
        assert 0 <= left < right <= 64
        assert 0 <= top < bottom <= 64
    limit = (boxes[1].score + boxes[2].score) / 2
    few = Detector(folders[which], limit).find(clip_rgb[0], ["red box", "dog"])
    assert few == boxes[:2]


def test_a_segmenter_tracks_each_box_through_the_clip(folders, clip_rgb):
    boxes = [_box("dog", 0.9, 4, 4, 30, 40), _box("dog", 0.8, 30, 20, 60, 60)]
    segmenter = Segmenter(folders["tracker"])
    masks = segmenter.track(clip_rgb, boxes)
    assert masks.shape == (2, 4, 64, 64)
    assert masks.dtype == bool
    assert masks.any(axis=(2, 3)).all()
    # Objects do not disturb each other, and their order is that of the boxes.
    swapped = segmenter.track(clip_rgb, boxes[::-1])
    assert (swapped == masks[::-1]).mean() > 0.999
    assert (segmenter.track(clip_rgb, boxes) == masks).all()


def test_what_is_not_seen_has_no_mask(folders, clip_rgb):
    segmenter = Segmenter(folders["tracker"])
    with torch.no_grad():
        segmenter._model.mask_decoder.pred_obj_score_head.proj_out.bias -= 50
    assert not segmenter.track(clip_rgb, [_box("dog", 0.9, 4, 4, 30, 40)]).any()


def test_one_place_has_one_name_and_the_likeliest_are_tracked():
    red, twin = _box("box", 0.9, 0, 0, 10, 10), _box("crate", 0.8, 0, 0, 10, 9)
    other, third = _box("dog", 0.7, 20, 20, 30, 30), _box("cat", 0.6, 40, 40, 50, 50)
    chosen, refused = _choose([red, twin, other, third], 2)
    assert chosen == [red, other]
    assert [(box, reason.split(";")[0]) for box, reason in refused] == [
        (twin, "in the same place as a likelier box"),
        (third, "more than 2 candidates"),
    ]


def test_what_appears_later_is_refused_with_the_time_from_which_it_is_there(folders, clip_rgb):
    best = [
        Detector(folders["detector"], 0.001).find(frame, ["dog"])[0].score for frame in clip_rgb
    ]
    ordered = clip_rgb[np.argsort(best)]  # the likeliest frame last
    lowest, highest = min(best), max(best)
    assert lowest < highest
    params = _params(folders) if lowest == highest else dataclasses.replace(
        _params(folders), keywords=("dog",), detector_threshold=(sorted(best)[-2] + highest) / 2
    )  # fmt: skip
    (track,) = CheckpointTracks(params)(ordered, [0, 10, 20, 30])
    assert track.name == "dog"
    assert track.reason == "not in the first frame; a clip trimmed to begin 30 ns later shows it"
    assert not track.mask_thw.any()


@pytest.mark.parametrize("key", ["detector", "tracker"])
def test_a_checkpoint_that_is_not_there_is_named(folders, tmp_path, key):
    params = dataclasses.replace(_params(folders), **{key: str(tmp_path / "nowhere")})
    with pytest.raises(ConfigError, match=f"regions.{key} .*nowhere"):
        CheckpointTracks(params)


def test_a_checkpoint_of_another_kind_is_refused(folders):
    with pytest.raises(ConfigError, match="is a grounding-dino; needed: sam2_video"):
        Segmenter(folders["detector"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keywords": ()}, "needs keywords, detector and tracker"),
        ({"tracker": ""}, "needs keywords, detector and tracker"),
        ({"sources": ("motion", "checkpoint")}, "begin with truth"),
        ({"sources": ("truth", "guess")}, "be among"),
        ({"detector_threshold": 0.0}, "detector_threshold"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(folders, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(_params(folders), **change)


class _Sections:
    def __init__(self, regions):
        self.regions = regions


def _build(clips, out, params):
    out.mkdir(parents=True)
    inputs = StageInputs(
        stage=stage_named("regions"), all_params=_Sections(params),
        folders={"clips": clips, "labels": clips.parent / "none"},
    )  # fmt: skip
    return build_regions(inputs, out)


def test_the_stage_makes_every_candidate_a_row(folders, tmp_path):
    clips = make_clips_dir(tmp_path / "clips", 2, seed=31)
    table = read_table(clips / "clips.parquet")
    # One of the two clips plays a real one.
    real = table["clip_id"][0]
    table = table.with_columns(has_truth=pl.col("clip_id") != real)
    write_table(clips / "clips.parquet", table, sort_by=["clip_id"])
    params = dataclasses.replace(_params(folders), sources=("truth", "checkpoint"))
    report = _build(clips, tmp_path / "one", params)
    assert report.rows["failed"] == 0
    rows = read_table(tmp_path / "one" / "regions.parquet")
    found = rows.filter(pl.col("clip_id") == real)
    assert set(found["source"]) == {"checkpoint"}
    assert set(found["name"]) <= {"red box", "dog"}
    assert set(rows.filter(pl.col("clip_id") != real)["source"]) == {"truth"}
    kept = found.filter(pl.col("outcome") == "ok").sort("mark")
    assert kept["mark"].to_list() == list(range(1, kept.height + 1))
    assert kept.height >= 1
    refused = found.filter(pl.col("outcome") != "ok")
    assert refused["reason"].null_count() == 0
    assert any("same place" in reason for reason in refused["reason"])
    masks = Arrays(tmp_path / "one" / "masks.safetensors")[f"{real}.masks_kthw"]
    assert masks.shape == (kept.height, 8, 64, 64)
    assert masks[:, 0].any(axis=(1, 2)).all()
    _build(clips, tmp_path / "two", params)
    for name in ("regions.parquet", "masks.safetensors", "marks.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
