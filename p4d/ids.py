"""Content ids and seeds: equal content gives equal ids on every machine.

An id is a type prefix and 16 hex digits of a SHA-256 over canonical JSON. A seed is derived from
ids and a purpose, never from a clock, a counter or a global generator.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

Scalar = str | int | float | bool | None


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_id(prefix: str, *parts: object) -> str:
    """`prefix_` and 16 hex digits that depend on `parts` alone.

    Parts are JSON values. The caller should round floats, because their text is hashed.
    """
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()
    return f"{prefix}_{digest[:16]}"


def seed_for(*parts: Scalar) -> int:
    """A 63-bit seed from ids and a purpose, for `numpy.random.default_rng` or `torch.Generator`."""
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def video_id(sha256: str) -> str:
    """The id of a source video: `vid_` and the first 16 digits of its SHA-256."""
    return f"vid_{sha256[:16]}"
