"""Pictures and values are those of the published arrays; what is missing or damaged is named."""

import io

import av
import numpy as np
import polars as pl
import pytest
from PIL import Image

from p4d.artifacts import Arrays
from p4d.drawing import depth_rgb, flow_rgb
from p4d.errors import MissingError
from p4d.explore.media import Media, depth_key, flow_key
from p4d.questions.regions.marks import COLOURS_RGB, draw_marks
from p4d.teachers.labelling.store import LabelStore


@pytest.fixture
def media(made):
    return Media(made.project)


def picture(payload):
    return np.asarray(Image.open(io.BytesIO(payload)))


def tiles(payload, count):
    return np.split(picture(payload), count, axis=1)


def test_a_strip_of_frames_is_the_array(made, media):
    clip = made.clip(name="world_0.mp4")
    frames = Arrays(made.data / "clips" / clip["shard"] / "frames.safetensors")
    rgb_thw3 = frames[f"{clip['clip_id']}.rgb_thw3"]
    assert np.array_equal(tiles(media.frames_strip(clip["shard"], clip["clip_id"]), 8), rgb_thw3)


def test_maps_of_all_frames_have_one_scale_and_its_ends_are_true_depths(made, media):
    clip = made.clip(name="world_0.mp4")
    shard, clip_id = clip["shard"], clip["clip_id"]
    labels = LabelStore(made.data / "labels" / shard).get_all(clip_id, "exact")
    scale = media.map_scale(shard, clip_id, "exact", "metric")
    depth, valid = labels["depth_thw"], labels["valid_thw"]
    assert scale.unit == "m"
    assert (scale.near, scale.far) == pytest.approx(np.percentile(depth[valid], [2, 98]))
    assert scale.modalities == ("depth", "flow", "motion")
    shown = tiles(media.map_strip(shard, clip_id, "exact", "depth"), scale.frames)
    for t, tile in enumerate(shown):
        expected = depth_rgb(depth[t], valid[t], near=scale.near, far=scale.far)
        assert np.array_equal(tile, expected)
    flow, flow_valid = labels["flow_px_thw2"], labels["flow_valid_thw"]
    assert scale.longest_px == pytest.approx(np.linalg.norm(flow, axis=-1)[flow_valid].max())
    shown = tiles(media.map_strip(shard, clip_id, "exact", "flow"), scale.frames)
    for t, tile in enumerate(shown):
        assert np.array_equal(tile, flow_rgb(flow[t], flow_valid[t], longest_px=scale.longest_px))


def test_a_teacher_without_metric_scale_has_no_unit(made, media):
    clip = made.clip(name="bare.mp4")
    assert clip["scale_kind"] == "relative"
    scale = media.map_scale(clip["shard"], clip["clip_id"], "expert4d", clip["scale_kind"])
    assert scale.unit == "relative"
    assert 0 < scale.near < scale.far


def test_values_are_the_labels_and_invalid_ones_are_not_numbers(made, media):
    clip = made.clip(name="world_0.mp4")
    shard, clip_id = clip["shard"], clip["clip_id"]
    labels = LabelStore(made.data / "labels" / shard).get_all(clip_id, "exact")
    for modality, name, mask in (
        ("depth", "depth_thw", "valid_thw"),
        ("flow", "flow_px_thw2", "flow_valid_thw"),
    ):
        found = np.frombuffer(media.values(shard, clip_id, "exact", modality), "<f4")
        found = found.reshape(labels[name].shape)
        assert np.array_equal(found[labels[mask]], labels[name][labels[mask]])
        assert np.isnan(found[~labels[mask]]).all()


def test_marks_are_drawn_on_nothing_in_every_frame(made, media):
    clip = made.clip(name="world_0.mp4")
    masks = Arrays(made.data / "regions" / clip["shard"] / "masks.safetensors")
    masks_kthw = masks[f"{clip['clip_id']}.masks_kthw"]
    ground_hw3 = np.zeros((*masks_kthw.shape[2:], 3), np.uint8) + np.uint8(77)
    shown = tiles(media.marks_strip(clip["shard"], clip["clip_id"]), masks_kthw.shape[1])
    for t, tile in enumerate(shown):
        drawn = draw_marks(ground_hw3, masks_kthw[:, t], scale=6)
        is_mark = (drawn != 77).any(-1)
        assert np.array_equal(tile[..., 3] == 255, is_mark)
        assert (tile[..., 3][~is_mark] == 0).all()
        assert np.array_equal(tile[..., :3][is_mark], drawn[is_mark])
    colours = {tuple(c) for c in shown[0][..., :3][shown[0][..., 3] == 255]}
    assert colours <= {*COLOURS_RGB, (0, 0, 0)}


