"""Published checkpoints as base students: from a folder, or from the Hub by id.

The tokenizer, the special tokens, and the mean and deviation of the processor are kept. Only the
names of regions are added, if the tokenizer would split them.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from p4d.errors import ContractError
from p4d.model_folder import ModelFolder, located
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.model.adapters.picture_format import PictureFormat
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.student import load_checkpoint
from p4d.students.model.tokenizer import encode, token_id


def from_checkpoint(
    name: str, *, size_px: int, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, object]]:
    """Load published weights as a student.

    Args:
        name: a folder (`model/` and `tokenizer/` as the stages write them, or one folder), or a
            Hub id, preferably with a revision: `Qwen/Qwen3-VL-2B-Instruct@<commit>`.
        size_px: size of the clips' pictures; families that take any size read them at the nearest
            multiple of their cells, the others resize.
        seed: draws the embeddings of region names that the tokenizer lacks, if the table of
            embeddings has to grow for them.

    Returns:
        The model, its tokenizer, and for the card the SHA-256 of every file that was loaded.

    Raises:
        ContractError: there is no checkpoint called `name`, it has no safetensors weights, its
            family has no adapter, or its tokenizer lacks the family's tokens.
    """
    folder = located(name, "student.checkpoint")
    weights, texts = (
        ModelFolder.checked(folder / part if (folder / part).is_dir() else folder)
        for part in ("model", "tokenizer")
    )
    if not weights.weights:
        raise ContractError(
            f"student.checkpoint: {name} holds no *.safetensors; name a folder with a "
            "transformers checkpoint, or leave the key empty to start from scratch"
        )
    model, tokenizer = load_checkpoint(weights.path, texts.path)
    family = family_named(model.config.model_type)
    for token in family.special_tokens:
        token_id(tokenizer, token)
    fitted = family.picture_format(model, size_px)
    scale = ModelFolder.checked(folder).picture_scale() or PictureFormat.of(model, fitted).mean_std
    PictureFormat(fitted.size_px, *scale).store(model)
    adapter = adapter_for(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    missing = [mark for mark in REGION_MARKS if len(encode(tokenizer, mark)) != 1]
    if missing:
        tokenizer.add_tokens(missing, special_tokens=True)
        if len(tokenizer) > adapter.vocabulary:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model.resize_token_embeddings(len(tokenizer))
    origin: dict[str, object] = {
        "weights_sha256": weights.digests(),
        "settings_sha256": weights.setting_digests() | texts.setting_digests(),
        "new_tokens": len(missing),
    }
    return model, tokenizer, origin
