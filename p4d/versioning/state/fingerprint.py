"""The fingerprint of an artifact: everything that decides its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.ids import canonical_json
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.hashes import Digest


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the bytes of an artifact.

    Attributes:
        cmd: the command line.
        params: the declared sections of params.yaml.
        code: hash of every code file, or None if it is missing.
        deps: hash of every input, or None if it is missing.
    """

    cmd: str
    params: Mapping[str, Any]
    code: Mapping[str, Digest | None]
    deps: Mapping[str, Digest | None]

    @property
    def missing(self) -> list[str]:
        """Paths of code and inputs that do not exist."""
        return sorted(p for p, d in {**self.code, **self.deps}.items() if d is None)

    @property
    def params_digest(self) -> str:
        """16 hex digits that depend on the parameters alone."""
        return digest_of(self.params)

    def differences(self, other: LockEntry) -> list[str]:
        """How a recorded entry differs from this, one readable reason each; empty if equal."""
        reasons = []
        if other.cmd != self.cmd:
            reasons.append("command changed")
        for name in _changed_keys(dict(other.params), dict(self.params)):
            reasons.append(f"params changed: {name}")
        recorded = dict(other.deps)
        for kind, now in (("code", self.code), ("input", self.deps)):
            for path, digest in now.items():
                was = recorded.pop(path, None)
                if digest is None:
                    reasons.append(f"{kind} missing: {path}")
                elif was is None:
                    reasons.append(f"{kind} added: {path}")
                elif was.md5 != digest.md5:
                    reasons.append(f"{kind} changed: {path}")
        reasons += [f"no longer read: {path}" for path in recorded]
        return reasons

    def to_entry(self, outs: Mapping[str, Digest]) -> LockEntry:
        """The entry of dvc.lock for an artifact that was made of this."""
        deps = {p: d for p, d in {**self.code, **self.deps}.items() if d is not None}
        return LockEntry(cmd=self.cmd, deps=deps, params=self.params, outs=outs)


def digest_of(value: object) -> str:
    """16 hex digits of the SHA-256 of a value as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def _changed_keys(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            changed += _changed_keys(was, now, f"{prefix}{key}.")
        elif was != now or (key in old) != (key in new):
            changed.append(f"{prefix}{key}")
    return changed
