"""Checks and conversion that the sections of params.yaml share."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from p4d.errors import ConfigError

Section = TypeVar("Section")


def check(condition: bool, section: object, message: str) -> None:
    """Raise `ConfigError` with the section's name unless the condition holds."""
    if not condition:
        raise ConfigError(f"params.yaml, section {section_name(type(section))}: {message}")


def check_at_least_1(section: object, *names: str) -> None:
    """Check that each named value is at least 1."""
    for name in names:
        value = getattr(section, name)
        check(value >= 1, section, f"{name} must be at least 1, got {value}")


def check_seed(section: object, seed: int) -> None:
    """Check that a seed lies in `[0, 2^63)`."""
    # The range that every generator takes: torch wants 64 bits, numpy no negative numbers.
    check(0 <= seed < 2**63, section, f"seed must be in [0, 2^63), got {seed}")


def section_name(kind: type) -> str:
    """Name of the section in params.yaml: `ClipsParams` gives `clips`."""
    return kind.__name__.removesuffix("Params").lower()


def check_names(
    where: str, what: str, given: Mapping[str, Any], known: Mapping[str, object]
) -> None:
    """Check that exactly the known names are given."""
    unknown, missing = sorted(set(given) - set(known)), sorted(set(known) - set(given))
    if unknown:
        raise ConfigError(f"{where}: unknown {what} {unknown}; known are {sorted(known)}")
    if missing:
        raise ConfigError(f"{where}: missing {what} {missing}")


RENAMED_KEYS: Mapping[str, str] = {
    "distillation.look_steps": "probe_steps",
}
"""New names of keys of earlier versions, by section and key."""


def _check_renamed(name: str, raw: Mapping[str, Any]) -> None:
    for key in raw:
        if new := RENAMED_KEYS.get(f"{name}.{key}"):
            raise ConfigError(f"params.yaml, section {name}: {key} is now called {new}; rename it")


def build_section(name: str, kind: type[Section], raw: object) -> Section:
    """Build one section from its mapping; keys that have a default may be left out.

    Raises:
        ConfigError: a key is missing, unknown, renamed or mistyped, or a value is out of range.
    """
    if isinstance(raw, Mapping):
        _check_renamed(name, raw)
    return _build(f"section {name}", name, kind, raw)


def _build(where: str, prefix: str, kind: type[Section], raw: object) -> Section:
    """Build a section or a named entry of one; `prefix` precedes the names of its keys."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"params.yaml, {where}: expected keys and values, got {raw!r}")
    hints = _hints_of(typing.cast(type, kind))
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    optional = {one.name for one in fields if one.default is not dataclasses.MISSING}
    check_names(f"params.yaml, {where}", "key", {**dict.fromkeys(optional), **raw}, hints)
    given = {key: hint for key, hint in hints.items() if key in raw}
    return kind(**{key: _convert(f"{prefix}.{key}", hint, raw[key]) for key, hint in given.items()})


@functools.cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    """Types of the keys of a section, which are text until they are evaluated."""
    return typing.get_type_hints(kind)


def _convert(where: str, hint: Any, value: object) -> object:  # noqa: ANN401
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(f"params.yaml, {where}: expected names and values, got {value!r}")
        inner = typing.get_args(hint)[1]
        return {name: _convert(f"{where}.{name}", inner, each) for name, each in value.items()}
    if dataclasses.is_dataclass(hint):
        return _build(where, where, typing.cast(type, hint), value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"params.yaml, {where}: expected a list, got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(where, inner, item) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"params.yaml, {where}: expected a finite number, got {value}")
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"params.yaml, {where}: expected {hint.__name__}, got {value!r}")
    return value
