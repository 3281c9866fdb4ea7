"""The base student all arms start from: a tokenizer of the release and a small LLaVA-OneVision."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from p4d.artifacts import write_json
from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.ids import sha256_file
from p4d.pipeline import StageInputs, StageReport
from p4d.students.adapters import adapter_for
from p4d.students.data import load_questions
from p4d.students.prompt import IMAGE, REGION_MARKS, TURN_END, VIDEO, opening, question_turn
from p4d.students.student import load_checkpoint, save_student
from p4d.students.tokenizer import encode, letter_ids, token_id, train_tokenizer

# Longer than any packed sample; positions are rotary, so it costs no parameters.
MAX_POSITIONS = 4096


def build_base_student(inputs: StageInputs, out: Path) -> StageReport:
    """Start from a checkpoint, or train a tokenizer on the train split and initialise a network.

    Writes `tokenizer/`, `model/` and `card.json`.

    Raises:
        ContractError: the release has no train questions, or the checkpoint cannot be used.
    """
    params: StudentParams = inputs.params("student")
    clips: ClipsParams = inputs.params("clips")
    questions = load_questions(inputs.folder("release"), "train")
    if not questions:
        raise ContractError("the release has no questions in its train split")
    if params.checkpoint:
        model, tokenizer, origin = from_checkpoint(Path(params.checkpoint), params.seed)
    else:
        texts = [question_turn(item.question, item.options) for item in questions]
        tokenizer = train_tokenizer([opening(sees_video=True), *texts], params.vocabulary)
        model = initial_student(params, clips, tokenizer)
        origin = {"tokenizer_texts": len(texts), "seed": params.seed}
    letter_ids(tokenizer)
    adapter = adapter_for(model)
    parameters = sum(weight.numel() for weight in model.parameters())
    card = {
        "architecture": params.architecture,
        "origin": origin,
        "parameters": parameters,
        "vocabulary": len(tokenizer),
        "frames": clips.frames,
        "visual_tokens": adapter.visual_tokens(1 + clips.frames),
        "tokens_per_frame_rows_columns": list(adapter.frame_grid()),
        "sees_video": True,
    }
    save_student(out, model, tokenizer)
    write_json(out / "card.json", card)
    return StageReport(metrics={"parameters": parameters, "vocabulary": len(tokenizer)})


def from_checkpoint(
    folder: Path, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, object]]:
    """A student of `folder`: `model/` and `tokenizer/` as the stages write them, or one folder.

    Region marks that its tokenizer lacks become new tokens, with embeddings drawn from `seed`.

    Returns:
        The model, its tokenizer, and for the card the SHA-256 of the weights.

    Raises:
        ContractError: the folder has no safetensors weights, or no video token.
    """
    weights = folder / "model" if (folder / "model").is_dir() else folder
    texts = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    files = sorted(weights.glob("*.safetensors"))
    if not files:
        raise ContractError(
            f"student.checkpoint: {folder} holds no *.safetensors; name a folder with a "
            "transformers checkpoint, or leave it empty to start from scratch"
        )
    model, tokenizer = load_checkpoint(weights, texts)
    adapter = adapter_for(model)
    if token_id(tokenizer, VIDEO) != adapter.video_token_id:
        raise ContractError(f"{folder}: tokenizer and model disagree about the token {VIDEO}")
    missing = [mark for mark in REGION_MARKS if len(encode(tokenizer, mark)) != 1]
    if missing:
        tokenizer.add_tokens(missing, special_tokens=True)
        if len(tokenizer) > adapter.vocabulary:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model.resize_token_embeddings(len(tokenizer))
    digests = {path.name: sha256_file(path) for path in files}
    return model, tokenizer, {"weights_sha256": digests, "new_tokens": len(missing)}


def initial_student(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> LlavaOnevisionForConditionalGeneration:
    """A LLaVA-OneVision network of the given sizes, initialised from `params.seed`.

    Weights of the language model have deviation 1 / sqrt(width). The 0.02 of published configs is
    about that for their widths; at a width of 128 it slows learning down several times.
    """
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": params.vision_width,
        "intermediate_size": 4 * params.vision_width,
        "num_hidden_layers": params.vision_blocks,
        "num_attention_heads": params.vision_heads,
        "image_size": clips.size_px,
        "patch_size": params.patch_px,
        "vision_use_head": False,
    }
    text = {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": params.text_width,
        "intermediate_size": 3 * params.text_width,
        "num_hidden_layers": params.text_blocks,
        "num_attention_heads": params.text_heads,
        "num_key_value_heads": params.text_heads,
        "max_position_embeddings": MAX_POSITIONS,
        "initializer_range": params.text_width**-0.5,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, TURN_END),
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_grid_pinpoints=[[clips.size_px, clips.size_px]],
        tie_word_embeddings=True,
    )
    # The initialisers of the network draw from torch's global generator; it is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        return LlavaOnevisionForConditionalGeneration(config)
