import json

import numpy as np
import pytest

from p4d.datasets.masks.youtube_vis import YoutubeVisReader
from p4d.errors import DatasetError
from tests.datasets.layouts.mask_sets import FRAMES, HEIGHT, WIDTH, write_youtube_vis


@pytest.fixture
def made(tmp_path):
    return write_youtube_vis(tmp_path / "train")


def read(made, **options):
    return YoutubeVisReader().read(made.folder, "v1", options)


def changed(made, change):
    path = made.folder / "instances.json"
    stated = json.loads(path.read_text())
    change(stated)
    path.write_text(json.dumps(stated))


def test_every_spelling_of_a_mask_gives_the_object(made):
    pytest.importorskip("pycocotools")
    reader = YoutubeVisReader()
    assert reader.recognise(made.folder) and reader.sequences(made.folder, {}) == ["v1"]
    found = read(made)
    assert found.size_px == (WIDTH, HEIGHT) and found.problems == ()
    for t in range(FRAMES):
        frame = found.frame(t)
        assert frame.problems == ()
        assert (frame.instance_hw == made.ids_thw[t]).all(), t
    assert [(each.id, each.name) for each in found.objects] == [
        (1, "ball"),
        (2, "ball"),
        (3, "person"),
    ]


def test_times_follow_the_numbers_of_the_files(made):
    found = read(made)
    assert found.times == "declared" and found.times_ns[3] == 500_000_000

    def rename(stated):
        stated["videos"][0]["file_names"] = [f"v1/{5 * t:05d}.jpg" for t in range(0, FRAMES, 2)]
        for each in stated["annotations"]:
            each["segmentations"] = each["segmentations"][::2]

    changed(made, rename)
    assert read(made).times_ns[3] == 1_000_000_000
    assert read(made, fps="15").times_ns[3] == 2_000_000_000


def test_a_list_out_of_order_is_a_list_of_positions(made):
    """`segmentations[i]` belongs to `file_names[i]`, whatever the names are."""

    def turn(stated):
        stated["videos"][0]["file_names"].reverse()
        for each in stated["annotations"]:
            each["segmentations"].reverse()

    changed(made, turn)
    found = read(made)
    assert np.diff(found.times_ns).min() > 0 and "names of files hold no times" in found.notes[0]
    labelled = found.frame(0)
    assert ((labelled.instance_hw == 1) == (made.ids_thw[-1] == 1)).all()


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        ({"size": [WIDTH, HEIGHT], "counts": [WIDTH * HEIGHT]}, "rows and columns are swapped"),
        ({"size": [HEIGHT, WIDTH], "counts": [5, 6]}, "counts sum to 11 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": None}, "counts is None"),
        ([[1, 2]], "polygon 0 is no outline"),
        (7, "expected run lengths or polygons"),
    ],
)
def test_a_bad_mask_costs_its_object_in_its_frame(made, mask, what):
    def damage(stated):
        stated["annotations"] = stated["annotations"][:2]
        stated["annotations"][1]["segmentations"][10] = mask

    changed(made, damage)
    found = read(made)
    frame = found.frame(10)
    (problem,) = frame.problems
    assert problem.startswith("instances.json: annotations[1], frame 10: ") and what in problem
    assert ((frame.instance_hw == 1) == (made.ids_thw[10] == 1)).all()
    assert 2 not in frame.instance_hw and 2 in found.frame(11).instance_hw


def test_an_object_with_another_frame_count_is_left_out(made):
    changed(made, lambda stated: stated["annotations"][0]["segmentations"].pop())
    found = read(made)
    assert [each.category for each in found.objects] == ["ball", "person"]
    assert found.problems == (
        f"instances.json: annotations[0] has {FRAMES - 1} segmentations, the video {FRAMES} files; "
        "the object is left out",
    )


def test_a_size_that_is_not_the_pictures_is_named(made):
    changed(made, lambda stated: stated["videos"][0].update(width=HEIGHT, height=WIDTH))
    assert "states 64x96 px for the video, its pictures have 96x64" in read(made).problems[0]


def test_names_cannot_lead_out_of_the_folder(made):
    changed(made, lambda s: s["videos"][0]["file_names"].__setitem__(1, "../../secret.jpg"))
    with pytest.raises(DatasetError, match=r"file_names of video v1: .*secret"):
        read(made)


@pytest.mark.parametrize(
    ("text", "what"),
    [("[]", "has no list `videos`"), ("{", "is no JSON"), (None, "cannot be read")],
)
def test_no_annotations(made, text, what):
    path = made.folder / "instances.json"
    path.write_text(text) if text else path.unlink()
    with pytest.raises(DatasetError, match=what):
        YoutubeVisReader().sequences(made.folder, {})


def test_another_file_may_hold_the_annotations(made):
    (made.folder / "instances.json").rename(made.folder / "valid.json")
    assert read(made, annotations="valid.json").objects
    with pytest.raises(DatasetError, match=r"with --set annotations=FILE\.json"):
        read(made)
