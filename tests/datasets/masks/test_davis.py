import json

import numpy as np
import pytest
from PIL import Image

from p4d.datasets.masks.davis import DavisReader
from p4d.errors import DatasetError
from tests.datasets.layouts.mask_sets import (
    APPEARS,
    FRAMES,
    HEIGHT,
    VOID,
    WIDTH,
    write_davis,
    write_youtube_vos,
)
from tests.datasets.png_files import DAVIS_PALETTE, write_png


def read(made, sequence="bear", **options):
    return DavisReader().read(made.folder, sequence, options)


def test_ids_are_values_and_void_is_background(tmp_path):
    made = write_davis(tmp_path)
    found = read(made)
    assert found.size_px == (WIDTH, HEIGHT) and len(found) == FRAMES and found.problems == ()
    for t in range(FRAMES):
        expected = made.ids_thw[t].copy()
        expected[VOID] = 0
        assert (found.frame(t).instance_hw == expected).all(), t
    assert f"{24 * FRAMES} void pixels (255) are background" in found.notes


def test_an_object_that_appears_later_is_an_object(tmp_path):
    """The official loader counts the first mask's ids alone and loses disc 2."""
    made = write_davis(tmp_path)
    assert made.ids_thw[0].max() == 3 and 2 not in made.ids_thw[0] and 2 in made.ids_thw[APPEARS]
    assert [(each.id, each.name) for each in read(made).objects] == [
        (1, ""),
        (2, ""),
        (3, ""),
    ]


def test_davis_2016_draws_its_one_object_as_255(tmp_path):
    made = write_davis(tmp_path, binary=True)
    found = read(made)
    assert [each.id for each in found.objects] == [1]
    for t in (0, 20):
        assert ((found.frame(t).instance_hw == 1) == (made.ids_thw[t] == 1)).all()
    assert "masks of 0 and 255: one object" in found.notes


def test_times_are_declared(tmp_path):
    made = write_davis(tmp_path)
    found = read(made)
    assert found.times == "declared"
    assert found.times_ns.tolist() == [round(t * 1e9 / 24) for t in range(FRAMES)]
    assert read(made, fps="12").times_ns[3] == 250_000_000
    with pytest.raises(DatasetError, match="--set fps=fast: expected a positive number"):
        read(made, fps="fast")


def test_a_test_split_has_the_first_mask_alone(tmp_path):
    found = read(write_davis(tmp_path, first_only=True))
    labelled = [t for t in range(FRAMES) if found.frame(t).instance_hw is not None]
    assert labelled == [0]
    assert [each.id for each in found.objects] == [1, 3]
    assert f"1 of {FRAMES} frames have masks" in found.notes


def test_files_are_paired_by_number_and_not_by_their_place_in_a_listing(tmp_path):
    """Without leading zeros, 10 is listed before 2."""
    made = write_davis(tmp_path)
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        folder = tmp_path / kind / "480p" / "bear"
        for t in range(FRAMES):
            (folder / f"{t:05d}.{suffix}").rename(folder / f"{t}.{suffix}")
    (tmp_path / "Annotations" / "480p" / "bear" / "7.png").unlink()
    found = read(made)
    assert found.frame(7).instance_hw is None
    assert (found.frame(2).instance_hw == 1).sum() == (made.ids_thw[2] == 1).sum()
    assert ((found.frame(30).instance_hw == 2) == (made.ids_thw[30] == 2)).all()


def test_youtube_vos_has_categories_and_every_fifth_frame_of_30_hz(tmp_path):
    made = write_youtube_vos(tmp_path)
    reader = DavisReader()
    assert reader.recognise(tmp_path) and reader.sequences(tmp_path, {}) == ["0a2f2bd294"]
    found = read(made, "0a2f2bd294")
    assert [each.name for each in found.objects] == ["dog", "dog", "person"]
    assert np.diff(found.times_ns).tolist()[:2] == [166_666_667, 166_666_666]
    assert not found.terms.redistributable and found.terms.terms_id == "YouTube-VOS"
    assert ((found.frame(9).instance_hw == 2) == (made.ids_thw[9] == 2)).all()


