"""The differences between student families, one module per family.

An adapter defines where visual features leave the encoder (and the time encoding is added), how
pictures are divided for it, which tokens of a sequence are visual, which positions they have, and
which hidden states are read. Code that is equal for all families does not belong here. Read
`protocol.py` first; `docs/students.md` adds a family step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    InternVLForConditionalGeneration,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLForConditionalGeneration,
)

from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.model_folder import ModelFolder
from p4d.students.model.adapters import internvl, llava_onevision, qwen_vl_network
from p4d.students.model.adapters.internvl import InternVLAdapter
from p4d.students.model.adapters.llava_onevision import LlavaOnevisionAdapter
from p4d.students.model.adapters.picture_format import PictureFormat
from p4d.students.model.adapters.protocol import StudentAdapter
from p4d.students.model.adapters.qwen_vl import QwenVLAdapter
from p4d.students.model.published.processor_files import ProcessorDefaults

__all__ = [
    "FAMILIES",
    "StudentAdapter",
    "StudentFamily",
    "adapter_for",
    "family_named",
    "initial_model",
    "load_model",
]


@dataclass(frozen=True)
class StudentFamily:
    """A transformers architecture that can be a student.

    Attributes:
        model: its class.
        adapter: how it is used.
        picture_format: the format of its pictures for clips of a given size in pixels.
        initial_model: builds it from sizes, drawing weights from torch's global generator.
        special_tokens: tokens that its texts need besides those of every student.
        processor: what its processor does where a checkpoint's files say nothing.
    """

    model: type[PreTrainedModel]
    adapter: Callable[[Any], StudentAdapter]
    picture_format: Callable[[Any, int], PictureFormat]
    initial_model: Callable[[StudentParams, ClipsParams, PreTrainedTokenizerBase], PreTrainedModel]
    special_tokens: tuple[str, ...]
    processor: ProcessorDefaults


FAMILIES: dict[str, StudentFamily] = {
    "llava_onevision": StudentFamily(
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionAdapter,
        llava_onevision.picture_format,
        llava_onevision.initial_model,
        llava_onevision.SPECIAL_TOKENS,
        llava_onevision.PROCESSOR,
    ),
    "internvl": StudentFamily(
        InternVLForConditionalGeneration,
        InternVLAdapter,
        internvl.picture_format,
        internvl.initial_model,
        internvl.SPECIAL_TOKENS,
        internvl.PROCESSOR,
    ),
    "qwen2_5_vl": StudentFamily(
        Qwen2_5_VLForConditionalGeneration,
        QwenVLAdapter,
        qwen_vl_network.picture_format,
        qwen_vl_network.initial_model,
        qwen_vl_network.SPECIAL_TOKENS,
        qwen_vl_network.PROCESSOR_2_5,
    ),
    "qwen3_vl": StudentFamily(
        Qwen3VLForConditionalGeneration,
        QwenVLAdapter,
        qwen_vl_network.picture_format,
        qwen_vl_network.initial_model,
        qwen_vl_network.SPECIAL_TOKENS,
        qwen_vl_network.PROCESSOR_3,
    ),
}
"""By `model_type` of the transformers config, which is also `student.architecture`."""


def family_named(model_type: str) -> StudentFamily:
    """The family of a transformers config.

    Raises:
        ContractError: no adapter knows this architecture.
    """
    if model_type not in FAMILIES:
        raise ContractError(
            f"no student adapter for {model_type}; known are {', '.join(FAMILIES)}. "
            "Add one under p4d/students/model/adapters, see docs/students.md"
        )
    return FAMILIES[model_type]


def adapter_for(model: PreTrainedModel) -> StudentAdapter:
    """The adapter of a loaded model.

    Raises:
        ContractError: no adapter knows this architecture.
    """
    return family_named(model.config.model_type).adapter(model)


def initial_model(
    params: StudentParams, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    """A network of the architecture and sizes in `params`, initialised from `params.seed`."""
    build = family_named(params.architecture).initial_model
    # The initialisers of the network draw from torch's global generator, whose state is kept.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        return build(params, clips, tokenizer)


def load_model(folder: Path, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a transformers checkpoint of a known family, with weights of `dtype`.

    transformers builds the network on the meta device and reads each weight once, into place.

    Raises:
        ContractError: the family is unknown, or the folder is damaged or asks for more than its
            own weights.
    """
    checked = ModelFolder.checked(folder)
    kind = family_named(checked.config().model_type).model
    model: PreTrainedModel = checked.network(kind, exact=True, dtype=dtype)
    return model
