"""Tiny checkpoints with random weights of the very classes that real ones are of."""

import torch
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessorPil,
    Owlv2Processor,
    Sam2VideoConfig,
    Sam2VideoModel,
    SwinConfig,
)

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    ".",
    "?",
    "red",
    "box",
    "blue",
    "ball",
    "dog",
]


def save_grounding_dino(folder):
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config={
            "model_type": "bert", "vocab_size": len(WORDS), "hidden_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
            "max_position_embeddings": 64,
        },
        num_queries=12, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2, d_model=32, max_text_len=32,
        disable_custom_kernels=True,
    )  # fmt: skip
    model = GroundingDinoForObjectDetection(config)
    # Boxes of random weights have no size: this makes them a third of the picture.
    for head in model.bbox_embed:
        head.layers[-1].bias.data[2:] += 2.5
    model.save_pretrained(folder)
    size = {"shortest_edge": 128, "longest_edge": 128}
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(WORDS)})
    processor = GroundingDinoProcessor(GroundingDinoImageProcessorPil(size=size), tokenizer)
    processor.save_pretrained(folder)
    return str(folder)


def save_owlv2(folder):
    torch.manual_seed(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
    vocab = {t: n for n, t in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[])
    tokenizer.model_max_length = 16
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
             "num_attention_heads": 2}  # fmt: skip
    config = Owlv2Config(
        text_config={**tower, "vocab_size": len(vocab), "max_position_embeddings": 16,
                     "pad_token_id": 0, "bos_token_id": 52, "eos_token_id": 53},
        vision_config={**tower, "image_size": 32, "patch_size": 8}, projection_dim=16,
    )  # fmt: skip
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    pictures = Owlv2ImageProcessorPil(size={"height": 32, "width": 32})
    Owlv2Processor(pictures, tokenizer).save_pretrained(folder)
    return str(folder)


def save_sam2_video(folder, size=64):
    torch.manual_seed(0)
    width = 128
    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1,
                "image_size": [size, size], "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "global_attention_blocks": [3], "window_size_per_stage": [4, 4, 4, 4],
                "window_positional_embedding_background_size": [2, 2],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[size // 4] * 2, [size // 8] * 2, [size // 16] * 2],
            "fpn_hidden_size": width,
        },
        prompt_encoder_config={"hidden_size": width, "image_size": size, "patch_size": 16},
        mask_decoder_config={"hidden_size": width, "mlp_dim": 64, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 32},
        image_size=size, memory_attention_hidden_size=width, memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[size // 16] * 2, memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64, mask_downsampler_embed_dim=width,
        memory_fuser_num_layers=1, memory_fuser_embed_dim=width, memory_fuser_intermediate_dim=64,
        num_maskmem=4,
    )  # fmt: skip
    model = Sam2VideoModel(config)
    # Random weights say that nothing is there; this makes everything visible.
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data += 5
    model.save_pretrained(folder)
    return str(folder)
