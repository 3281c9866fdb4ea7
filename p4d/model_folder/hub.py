"""Where a checkpoint is: a folder, or a repository of the Hub that is downloaded into one."""

from __future__ import annotations

from pathlib import Path

import httpx
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from p4d.errors import ContractError

NEEDED_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model")
"""Patterns of the files that are downloaded from the Hub."""


def located(name: str, key: str) -> Path:
    """The folder of a checkpoint, downloaded from the Hub if `name` is not a folder.

    Args:
        name: a folder, or a Hub id, preferably with a revision: `org/model@<commit>`.
        key: the parameter that names it, for messages.

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
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise ContractError(
            f"{key}: {name} is not a folder, and downloading it from the Hub failed "
            f"({type(error).__name__}: {reason}). Download it where there is a network with "
            f"`hf download {repository} --local-dir FOLDER` and set {key} to FOLDER"
        ) from error
