"""Tiny depth networks with random weights, saved by their own classes."""

import torch
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    GLPNConfig,
    GLPNForDepthEstimation,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)


def save_depth_anything(folder, kind="relative"):
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


def save_depth_pro(folder, *, view=True):
    torch.manual_seed(0)
    encoder = {
        "model_type": "dinov2", "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16,
        "patch_size": 4, "image_size": 16, "mlp_ratio": 2,
    }  # fmt: skip
    config = DepthProConfig(
        patch_size=16, scaled_images_ratios=[0.25, 0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.5, 0.25],
        scaled_images_feature_dims=[16, 16, 16], intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8], fusion_hidden_size=8, use_fov_model=view,
        num_fov_head_layers=2,
        image_model_config=encoder, patch_model_config=encoder, fov_model_config=encoder,
    )  # fmt: skip
    DepthProForDepthEstimation(config).save_pretrained(folder)
    return folder


def save_zoedepth(folder):
    torch.manual_seed(0)
    backbone = BeitConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        image_size=64, patch_size=16, out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False, use_relative_position_bias=True,
    )  # fmt: skip
    config = ZoeDepthConfig(
        backbone_config=backbone, backbone_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, bottleneck_features=8, num_relative_features=8, bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1], patch_transformer_hidden_size=8,
        patch_transformer_intermediate_size=8, patch_transformer_num_attention_heads=2,
        patch_transformer_num_hidden_layers=1,
    )  # fmt: skip
    ZoeDepthForDepthEstimation(config).save_pretrained(folder)
    return folder


def save_dpt(folder):
    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, is_hybrid=False, use_auxiliary_head=False,
    )  # fmt: skip
    DPTForDepthEstimation(config).save_pretrained(folder)
    return folder


def save_glpn(folder):
    torch.manual_seed(0)
    config = GLPNConfig(
        hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1], depths=[1, 1, 1, 1],
        decoder_hidden_size=8, sr_ratios=[8, 4, 2, 1],
    )  # fmt: skip
    GLPNForDepthEstimation(config).save_pretrained(folder)
    return folder
