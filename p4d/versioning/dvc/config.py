"""Reads DVC's configuration (`.dvc/config` and `.dvc/config.local`) without importing DVC."""

from __future__ import annotations

import configparser
from pathlib import Path


def cache_dir(root: Path) -> Path:
    """The folder of cache objects, with `cache.dir` of the configuration applied."""
    configured = _read(root).get("cache", "dir", fallback="cache").strip("'\"")
    return root / ".dvc" / configured / "files" / "md5"


def remote_urls(root: Path) -> list[str]:
    """URLs of all configured remotes."""
    parser = _read(root)
    return [
        parser.get(section, "url")
        for section in parser.sections()
        if section.strip("'").startswith('remote "') and parser.has_option(section, "url")
    ]


def _read(root: Path) -> configparser.ConfigParser:
    folder = root / ".dvc"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([folder / "config", folder / "config.local"], encoding="utf-8")
    return parser
