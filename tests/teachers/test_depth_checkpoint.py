"""A depth network of transformers labels clips like any other teacher."""

import numpy as np
import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from p4d.artifacts import read_table
from p4d.errors import LabelError
from p4d.teachers.depth_checkpoint import CheckpointDepthTeacher
from p4d.teachers.labelling.label import ShardClips, label_clips
from p4d.teachers.labelling.store import LabelStore
from tests.factories import make_clips_dir


def _save(folder, kind):
    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, patch_size=14,
        neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, head_hidden_size=8,
        depth_estimation_type=kind, max_depth=5 if kind == "metric" else 1,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = make_clips_dir(tmp_path_factory.mktemp("clips"), 2, size_px=32, frames=4)
    return ShardClips(folder)


def test_its_labels_hold_depth_and_nothing_else(clips, tmp_path):
    folder = _save(tmp_path / "model", "relative")
    teacher = CheckpointDepthTeacher("depthany", folder, map_px=16, input_px=56)
    judged = label_clips(clips, [teacher], tmp_path / "out", batch=2, tokens_hw=4)
    assert [one.reason for one in judged] == [None, None]
    store = LabelStore(tmp_path / "out")
    label = store.get_all(clips.clip_ids[0], "depthany")
    assert set(label) == {"depth_thw", "valid_thw"}
    assert label["depth_thw"].shape == (4, 16, 16)
    assert np.isfinite(label["depth_thw"]).all()
    index = read_table(tmp_path / "out" / "index.parquet")
    assert set(index["depth_kind"]) == {"inverse_affine"}
    assert set(index["scale_kind"]) == {"relative"}
    stats = read_table(tmp_path / "out" / "label_stats.parquet")
    assert stats["modality"].to_list() == ["depth", "depth"]
    assert stats["depth_absrel"].null_count() == 2  # inverse depth is not compared with depth


def test_a_metric_model_is_compared_with_the_truth(clips, tmp_path):
    folder = _save(tmp_path / "model", "metric")
    teacher = CheckpointDepthTeacher("depthany", folder, map_px=16, input_px=56)
    assert (teacher.depth_kind, teacher.scale_kind) == ("z", "metric")
    label_clips(clips, [teacher], tmp_path / "out", batch=2, tokens_hw=4)
    stats = read_table(tmp_path / "out" / "label_stats.parquet")
    assert stats["depth_absrel"].null_count() == 0


def test_the_digest_follows_weights_and_settings(tmp_path):
    folder = _save(tmp_path / "a", "relative")
    digests = {
        CheckpointDepthTeacher("d", folder, map_px=m, input_px=p).digest
        for m, p in ((16, 56), (16, 56), (8, 56), (16, 28))
    }
    assert len(digests) == 3


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(LabelError, match="no transformers checkpoint"):
        CheckpointDepthTeacher("d", tmp_path, map_px=16, input_px=56)
