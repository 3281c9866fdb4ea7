"""Depth networks of transformers, saved by their classes, label clips like any other teacher."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from p4d.artifacts import read_table
from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.teachers import measures
from p4d.teachers.depth_network import DepthNetworkTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.protocol import ClipInput
from tests.factories import make_clips_dir
from tests.questions.regions.checkpoints import save_sam2_video
from tests.teachers.depth_checkpoints import (
    save_depth_anything,
    save_depth_pro,
    save_dpt,
    save_glpn,
    save_zoedepth,
)


def teacher_of(folder, map_px=16, **settings):
    return DepthNetworkTeacher(
        "d", TeacherParams(kind="depth", where=str(folder), **settings), map_px
    )


def wide_clip(frames=3):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (frames, 48, 80, 3), dtype=np.uint8)
    return ClipInput(clip_id="clip_a", rgb_thw3=rgb, truth=None)


class OfClips(DepthNetworkTeacher):
    """Reads the frames of rendered clips, which have no video."""

    reads = None

    def __setattr__(self, name, value):
        if name != "reads":
            super().__setattr__(name, value)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = make_clips_dir(tmp_path_factory.mktemp("clips"), 2, size_px=32, frames=4)
    return ShardClips(folder)


@pytest.mark.parametrize(
    ("save", "kinds"),
    [
        (save_depth_anything, ("inverse_affine", "relative")),
        (lambda folder: save_depth_anything(folder, "metric"), ("z", "metric")),
        (save_depth_pro, ("z", "metric")),
        (lambda folder: save_depth_pro(folder, view=False), ("z", "relative")),
        (save_zoedepth, ("z", "metric")),
        (save_dpt, ("inverse_affine", "relative")),
        (save_glpn, ("z", "metric")),
    ],
)
def test_each_class_gives_depth_of_its_kind_on_the_map_grid(tmp_path, save, kinds):
    teacher = teacher_of(save(tmp_path / "model"))
    assert (teacher.depth_kind, teacher.scale_kind) == kinds
    (label,) = teacher.label([wide_clip()])
    assert label.depth_thw.shape == label.valid_thw.shape == (3, 16, 16)
    assert label.depth_thw[label.valid_thw].min() > 0
    assert label.flow_px_thw2 is None
    assert (label.K_t33 is not None) == (kinds == ("z", "metric") and save is save_depth_pro)


def test_frames_are_labelled_alike_however_many_go_through_at_once(tmp_path):
    folder = save_depth_anything(tmp_path / "model", "metric")
    (one,), (three,) = (teacher_of(folder, batch=n).label([wide_clip(5)]) for n in (1, 3))
    assert np.allclose(one.depth_thw, three.depth_thw, rtol=1e-4)


def test_the_input_keeps_the_proportions_of_the_video(tmp_path):
    teacher = teacher_of(save_depth_anything(tmp_path / "model"), input_px=70)
    assert teacher.reads.longest_px == 70
    assert teacher._size(48, 80) == (42, 70)
    assert teacher._size(80, 48) == (70, 42)


def test_depth_pro_gives_the_focal_length_of_its_field_of_view(tmp_path):
    folder = save_depth_pro(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    last = max(
        name for name in weights if name.startswith("fov_model.head") and name.endswith("bias")
    )
    for name in (last, last.replace("bias", "weight")):
        weights[name] = np.zeros_like(weights[name]) + (90 if name == last else 0)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (label,) = teacher_of(folder).label([wide_clip()])
    # 90 degrees over 80 px: 40 px, on a grid of 16 columns and 16 rows.
    assert np.allclose(label.K_t33[0, 0, 0], 40 * 16 / 80, rtol=1e-3)
    assert np.allclose(label.K_t33[0, 1, 1], 40 * 16 / 48, rtol=1e-3)


def test_its_labels_hold_depth_and_nothing_else(clips, tmp_path):
    folder = save_depth_anything(tmp_path / "model")
    teacher = OfClips("d", TeacherParams(kind="depth", where=str(folder), input_px=56), 16)
    done = label_clips(clips, [teacher], tmp_path / "out", batch=2, tokens_hw=4)
    assert [one.reason for one in done] == [None, None]
    label = LabelStore(tmp_path / "out").get_all(clips.clip_ids[0], "d")
    assert set(label) == {"depth_thw", "valid_thw"}
    index = read_table(tmp_path / "out" / "index.parquet")
    assert set(index["depth_kind"]) == {"inverse_affine"}
    stats = read_table(tmp_path / "out" / "label_stats.parquet")
    assert stats["modality"].to_list() == ["depth", "depth"]
    assert stats["depth_absrel"].null_count() == 0


def test_inverse_depth_is_fitted_before_it_is_measured():
    truth = np.random.default_rng(0).uniform(1, 9, (8, 8))
    valid = np.ones((8, 8), bool)
    fitted = measures.fitted_depth(7 / truth + 3, truth, valid)
    assert measures.depth_absrel(fitted, truth, valid) < 1e-9
    unlike = measures.fitted_depth(truth, truth, valid)
    assert measures.depth_absrel(unlike, truth, valid) > 0.05


def test_the_digest_follows_weights_and_settings(tmp_path):
    folder = save_depth_anything(tmp_path / "a")
    digests = {
        teacher_of(folder, map_px=m, input_px=p).digest
        for m, p in ((16, 56), (16, 56), (8, 56), (16, 28))
    }
    assert len(digests) == 3


def test_a_revision_holds_a_folder_to_its_files(tmp_path):
    folder = save_depth_anything(tmp_path / "a")
    with pytest.raises(ConfigError, match="set revision to") as refused:
        teacher_of(folder, revision="0" * 64)
    found = str(refused.value).rsplit(" ", 1)[1]
    assert teacher_of(folder, revision=found).name == "d"
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    save_file({**weights, name: weights[name] + 1}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match="put the files back"):
        teacher_of(folder, revision=found)


def test_a_hub_id_needs_its_commit():
    with pytest.raises(ConfigError, match=r"labels\.settings\.d: .*full commit"):
        teacher_of("some-org/some-model", revision="main")


@pytest.mark.parametrize("fault", ["no config", "no weights", "half the weights", "other class"])
def test_a_folder_that_cannot_be_used_is_named_with_the_way_out(tmp_path, fault):
    folder = save_depth_anything(tmp_path / "model")
    message = {
        "no config": "no config.json.*copy the whole folder",
        "no weights": r"no \*\.safetensors weights",
        "half the weights": "lacks .* weights of its own config",
        "other class": "holds a sam2_video, which is no AutoModelForDepthEstimation",
    }[fault]
    if fault == "no config":
        (folder / "config.json").unlink()
    elif fault == "no weights":
        (folder / "model.safetensors").unlink()
    elif fault == "half the weights":
        weights = load_file(folder / "model.safetensors")
        half = dict(sorted(weights.items())[::2])
        save_file(half, folder / "model.safetensors", {"format": "pt"})
    else:
        folder = save_sam2_video(tmp_path / "sam")
    with pytest.raises(ConfigError, match=rf"labels\.settings\.d: .*{message}") as refused:
        teacher_of(folder)
    assert str(folder) in str(refused.value)


def test_a_class_whose_output_is_unknown_is_refused(tmp_path, monkeypatch):
    folder = save_depth_anything(tmp_path / "model")
    monkeypatch.setattr("p4d.teachers.depth_network.form_of", lambda config: None)
    with pytest.raises(ConfigError, match="holds a depth_anything; what it returns is not known"):
        teacher_of(folder)


def test_a_gpu_that_is_not_there_is_an_error_before_any_work(tmp_path):
    folder = save_depth_anything(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"device cuda:9, but torch finds \d+ GPUs"):
        teacher_of(folder, device="cuda:9")


def test_the_size_of_depth_pro_is_its_own(tmp_path):
    folder = save_depth_pro(tmp_path / "model")
    side = json.loads((folder / "config.json").read_text())["patch_size"] * 4
    assert teacher_of(folder).reads.longest_px == side
    with pytest.raises(ConfigError, match=f"takes {side}; set input_px: 0"):
        teacher_of(folder, input_px=100)
