"""Which remotes are private: read only by people who may have everything that the project has.

DVC's configuration has no room for it, so `.dvc/private_remotes.yaml`, versioned by git, holds name
and address. A mark counts for this address alone: a remote that was moved is to be marked again.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from p4d.artifacts import write_bytes
from p4d.errors import ConfigError, PublishError
from p4d.versioning.dvc.config import read_config

FILE = Path(".dvc", "private_remotes.yaml")


def is_private(root: Path, remote: str) -> bool:
    """Whether a remote is marked as private, at the address that it has now."""
    return remote in (marked := _read(root)) and marked[remote] == _url(root, remote)


def mark_private(root: Path, remote: str | None) -> str:
    """Mark a remote (default: DVC's default remote) as private; returns its name.

    Raises:
        PublishError: DVC has no such remote.
    """
    name = remote or read_config(root).get("core", {}).get("remote")
    url = _url(root, name) if name else None
    if not name or url is None:
        raise PublishError(f"DVC has no remote {name or 'by default'}; `dvc remote add` adds one")
    text = yaml.safe_dump({**_read(root), name: url})
    write_bytes(root / FILE, text.encode())
    return str(name)


def _url(root: Path, remote: str) -> str | None:
    url = read_config(root).get("remote", {}).get(remote, {}).get("url")
    return None if url is None else str(url)


def _read(root: Path) -> dict[str, str]:
    path = root / FILE
    loaded = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{FILE}: expected the address of each private remote under its name")
    return {str(name): str(url) for name, url in loaded.items()}