@pytest.mark.parametrize("name", ["world_0.mp4", "lossless.mkv"])
def test_a_source_frame_is_the_sampled_one_at_the_resolution_of_the_source(made, media, name):
    clip = made.clip(name=name)
    path = made.data / "videos" / clip["shard"] / clip["file"]
    index = clip["frame_index"][5]
    with av.open(str(path)) as reader:
        expected = [frame.to_ndarray(format="rgb24") for frame in reader.decode(video=0)][index]
    found = picture(media.source_frame(path, index))
    assert found.shape == expected.shape == (96, 96, 3)
    assert np.abs(found.astype(int) - expected).mean() < 4  # of 255, by JPEG


@pytest.mark.parametrize("damage", ["gone", "cut", "text", "zeros"])
@pytest.mark.parametrize(
    ("stage", "name", "draw"),
    [
        ("clips", "frames.safetensors", lambda m, s, c: m.frames_strip(s, c)),
        ("clips", "frames.safetensors", lambda m, s, c: m.marked(s, c)),
        ("regions", "masks.safetensors", lambda m, s, c: m.marks_strip(s, c)),
        ("labels", "labels.safetensors", lambda m, s, c: m.map_strip(s, c, "exact", "depth")),
        ("labels", "labels.safetensors", lambda m, s, c: m.map_scale(s, c, "exact", "metric")),
        ("labels", "labels.safetensors", lambda m, s, c: m.values(s, c, "exact", "flow")),
    ],
)
def test_a_missing_or_damaged_array_is_named(own, stage, name, draw, damage):
    clip = own.clip(name="world_0.mp4")
    path = own.data / stage / clip["shard"] / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        header = int.from_bytes(whole[:8], "little") + 8
        payload = {
            "cut": whole[: len(whole) // 2], "text": b"no arrays",
            "zeros": whole[:header] + bytes(len(whole) - header),
        }[damage]  # fmt: skip
        path.write_bytes(payload)
    if damage == "zeros" and stage != "labels":
        draw(Media(own.project), clip["shard"], clip["clip_id"])  # black is a picture
        return
    with pytest.raises(MissingError, match=rf"{clip['clip_id']}|{name}"):
        draw(Media(own.project), clip["shard"], clip["clip_id"])


def test_a_picture_is_drawn_again_when_its_file_is_replaced(own):
    media, clip = Media(own.project), own.clip(name="world_0.mp4")
    before = media.frames_strip(clip["shard"], clip["clip_id"])
    path = own.data / "clips" / clip["shard"] / "frames.safetensors"
    whole = path.read_bytes()
    header = int.from_bytes(whole[:8], "little") + 8
    path.unlink()
    path.write_bytes(whole[:header] + bytes(len(whole) - header))
    after = media.frames_strip(clip["shard"], clip["clip_id"])
    assert picture(before).any()
    assert not picture(after).any()


def test_the_keys_show_what_the_maps_mean():
    key = picture(depth_key())[0]
    assert key[0, 0] > key[0, 2]  # near is red
    assert key[-1, 2] > key[-1, 0]  # far is blue
    wheel = picture(flow_key(65))
    assert tuple(wheel[32, 32, :3]) == (255, 255, 255)  # no flow is white
    assert wheel[0, 0, 3] == 0
    right = flow_rgb(np.array([[[1.0, 0.0]]]), longest_px=1.0)[0, 0]
    assert tuple(wheel[32, 64, :3]) == tuple(right)


def test_a_clip_without_regions_has_an_unmarked_picture(made, media):
    regions = made.table("regions", "outcomes.parquet").filter(pl.col("outcome") != "ok")
    clips = made.table("clips", "clips.parquet")
    found = clips.join(regions.select("clip_id"), on="clip_id").row(0, named=True)
    marked = picture(media.marked(found["shard"], found["clip_id"]))
    frame = tiles(media.frames_strip(found["shard"], found["clip_id"]), 8)[0]
    assert np.array_equal(marked, frame.repeat(6, 0).repeat(6, 1))
