"""The fingerprint of an artifact: everything that decides its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.ids import canonical_json
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.hashes import Digest, Tree


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the bytes of an artifact.

    Attributes:
        stage: name of the stage.
        cmd: the command line.
        params: the declared sections of params.yaml.
        code: hash of every code file, or None if it is missing.
        code_tree: the same files as the folder that dvc.lock names.
        deps: hash of every input, or None if it is missing.
    """

    stage: str
    cmd: str
    params: Mapping[str, Any]
    code: Mapping[str, Digest | None]
    code_tree: Tree
    deps: Mapping[str, Digest | None]

    @property
    def missing(self) -> list[str]:
        """Paths of code and inputs that do not exist."""
        return sorted(p for p, d in {**self.code, **self.deps}.items() if d is None)

    @property
    def params_digest(self) -> str:
        """16 hex digits that depend on the parameters alone."""
        return digest_of(self.params)

    def differences(
        self, other: LockEntry, other_code: Mapping[str, Digest | None] | None = None
    ) -> list[str]:
        """How a recorded entry differs from this, one readable reason each; empty if equal.

        Args:
            other: the entry.
            other_code: the files of its code, if they are known: reasons then name files.
        """
        reasons = []
        if other.cmd != self.cmd:
            reasons.append("command changed")
        for name in _changed_keys(dict(other.params), dict(self.params)):
            reasons.append(f"params changed: {name}")
        recorded = dict(other.deps)
        folder = code_folder.path_of(self.stage)
        was = recorded.pop(folder, None)
        gone: list[str] = []
        if was != self.code_tree.digest or None in self.code.values():
            if was is None or other_code is None:
                now = {**self.code, folder: self.code_tree.digest}
                before = {path: digest for path, digest in self.code.items() if digest}
                before |= {folder: was} if was is not None else {}
            else:
                now, before = dict(self.code), {p: d for p, d in other_code.items() if d}
            changes, gone = _changed_files("code", now, before)
            reasons += changes
        changes, others = _changed_files("input", self.deps, recorded)
        return [*reasons, *changes, *(f"no longer read: {path}" for path in [*gone, *others])]

    def to_entry(self, outs: Mapping[str, Digest]) -> LockEntry:
        """The entry of dvc.lock for an artifact that was made of this."""
        deps = {path: digest for path, digest in self.deps.items() if digest is not None}
        deps[code_folder.path_of(self.stage)] = self.code_tree.digest
        return LockEntry(cmd=self.cmd, deps=deps, params=self.params, outs=outs)


def digest_of(value: object) -> str:
    """16 hex digits of the SHA-256 of a value as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def _changed_files(
    kind: str, now: Mapping[str, Digest | None], recorded: Mapping[str, Digest]
) -> tuple[list[str], list[str]]:
    """What changed of some files, one reason each; and those that are recorded alone."""
    reasons = []
    for path, digest in now.items():
        was = recorded.get(path)
        if digest is None:
            reasons.append(f"{kind} missing: {path}")
        elif was is None:
            reasons.append(f"{kind} added: {path}")
        elif was.md5 != digest.md5:
            reasons.append(f"{kind} changed: {path}")
    return reasons, [path for path in recorded if path not in now]


def _changed_keys(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            changed += _changed_keys(was, now, f"{prefix}{key}.")
        elif was != now or (key in old) != (key in new):
            changed.append(f"{prefix}{key}")
    return changed
