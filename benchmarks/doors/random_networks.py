"""Networks of published sizes with random weights: what they cost is real, what they say is not."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    VJEPA2Config,
    VJEPA2Model,
)


def save_depth_anything_small(folder: Path) -> Path:
    """Depth Anything with the sizes of its Small model (ViT-S/14), 25 M weights."""
    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_features=["stage9", "stage10", "stage11", "stage12"],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=384,
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


def save_vjepa2_small(folder: Path) -> Path:
    """V-JEPA 2 at a tenth of its published Large model: 12 blocks of width 384, 256 px."""
    torch.manual_seed(0)
    config = VJEPA2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, pred_num_hidden_layers=1
    )
    VJEPA2Model(config).save_pretrained(folder)
    return folder
