"""The Jinja2 environment of all pages."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).resolve().parent.parent
"""Templates are named by their path below the package, e.g. `review/gallery.html.j2`."""


def render(template: str, **values: object) -> str:
    """Render a template; every value is escaped.

    Args:
        template: path below `p4d/`.
        values: what the template reads; a name that it reads and that is not given raises.
    """
    return _environment().get_template(template).render(**values)


def render_inline(template: str, **values: object) -> Markup:
    """Render a template whose result goes into another one, e.g. an SVG."""
    return Markup(render(template, **values))


def data_uri(payload: bytes, kind: str) -> str:
    """Bytes as a `data:` URI.

    Args:
        payload: the file.
        kind: its media type, e.g. `image/png`.
    """
    return f"data:{kind};base64,{base64.b64encode(payload).decode()}"


def plain(value: object) -> str:
    """A value of the ledger or of a table as one line of text."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return str(value)


def count(number: int, word: str) -> str:
    """`1 video`, `2 videos`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def size(nbytes: float) -> str:
    """A number of bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"


def grouped(number: int) -> str:
    """`12 345`: digits in groups of three, by narrow spaces."""
    return f"{number:,}".replace(",", "\u202f")


def _number(value: float, spec: str) -> str:
    return format(value, spec)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": count,
        "grouped": grouped,
        "number": _number,
        "plain": plain,
        "size": size,
    }
    return environment
