import json

import numpy as np
import pytest

from p4d.datasets.masks.sav import SavReader
from p4d.errors import DatasetError
from tests.datasets.layouts.mask_sets import FRAMES, HEIGHT, WIDTH, write_sav, write_sav_evaluation
from tests.datasets.png_files import write_png


@pytest.fixture
def made(tmp_path):
    return write_sav(tmp_path / "sav")


def read(made, sequence="sav_000001", **options):
    return SavReader().read(made.folder, sequence, options)


def changed(made, change):
    path = made.folder / "sav_000001_manual.json"
    stated = json.loads(path.read_text())
    change(stated)
    path.write_text(json.dumps(stated))


def test_masklets_belong_to_every_fourth_frame(made):
    reader = SavReader()
    assert reader.recognise(made.folder) and reader.sequences(made.folder, {}) == ["sav_000001"]
    found = read(made, frames="all")
    assert len(found) == FRAMES and found.size_px == (WIDTH, HEIGHT) and found.problems == ()
    for t in range(FRAMES):
        ids = found.frame(t).instance_hw
        if t % 4:
            assert ids is None
        else:
            assert (ids == made.ids_thw[t]).all(), t
    assert [(each.id, each.name) for each in found.objects] == [
        (1, ""),
        (2, ""),
        (3, ""),
    ]


def test_frames_without_masks_are_left_out_unless_asked_for(made):
    """Of a clip at 4 Hz half of the frames would have none, and no region would be kept."""
    found = read(made)
    assert len(found) == FRAMES // 4 and "only annotated frames are kept" in found.notes
    for place, t in enumerate(range(0, FRAMES, 4)):
        frame = found.frame(place)
        assert (frame.instance_hw == made.ids_thw[t]).all()
        assert np.median(np.abs(frame.rgb_hw3.astype(int) - made.rgb_thw3[t])) < 4
    with pytest.raises(DatasetError, match="--set frames=few: expected annotated or all"):
        read(made, frames="few")


def test_times_are_those_of_the_video(made):
    found = read(made)
    assert found.times == "measured"
    assert np.abs(found.times_ns - np.arange(0, FRAMES, 4) * 1e9 / 24).max() < 1e6
    assert found.terms.terms_id == "CC-BY-4.0" and found.terms.redistributable


def test_frames_may_be_read_in_any_order(made):
    found = read(made, frames="all")
    for t in (30, 5, 5, 6, 47, 0):
        error = np.abs(found.frame(t).rgb_hw3.astype(int) - made.rgb_thw3[t])
        assert np.median(error) < 4, "lossy, but no other frame"


def test_of_overlapping_objects_the_smaller_lies_on_top(made):
    """A hand is a masklet of its own and part of the person's."""

    def overlap(stated):
        whole = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * WIDTH]}
        for each in stated["masklet"]:
            each[2] = whole

    changed(made, overlap)
    ids = read(made).frame(2).instance_hw
    assert ((ids == 1) == (made.ids_thw[8] == 1)).all()
    assert ((ids == 2) == (made.ids_thw[8] == 2)).all() and (ids != 0).all()


def test_masklets_of_another_frame_count_are_not_used(made):
    changed(made, lambda stated: stated["masklet"].pop())
    found = read(made)
    assert found.objects == () and found.frame(0).instance_hw is None
    assert (
        "sav_000001_manual.json: masklet has 11 entries; a video of 48 frames has 12 that are "
        "annotated, every fourth" in found.problems[0]
    )


def test_one_bad_mask_costs_its_object_in_its_frame(made):
    changed(made, lambda s: s["masklet"][2][0].update(size=[WIDTH, HEIGHT]))
    frame = read(made).frame(2)
    assert "masklet 0, frame 8: size is 96x64 (rows x columns)" in frame.problems[0]
    assert 1 not in frame.instance_hw and 2 in frame.instance_hw


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "is no JSON"), ("{}", "masklet is no list of lists"), (None, "cannot be read")],
)
def test_a_video_without_usable_masklets_lands_bare(made, text, what):
    path = made.folder / "sav_000001_manual.json"
    path.write_text(text) if text else path.unlink()
    found = read(made)
    assert found.objects == () and len(found) == FRAMES // 4 and what in found.problems[0]


def test_manual_or_auto(made):
    with pytest.raises(DatasetError, match="--set masklets=both: expected manual or auto"):
        read(made, masklets="both")
    assert "sav_000001_auto.json cannot be read" in read(made, masklets="auto").problems[0]


def test_a_file_that_is_no_video_is_an_error(made):
    (made.folder / "sav_000001.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"sav_000001\.mp4: is no readable video"):
        read(made)


class TestEvaluationSets:
    def test_one_folder_of_masks_per_object(self, tmp_path):
        made = write_sav_evaluation(tmp_path)
        assert SavReader().sequences(tmp_path, {}) == ["sav_000002"]
        found = read(made, "sav_000002")
        for place, t in enumerate(range(0, FRAMES, 4)):
            assert (found.frame(place).instance_hw == made.ids_thw[t]).all()
        assert len(found) == FRAMES // 4
        every = read(made, "sav_000002", frames="all")
        assert len(every) == FRAMES and every.frame(1).instance_hw is None
        assert found.times == "declared" and len(found.objects) == 3

    def test_a_mask_of_another_size_is_left_out(self, tmp_path):
        made = write_sav_evaluation(tmp_path)
        path = tmp_path / "Annotations_6fps" / "sav_000002" / "001" / "00008.png"
        write_png(path, np.full((WIDTH, HEIGHT), 255, np.uint8))
        frame = read(made, "sav_000002").frame(2)
        assert "001/00008.png: has 64x96 px, the picture 96x64; left out" in frame.problems[0]
        assert sorted(np.unique(frame.instance_hw)) == [0, 1, 3]


def test_a_folder_of_something_else(tmp_path):
    assert not SavReader().recognise(tmp_path)
    with pytest.raises(DatasetError, match=r"such as sav_000001\.mp4 beside"):
        SavReader().sequences(tmp_path, {})
