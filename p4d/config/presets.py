"""Presets: files with some keys of params.yaml, such as `configs/paper.yaml`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from p4d.errors import ConfigError


def read_preset(path: Path) -> dict[str, dict[str, Any]]:
    """The sections of a preset.

    Raises:
        ConfigError: it is no YAML of sections with keys.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no preset ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise ConfigError(f"{path} is no preset: it must hold sections of params.yaml with keys")
    return found


def with_preset(
    raw: Mapping[str, Any], preset: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The raw parameters with the keys of a preset.

    Raises:
        ConfigError: the preset names a section or key that params.yaml does not have.
    """
    changed = copy.deepcopy(dict(raw))
    for section, values in preset.items():
        for key, value in values.items():
            if key not in changed.get(section, {}):
                raise ConfigError(f"preset: params.yaml has no {section}.{key}")
            changed[section][key] = copy.deepcopy(value)
    return changed


def edited(text: str, preset: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of params.yaml with the values of a preset; comments stay.

    Raises:
        ConfigError: a key is not on one line of its own in its section.
    """
    lines, section, left = text.splitlines(), "", {k: dict(v) for k, v in preset.items()}
    for number, line in enumerate(lines):
        if head := re.match(r"(\w+):", line):
            section = head[1]
        entry = re.match(r"  (\w+): *([^#]*?)( *#.*)?$", line)
        if entry and entry[1] in left.get(section, {}):
            value = left[section].pop(entry[1])
            shown = yaml.safe_dump([value], default_flow_style=True, width=1000).strip()[1:-1]
            lines[number] = f"  {entry[1]}: {shown}{entry[3] or ''}"
    rest = [f"{name}.{key}" for name, values in left.items() for key in values]
    if rest:
        raise ConfigError(f"params.yaml has no line for {', '.join(rest)}")
    return "\n".join(lines) + "\n"
