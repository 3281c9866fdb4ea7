"""Published checkpoints as base students: from a folder, or from the Hub by id.

Whatever a checkpoint brings is kept: its tokenizer and special tokens, and the mean and deviation
of its processor. Added are only the names of regions, where its tokenizer would split them.
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
from p4d.students.model.adapters.pictures import Pictures
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.student import load_checkpoint
from p4d.students.model.tokenizer import encode, token_id

NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")


def from_checkpoint(
    name: str, *, size_px: int, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, object]]:
    """A student that starts from published weights.

    Args:
        name: a folder (`model/` and `tokenizer/` as the stages write them, or one folder), or a
            Hub id, best with a revision: `Qwen/Qwen3-VL-2B-Instruct@<commit>`.
        size_px: size of the clips' pictures; families that take any size read them at the nearest
            multiple of their cells, the others resize.
        seed: draws the embeddings of region names that the tokenizer lacks.

    Returns:
        The model, its tokenizer, and for the card the SHA-256 of the weights.

    Raises:
        ContractError: nothing is found under `name`, it has no safetensors weights, its family has
            no adapter, or its tokenizer does not know the family's tokens.
    """
    folder = located(name)
    weights = folder / "model" if (folder / "model").is_dir() else folder
    texts = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    files = sorted(weights.glob("*.safetensors"))
    if not files:
        raise ContractError(
            f"student.checkpoint: {name} holds no *.safetensors; name a folder with a "
            "transformers checkpoint, or leave it empty to start from scratch"
        )
    model, tokenizer = load_checkpoint(weights, texts)
    family = family_named(model.config.model_type)
    for token in family.special_tokens:
        token_id(tokenizer, token)
    fitted = family.pictures(model, size_px)
    scale = processor_scale(folder) or Pictures.of(model, fitted).mean_std
    Pictures(fitted.size_px, *scale).store(model)
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
    """The folder of a checkpoint, fetched from the Hub where `name` is no folder.

    Raises:
        ContractError: it is neither.
    """
    if Path(name).is_dir():
        return Path(name)
    repository, _, revision = name.partition("@")
    try:
        # The client retries and checks digests; a second run finds the files in its cache.
        return Path(
            snapshot_download(
                repository, revision=revision or None, allow_patterns=list(NEEDED_FILES)
            )
        )
    except (OSError, ValueError, HFValidationError, HfHubHTTPError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ContractError(
            f"student.checkpoint: {name} is no folder here, and the Hub does not give it "
            f"({type(error).__name__}: {reason}). Fetch it where there is a network with "
            f"`hf download {repository} --local-dir FOLDER` and set student.checkpoint to FOLDER"
        ) from error


Colour = tuple[float, float, float]


def processor_scale(folder: Path) -> tuple[Colour, Colour] | None:
    """Mean and deviation of the checkpoint's own processor, if it comes with one."""
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            config: dict[str, Any] = read_json(folder / name)
            if "image_mean" in config and "image_std" in config:
                mean, std = (tuple(config[key]) for key in ("image_mean", "image_std"))
                return mean, std
    return None
