"""A network without weights, from plain settings that are held to the rules of folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from p4d.errors import ContractError
from p4d.model_folder.rules import REFUSED_KEYS, entries


def config_from_settings(settings: Mapping[str, Any], kind: Any) -> Any:  # noqa: ANN401
    """The config of a network of transformers from plain settings, held to the rules of folders.

    Args:
        settings: the content of a `config.json`.
        kind: the class of the network.

    Raises:
        ContractError: a setting names code or kernels, or the class cannot use them.
    """
    for key, value in entries(dict(settings)):
        if value and key in REFUSED_KEYS:
            raise ContractError(f"config: {key} {REFUSED_KEYS[key]}")
    try:
        return kind.config_class(**settings)
    except Exception as error:  # any kind, as for folders
        raise ContractError(f"config: {type(error).__name__}: {ascii(error)[:300]}") from error


def skeleton(settings: Mapping[str, Any], kind: Any) -> Any:  # noqa: ANN401
    """A network without numbers, on the meta device, from the content of a `config.json`.

    Raises:
        ContractError: see `config_from_settings`.
    """
    config = config_from_settings(settings, kind)
    with torch.device("meta"):
        return kind._from_config(config, attn_implementation="sdpa")
