import json

import pytest

from p4d.datasets.masks.videorefer import VideoReferReader
from p4d.errors import DatasetError
from tests.datasets.layouts.mask_sets import FRAMES, write_videorefer

FILE = "VideoRefer-700K-short-caption.json"


@pytest.fixture
def made(tmp_path):
    return write_videorefer(tmp_path / "videorefer")


def read(made):
    return VideoReferReader().read(made.folder, "videos/a.mp4", {})


def test_regions_belong_to_frames_by_number(made):
    reader = VideoReferReader()
    assert reader.recognise(made.folder) and reader.sequences(made.folder, {}) == ["videos/a.mp4"]
    found = read(made)
    labelled = {t: found.frame(t).instance_hw for t in range(FRAMES)}
    assert [t for t, ids in labelled.items() if ids is not None] == [0, 2, 8, 16]
    for t, number in ((0, 1), (8, 2), (16, 2), (2, 3)):
        assert ((labelled[t] == number) == (made.ids_thw[t] == number)).all()


def test_a_region_that_several_rows_ask_about_is_one_object(made):
    assert [each.id for each in read(made).objects] == [1, 2, 3]


def test_counts_that_are_null_are_named_and_cost_their_frame(made):
    (problem,) = read(made).problems
    assert problem == f"{FILE}: row 2, region 0: frame 20 has counts null; left out"


@pytest.mark.parametrize(
    ("region", "what"),
    [
        ({"4": {}}, "row 0, region 0: frame 4 has no segmentation; left out"),
        ({"four": {"segmentation": {"counts": "1"}}}, "frame 'four' is no number"),
        ([], "row 0, region 0: is no object of frames"),
        ({"99": {"segmentation": {"size": [64, 96], "counts": [6144]}}}, "such as 99; left out"),
    ],
)
def test_a_region_that_cannot_be_used_costs_nothing_else(made, region, what):
    path = made.folder / FILE
    rows = json.loads(path.read_text())
    rows[0]["annotation"] = [region]
    path.write_text(json.dumps(rows))
    found = read(made)
    assert any(what in each for each in found.problems)
    assert len(found.objects) >= 3


def test_a_video_that_is_not_there_is_an_error_of_its_sequence(made):
    (made.folder / "videos" / "a.mp4").unlink()
    with pytest.raises(DatasetError, match=r"videos/a\.mp4: is no readable video"):
        read(made)
    with pytest.raises(DatasetError, match=r"VideoRefer-700K.*'\.\./b\.mp4'"):
        VideoReferReader().read(made.folder, "../b.mp4", {})


def test_two_files_of_rows_need_a_choice(made):
    (made.folder / "VideoRefer-Bench.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"has 2 files VideoRefer.*choose one with --set"):
        read(made)
    assert VideoReferReader().sequences(made.folder, {"annotations": "VideoRefer-Bench.json"}) == []