def test_ones_own_pictures_carry_ones_own_licence(tmp_path):
    made = write_davis(tmp_path)
    assert not read(made).terms.redistributable
    terms = read(made, licence="CC0-1.0").terms
    assert terms.terms_id == "CC0-1.0" and terms.redistributable


def test_resolutions_are_not_mixed(tmp_path):
    made = write_davis(tmp_path)
    large = tmp_path / "JPEGImages" / "Full-Resolution" / "bear"
    large.mkdir(parents=True)
    for t in range(2):
        Image.new("RGB", (4 * WIDTH, 4 * HEIGHT)).save(large / f"{t:05d}.jpg")
    assert read(made).size_px == (WIDTH, HEIGHT)
    full = read(made, resolution="Full-Resolution")
    assert full.size_px == (4 * WIDTH, 4 * HEIGHT) and full.objects == ()
    assert "Annotations/Full-Resolution/bear: cannot be read" in full.problems[0]
    with pytest.raises(DatasetError, match="has no '720p'; it has 480p, Full-Resolution"):
        read(made, resolution="720p")
    (tmp_path / "JPEGImages" / "480p").rename(tmp_path / "JPEGImages" / "1080p")
    with pytest.raises(DatasetError, match="choose one with --set resolution=1080p"):
        read(made)


def test_masks_that_cannot_be_used_cost_their_frames(tmp_path):
    made = write_davis(tmp_path)
    masks = tmp_path / "Annotations" / "480p" / "bear"
    write_png(masks / "00003.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (masks / "00004.png").write_bytes(b"\x89PNG")
    write_png(masks / "00099.png", np.full((HEIGHT, WIDTH), 9, np.uint8), palette=DAVIS_PALETTE)
    found = read(made)
    assert [t for t in range(FRAMES) if found.frame(t).instance_hw is None] == [3, 4]
    assert "00003.png: is saved as RGB: its values are colours" in found.frame(3).problems[0]
    assert "00004.png: cannot be read as a mask" in found.frame(4).problems[0]
    assert [each.id for each in found.objects] == [1, 2, 3], "a mask without picture has no say"
    assert "1 mask(s) without a picture of that number, such as 00099.png" in found.problems[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [("{", "is no JSON"), ('{"videos": {}}', "has no objects of video '0a2f2bd294'")],
)
def test_a_damaged_list_of_categories_costs_the_categories(tmp_path, text, what):
    made = write_youtube_vos(tmp_path)
    (tmp_path / "meta.json").write_text(text)
    found = read(made, "0a2f2bd294")
    assert [each.name for each in found.objects] == ["", "", ""]
    assert what in found.problems[0]


def test_a_folder_of_something_else(tmp_path):
    reader = DavisReader()
    assert not reader.recognise(tmp_path)
    with pytest.raises(DatasetError, match="JPEGImages and Annotations are expected in it"):
        reader.sequences(tmp_path, {})
    (tmp_path / "JPEGImages" / "bear").mkdir(parents=True)
    with pytest.raises(DatasetError, match="bear: holds 0 picture"):
        reader.read(tmp_path, "bear", {})
    assert json.dumps(reader.sequences(tmp_path, {})) == '["bear"]'


def test_trackeval_reads_the_same_masks(tmp_path):
    """The code that scores DAVIS, where it is installed: ids, void, and what appears later."""
    trackeval = pytest.importorskip("trackeval")
    coco = pytest.importorskip("pycocotools.mask")
    made = write_davis(tmp_path)
    masks = tmp_path / "Annotations" / "480p"
    theirs = trackeval.datasets.DAVIS(
        {
            "GT_FOLDER": str(masks),
            "TRACKERS_FOLDER": str(tmp_path),
            "TRACKERS_TO_EVAL": [],
            "PRINT_CONFIG": False,
        }
    )._load_raw_file("", "bear", is_gt=True)
    found = read(made)
    for t in range(FRAMES):
        ids = np.zeros((HEIGHT, WIDTH), int)
        for each, code in zip(theirs["gt_ids"][t], theirs["gt_dets"][t], strict=True):
            ids[coco.decode(code) > 0] = each
        assert (found.frame(t).instance_hw == ids).all()
        assert coco.area(theirs["masks_void"][t]) == 24
