"""The checkpoint folder and the device that settings of a teacher name, checked before any work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from p4d.config import TeacherParams
from p4d.config.labelling import hub_commit
from p4d.errors import ConfigError, ContractError
from p4d.ids import canonical_json
from p4d.model_folder import ModelFolder, located

Colour = tuple[float, float, float]


@contextmanager
def named(name: str) -> Iterator[None]:
    """Name the settings in the error of a folder.

    Raises:
        ConfigError: the folder cannot be used.
    """
    try:
        yield
    except ContractError as error:
        raise ConfigError(f"labels.settings.{name}: {error}") from error


def checked_folder(name: str, settings: TeacherParams) -> ModelFolder:
    """The folder of a transformers checkpoint.

    Raises:
        ConfigError: there is none, it lacks a file, a Hub id has no commit, or its files are not
            those of `revision`.
    """
    with named(name):
        folder = ModelFolder.checked(located_folder(name, settings))
        if not (folder.path / "config.json").is_file():
            raise ConfigError(
                f"labels.settings.{name}: {folder.path}: no transformers checkpoint (no "
                "config.json); copy the whole folder that save_pretrained wrote"
            )
        check_revision(name, settings, folder.digests() | folder.setting_digests())
    return folder


def located_folder(name: str, settings: TeacherParams) -> Path:
    """The folder, downloaded from the Hub at its commit if `where` is a Hub id.

    Raises:
        ConfigError: a Hub id has no commit.
        ContractError: it is not available.
    """
    if Path(settings.where).is_dir():
        return Path(settings.where)
    if not hub_commit(settings.revision):
        raise ConfigError(
            f"labels.settings.{name}: {settings.where} is no folder; if it is a Hub id, set "
            "revision to the full commit (40 hex digits), so that the labels stay those of it"
        )
    return located(f"{settings.where}@{settings.revision}", f"labels.settings.{name}.where")


def weights_digest(files: dict[str, str]) -> str:
    """SHA-256 over the names and digests of the files of a checkpoint."""
    return hashlib.sha256(canonical_json(dict(sorted(files.items()))).encode()).hexdigest()


def check_revision(name: str, settings: TeacherParams, files: dict[str, str]) -> None:
    """Hold the files of a folder to the stated SHA-256, if one is stated.

    Raises:
        ConfigError: they differ.
    """
    found = weights_digest(files)
    if not settings.revision or not Path(settings.where).is_dir():
        return
    if not found.startswith(settings.revision) or len(settings.revision) < 12:
        raise ConfigError(
            f"labels.settings.{name}: the files of {settings.where} have the SHA-256 {found}, not "
            f"the revision {settings.revision}; put the files back, or set revision to {found}"
        )


def checked_network(name: str, folder: ModelFolder, kind: Any) -> Any:  # noqa: ANN401
    """The frozen network of a folder.

    Raises:
        ConfigError: weights are missing, damaged or of another class.
    """
    with named(name):
        network = folder.network(kind)
    return network.eval().requires_grad_(False)


def checked_device(name: str, settings: TeacherParams) -> str:
    """The device.

    Raises:
        ConfigError: there is no such device here.
    """
    device = settings.device
    if device != "cpu":
        index = int(device.partition(":")[2] or 0)
        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            raise ConfigError(
                f"labels.settings.{name}: device {device}, but torch finds "
                f"{torch.cuda.device_count()} GPUs; set device: cpu, or install a CUDA build "
                "(requirements/README.md)"
            )
    return device


def colour_scale(
    name: str, folder: ModelFolder, default: tuple[Colour, Colour], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of the colours that the network expects, [3, 1, 1] each."""
    with named(name):
        mean, std = folder.picture_scale() or default
    pair = (torch.tensor(value, device=device).view(3, 1, 1) for value in (mean, std))
    first, second = pair
    return first, second
