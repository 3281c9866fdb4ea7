"""Reads DVC's configuration as DVC does, at all four levels, without importing DVC.

The levels, each over the one before: system (`/etc/xdg/dvc/config`), global
(`~/.config/dvc/config`), repository (`.dvc/config`), local (`.dvc/config.local`). The files are
parsed by ConfigObj, as DVC parses them. A relative path counts from the folder of the file that
holds it.
`tests/versioning/dvc/test_config.py` compares the result with that of DVC.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import configobj
import platformdirs

from p4d.errors import ConfigError

Settings = Mapping[str, Any]
"""Sections of options; `remote` holds one section per remote, by name."""

_NAMED = ("remote", "machine", "db")
_PATHS = {
    "cache": {"dir"},
    "remote": {
        "url", "gdrive_user_credentials_file", "gdrive_service_account_json_file_path",
        "credentialpath", "configpath", "keyfile", "cert_path", "key_path",
    },
    "machine": {"startup_script", "setup_script"},
}  # fmt: skip
"""Options that name a path."""


def config_files(root: Path) -> tuple[Path, ...]:
    """The files of the four levels, weakest first; they need not exist."""
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir(
        "dvc", "iterative"
    )
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir(
        "dvc", "iterative"
    )
    own = root / ".dvc"
    return (
        Path(system, "config"), Path(user, "config"), own / "config", own / "config.local",
    )  # fmt: skip


def read_config(root: Path) -> Settings:
    """The settings that DVC uses in a project.

    Raises:
        ConfigError: a file is not in DVC's format.
    """
    return _read(tuple((path, _identity(path)) for path in config_files(root)))


def cache_dir(root: Path) -> Path:
    """The folder of cache objects."""
    configured = read_config(root).get("cache", {}).get("dir") or root / ".dvc" / "cache"
    return Path(configured) / "files" / "md5"


def remote_urls(root: Path) -> list[str]:
    """URLs of all configured remotes."""
    remotes = read_config(root).get("remote", {})
    return [remote["url"] for remote in remotes.values() if "url" in remote]


def default_remote(root: Path) -> str | None:
    """Name of the remote that DVC uses if none is given, or None."""
    name: str | None = read_config(root).get("core", {}).get("remote")
    return name


_Identity = tuple[int, int, int] | None


def _identity(path: Path) -> _Identity:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@functools.lru_cache(maxsize=8)
def _read(files: tuple[tuple[Path, _Identity], ...]) -> Settings:
    """The merged levels, once per state of the files: each look-up of an object asks for them."""
    merged: dict[str, Any] = {}
    for path, identity in files:
        if identity is not None:
            _merge(merged, _load(path))
    return merged


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            plain = configobj.ConfigObj(stream).dict()
    except (UnicodeDecodeError, configobj.ConfigObjError) as error:
        raise ConfigError(f"{path} is no configuration of DVC: {error}") from error
    found: dict[str, Any] = {}
    for section, options in _lower_keys(plain).items():
        named = re.match(r'^\s*(remote|machine|db)\s*"(.*)"\s*$', section)
        if named:
            found.setdefault(named[1], {})[named[2]] = _resolved(path.parent, named[1], options)
        else:
            found[section] = _resolved(path.parent, section, options)
    return found


def _resolved(folder: Path, section: str, options: Any) -> Any:  # noqa: ANN401 - a section or value
    if not isinstance(options, dict):
        return options
    names = _PATHS.get(section, set())
    return {
        name: _resolve(folder, value) if name in names and isinstance(value, str) else value
        for name, value in options.items()
    }


def _resolve(folder: Path, path: str) -> str:
    if re.match(r"\w+://", path) or Path(path).is_absolute():
        return path
    expanded = os.path.expanduser(path)  # noqa: PTH111 - leaves an unknown user as it is
    if Path(expanded).is_absolute():
        return expanded
    return os.path.abspath(folder / path)  # noqa: PTH100 - links stay, as DVC leaves them


def _lower_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key.lower(): _lower_keys(each) if isinstance(each, dict) else each
        for key, each in value.items()
    }


def _merge(into: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(into.get(key), dict) and isinstance(value, dict):
            _merge(into[key], value)
        else:
            into[key] = value
