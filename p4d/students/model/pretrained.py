"""Published checkpoints: opened as they are, or made a base student; from a folder or the Hub.

A checkpoint with the files of a processor and a chat template keeps them: pictures are resized and
scaled, turns are laid out and times are written as its authors do. Names of regions are plain text
unless its tokenizer has them as tokens. A checkpoint without these files, such as a student of this
project, is read in the layout of `chat.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from p4d.errors import ContractError
from p4d.model_folder import ModelFolder, located
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.model.adapters.picture_format import KEY, PictureFormat, store_published
from p4d.students.model.chat import REGION_MARKS
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.published.processor_files import Processor, read_processor
from p4d.students.model.student import Student, load, load_checkpoint, read_card
from p4d.students.model.tokenizer import encode, token_id


def open_student(folder: Path, *, dtype: torch.dtype = torch.float32) -> Student:
    """Any student: an arm's folder, an exported one, or a published checkpoint as it is.

    Its weights are of `dtype`.

    Raises:
        ContractError: the folder holds none of them, or it is damaged.
    """
    if (folder / "card.json").is_file() and (folder / "model").is_dir():
        return load(folder, dtype=dtype)
    if not (folder / "config.json").is_file():
        raise ContractError(
            f"{folder} holds no model: expected card.json of a student or config.json of a "
            "transformers checkpoint"
        )
    if not (folder / "card.json").is_file():
        return open_checkpoint(folder, dtype=dtype)
    # Exported: its config has all settings.
    model, tokenizer = load_checkpoint(folder, folder, dtype=dtype)
    sees_video = bool(read_card(folder)["sees_video"])
    return Student(adapter_for(model), tokenizer, sees_video=sees_video)


def weight_count(folder: Path) -> int:
    """How many weights a student's folder or a checkpoint holds; none of them is loaded.

    Raises:
        ContractError: the folder is damaged.
    """
    weights, _ = _parts(folder)
    return sum(math.prod(shape) for shape in weights.weight_shapes().values())


def own_sampling(folder: Path) -> FrameSampling | None:
    """How the processor of a published checkpoint picks frames; None for students of this project.

    Raises:
        ContractError: the folder is damaged.
    """
    if (folder / "card.json").is_file() or not (folder / "config.json").is_file():
        return None
    checked = ModelFolder.checked(folder)
    family = family_named(checked.config().model_type)
    found = read_processor(checked, family.processor, checked.tokenizer().chat_template)
    return found.sampling if found else None


def open_checkpoint(folder: Path, *, dtype: torch.dtype = torch.float32) -> Student:
    """A transformers checkpoint as a student that is asked as it is; nothing is added.

    Its weights are of `dtype`. A checkpoint with a processor is asked as its authors ask it,
    without an encoding of times.

    Raises:
        ContractError: the folder is damaged, lacks weights or has too many, or its family has no
            adapter.
    """
    weights, texts = _parts(folder)
    model, tokenizer = load_checkpoint(weights.path, texts.path, dtype=dtype)
    processor = _processor(texts, model, tokenizer)
    published = processor is not None and getattr(model.config, KEY, None) is None
    if processor is not None and published:
        store_published(model, processor.pictures)
        replace(PromptSettings.of(model), template="own", time="none").store(model)
    return Student(adapter_for(model), tokenizer, sees_video=True, as_published=published)


def from_checkpoint(
    name: str, *, size_px: int, seed: int, frames: int = 2, settings: PromptSettings | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, object]]:
    """Load published weights as a base student.

    Args:
        name: a folder (`model/` and `tokenizer/` as the stages write them, or one folder), or a
            Hub id, preferably with a revision: `Qwen/Qwen3-VL-2B-Instruct@<commit>`.
        size_px: size of the clips' pictures; families that take any size read them at the size
            that their processor gives squares of it, the others resize.
        seed: draws the embeddings of region names that the tokenizer lacks, if the table of
            embeddings has to grow for them.
        frames: of a clip; some processors give longer clips smaller pictures.
        settings: how the student is to read and answer; None: what the checkpoint has.

    Returns:
        The model, its tokenizer, and for the card the SHA-256 of every file that was loaded.

    Raises:
        ContractError: there is no checkpoint called `name`, it has no safetensors weights, its
            family has no adapter, or its tokenizer lacks the family's tokens.
    """
    folder = located(name, "student.checkpoint")
    weights, texts = _parts(folder)
    if not weights.weights:
        raise ContractError(
            f"student.checkpoint: {name} holds no *.safetensors; name a folder with a "
            "transformers checkpoint, or leave the key empty to start from scratch"
        )
    model, tokenizer = load_checkpoint(weights.path, texts.path)
    family = family_named(model.config.model_type)
    for token in family.special_tokens:
        token_id(tokenizer, token)
    settings = settings or PromptSettings.of(model)
    processor = None
    if getattr(model.config, KEY, None) is None:
        processor = _processor(texts, model, tokenizer)
    if processor is not None:
        store_published(model, processor.pictures.fixed_for(frames, size_px))
        settings = replace(settings, template="own")
    elif PromptSettings.of(model).template != "own":
        fitted = family.picture_format(model, size_px)
        scale = ModelFolder.checked(folder).picture_scale()
        PictureFormat(fitted.size_px, *(scale or PictureFormat.of(model, fitted).mean_std)).store(
            model
        )
    else:  # a student that was made of a published checkpoint
        settings = replace(settings, template="own")
    settings.store(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    origin: dict[str, object] = {
        "weights_sha256": weights.digests(),
        "settings_sha256": weights.setting_digests() | texts.setting_digests(),
        "new_tokens": _add_region_names(model, tokenizer, settings, seed),
    }
    return model, tokenizer, origin


def _parts(folder: Path) -> tuple[ModelFolder, ModelFolder]:
    """The folders of the weights and of the tokenizer; one flat folder is both."""
    weights, texts = (
        ModelFolder.checked(folder / part if (folder / part).is_dir() else folder)
        for part in ("model", "tokenizer")
    )
    return weights, texts


def _processor(
    texts: ModelFolder, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> Processor | None:
    """The processor of a checkpoint, whose chat template becomes that of the tokenizer."""
    defaults = family_named(model.config.model_type).processor
    found = read_processor(texts, defaults, tokenizer.chat_template)
    if found is not None:
        tokenizer.chat_template = found.template
    return found


def _add_region_names(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: PromptSettings,
    seed: int,
) -> int:
    """Add the names as tokens where regions are read as tokens; returns how many are new.

    Where regions are drawn, their names stay plain text, as in the paper.
    """
    if settings.regions == "marks":
        return 0
    missing = [mark for mark in REGION_MARKS if len(encode(tokenizer, mark)) != 1]
    if missing:
        tokenizer.add_tokens(missing, special_tokens=True)
        if len(tokenizer) > adapter_for(model).vocabulary:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model.resize_token_embeddings(len(tokenizer))
    return len(missing)
