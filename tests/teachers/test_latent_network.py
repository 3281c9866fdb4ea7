"""Video encoders of transformers, saved by their classes, give latents on their token grid."""

import numpy as np
import polars as pl
import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEModel, VJEPA2Config, VJEPA2Model

from p4d.artifacts import read_table
from p4d.config import TeacherParams
from p4d.errors import ConfigError
from p4d.teachers.labelling.store import LabelStore
from p4d.teachers.latent_network import LatentNetworkTeacher
from p4d.teachers.protocol import ClipInput
from tests.teachers.depth_checkpoints import save_depth_anything
from tests.teachers.landed import landed_shard, run


def save_vjepa2(folder):
    torch.manual_seed(0)
    config = VJEPA2Config(
        patch_size=16, crop_size=32, frames_per_clip=8, tubelet_size=2, hidden_size=24,
        num_attention_heads=2, num_hidden_layers=3, mlp_ratio=2, pred_hidden_size=24,
        pred_num_attention_heads=2, pred_num_hidden_layers=1,
    )  # fmt: skip
    VJEPA2Model(config).save_pretrained(folder)
    return folder


def save_videomae(folder):
    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=32, patch_size=16, num_frames=8, tubelet_size=2, hidden_size=24,
        num_attention_heads=2, num_hidden_layers=3, intermediate_size=32, use_mean_pooling=False,
    )  # fmt: skip
    VideoMAEModel(config).save_pretrained(folder)
    return folder


def teacher_of(folder, frames=8, **settings):
    described = TeacherParams(kind="latents", where=str(folder), **settings)
    return LatentNetworkTeacher("lat", described, 16, frames)


def a_clip(frames=8):
    rgb = np.random.default_rng(0).integers(0, 256, (frames, 48, 80, 3), dtype=np.uint8)
    return ClipInput(clip_id="clip_a", rgb_thw3=rgb, truth=None)


@pytest.mark.parametrize("save", [save_vjepa2, save_videomae])
def test_latents_are_the_outputs_of_the_chosen_blocks(tmp_path, save):
    folder = save(tmp_path / "model")
    (label,) = teacher_of(folder, hooks=(1, 3)).label([a_clip()])
    assert label.latents.shape == (2, 4, 2, 2, 24)
    assert label.present() == {}
    (last,) = teacher_of(folder).label([a_clip()])
    assert np.array_equal(last.latents[0], label.latents[1])
    assert not np.allclose(label.latents[0], label.latents[1])


def test_the_last_block_is_what_the_class_itself_returns(tmp_path):
    folder = save_vjepa2(tmp_path / "model")
    teacher = teacher_of(folder)
    (label,) = teacher.label([a_clip()])
    pictures = teacher._pictures(a_clip().rgb_thw3)[None]
    with torch.no_grad():
        own = VJEPA2Model.from_pretrained(folder).eval()(pictures, skip_predictor=True)
    assert np.allclose(label.latents[0].reshape(-1, 24), own.last_hidden_state[0], atol=1e-5)


def test_rotary_positions_take_another_size_and_length(tmp_path):
    folder = save_vjepa2(tmp_path / "model")
    (label,) = teacher_of(folder, frames=4, input_px=64).label([a_clip(4)])
    assert label.latents.shape == (1, 2, 4, 4, 24)


@pytest.mark.parametrize(
    ("save", "frames", "settings", "message"),
    [
        (save_videomae, 4, {}, "takes 8 frames and clips have 4; set clips.frames: 8"),
        (save_vjepa2, 5, {}, "multiples of 2 frames and clips have 5"),
        (save_videomae, 8, {"input_px": 64}, "takes 32 alone; set input_px: 0"),
        (save_vjepa2, 8, {"input_px": 40}, "multiple of its patches of 16 px"),
        (save_vjepa2, 8, {"hooks": (4,)}, "has 3 blocks"),
        (save_depth_anything, 8, {}, "a depth_anything is no encoder of videos"),
    ],
)
def test_what_it_cannot_take_is_an_error_before_any_work(tmp_path, save, frames, settings, message):
    folder = save(tmp_path / "model")
    with pytest.raises(ConfigError, match=rf"labels\.settings\.lat: .*{message}"):
        teacher_of(folder, frames, **settings)


def test_a_shard_stores_them_with_statistics_and_a_digest(expert_folder, tmp_path):
    project, shard = landed_shard(tmp_path / "project", frames=4)
    folder = save_vjepa2(tmp_path / "model")
    settings = {"lat": TeacherParams(kind="latents", where=str(folder))}
    out = tmp_path / "labels"
    labels = {"teachers": ("expert4d", "lat"), "settings": settings, "threads": 1}
    run(project, "labels", shard, out, {"expert": expert_folder}, labels=labels)
    index = read_table(out / "index.parquet").filter(teacher="lat")
    assert set(index["outcome"]) == {"ok"}
    store = LabelStore(out)
    assert store.latents(index["clip_id"][0], "lat").shape == (1, 2, 2, 2, 24)
    stats = read_table(out / "label_stats.parquet").filter(pl.col("teacher") == "lat")
    assert set(stats["modality"]) == {"latents"}
    assert stats["n_nan"].sum() == 0
