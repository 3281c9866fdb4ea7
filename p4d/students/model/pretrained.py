"""Published checkpoints as base students: from a folder, or from the Hub by id.

The tokenizer, the special tokens, and the mean and deviation of the processor are kept. Only the
names of regions are added, if the tokenizer would split them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from p4d.artifacts import read_json
from p4d.errors import ContractError
from p4d.ids import sha256_file
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.model.adapters.picture_format import PictureFormat
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.student import load_checkpoint
from p4d.students.model.tokenizer import encode, token_id

NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")


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
        The model, its tokenizer, and for the card the SHA-256 of the weights.

    Raises:
        ContractError: there is no checkpoint called `name`, it has no safetensors weights, its
            family has no adapter, or its tokenizer lacks the family's tokens.
    """
    folder = located(name)
    weights = folder / "model" if (folder / "model").is_dir() else folder
    texts = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    files = sorted(weights.glob("*.safetensors"))
    if not files:
        raise ContractError(
            f"student.checkpoint: {name} holds no *.safetensors; name a folder with a "
            "transformers checkpoint, or leave the key empty to start from scratch"
        )
    model, tokenizer = load_checkpoint(weights, texts)
    family = family_named(model.config.model_type)
    for token in family.special_tokens:
        token_id(tokenizer, token)
    fitted = family.picture_format(model, size_px)
    scale = processor_scale(folder) or PictureFormat.of(model, fitted).mean_std
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
    digests = {path.name: sha256_file(path) for path in files}
    return model, tokenizer, {"weights_sha256": digests, "new_tokens": len(missing)}


def located(name: str) -> Path:
    """The folder of a checkpoint, downloaded from the Hub if `name` is not a folder.

    Raises:
        ContractError: `name` is neither a folder nor available on the Hub.
    """
    if Path(name).is_dir():
        return Path(name)
    repository, _, revision = name.partition("@")
    try:
        # The client retries, checks digests, and caches the files.
        return Path(
            snapshot_download(
                repository, revision=revision or None, allow_patterns=list(NEEDED_FILES)
            )
        )
    except (OSError, ValueError, HFValidationError, HfHubHTTPError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ContractError(
            f"student.checkpoint: {name} is not a folder, and downloading it from the Hub failed "
            f"({type(error).__name__}: {reason}). Download it where there is a network with "
            f"`hf download {repository} --local-dir FOLDER` and set student.checkpoint to FOLDER"
        ) from error


Colour = tuple[float, float, float]


def processor_scale(folder: Path) -> tuple[Colour, Colour] | None:
    """Mean and deviation of the checkpoint's own processor, if it has one."""
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            config: dict[str, Any] = read_json(folder / name)
            if "image_mean" in config and "image_std" in config:
                mean, std = (tuple(config[key]) for key in ("image_mean", "image_std"))
                return mean, std
    return None
