"""The tree that `p4d why` returns, as JSON and as text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from p4d.foreign_text import one_line

SHOWN_SHARDS = 2
"""Shards per stage that the text shows; the JSON has all of them."""


@dataclass(frozen=True)
class Node:
    """One entity and what it was made from.

    Attributes:
        id: a content id, a path, or `stage` or `stage@shard`.
        kind: question, fact, region, clip, video, label, number, decision, file, stage or artifact.
        detail: values of the entity.
        version: of the artifact that is or holds it: `artifact`, `md5`, `at`, its maker
            (`code_version`, `params_digest`, git `commit`, `dirty`, `package`, `run_id`), `checks`
            of exactly this version (by name: passed, blocking, at), `restore` (the command that
            restores it) and, if it is not current, `superseded_by`.
        children: what it was made from.
        repeated: whether it is shown in full earlier in the tree; its children are left out here.
    """

    id: str
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    version: Mapping[str, Any] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    repeated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `json.dumps`."""
        found: dict[str, Any] = {"id": self.id, "kind": self.kind}
        if self.detail:
            found["detail"] = dict(self.detail)
        if self.version:
            found["version"] = dict(self.version)
        if self.repeated:
            found["repeated"] = True
        if self.children:
            found["children"] = [child.to_json() for child in self.children]
        return found

    def render_text(self) -> str:
        """The tree, indented: each node with its maker, its checks and its restore command."""
        return "\n".join(_lines(self, "", ""))

    def walk(self) -> Iterator[Node]:
        """The node and all nodes below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def _lines(node: Node, head: str, tail: str) -> Iterator[str]:
    """The lines of a tree; `head` precedes the first line and `tail` the others."""
    yield head + _headline(node)
    shown: list[Node | str] = []
    per_stage: dict[str, int] = defaultdict(int)
    for child in node.children:
        stage, _, shard = child.id.partition("@")
        per_stage[stage] += bool(shard)
        if per_stage[stage] <= SHOWN_SHARDS:
            shown.append(child)
    for stage, count in per_stage.items():
        if count > SHOWN_SHARDS:
            shown.append(f"and {count - SHOWN_SHARDS} more shards of {stage}")
    margin = tail + ("|    " if shown else "     ")
    for line in _about_lines(node):
        yield margin + line
    for place, item in enumerate(shown):
        last = place == len(shown) - 1
        branch, below = ("`- ", "   ") if last else ("|- ", "|  ")
        if isinstance(item, str):
            yield f"{tail}{branch}{item}"
        else:
            yield from _lines(item, tail + branch, tail + below)


def _headline(node: Node) -> str:
    name = one_line(node.id)
    words = [name if node.kind == "artifact" else f"{node.kind} {name}"]
    if node.kind == "artifact" and "md5" in node.version:
        words.append(f"md5 {node.version['md5'][:12]}")
    elif "md5" in node.version:
        words.append(f"in {node.version['artifact']} md5 {node.version['md5'][:12]}")
    if "superseded_by" in node.version:
        words.append("SUPERSEDED")
    words += [f"{key}={_value_text(value)}" for key, value in node.detail.items()]
    if node.repeated:
        words.append("(shown above)")
    return "  ".join(words)


def _package_text(package: Mapping[str, Any] | None) -> str:
    """The package that made a version: its number, and the digest if it was installed."""
    if package is None:  # recorded by version 0.1
        return ""
    return f"  p4d {package['version']} {(package['distribution'] or '')[:19]}".rstrip()


def _about_lines(node: Node) -> Iterator[str]:
    version = node.version
    if "md5" not in version or node.repeated:
        return
    if "code_version" in version:
        commit = (version["commit"] or "none")[:10] + (" with edits" if version["dirty"] else "")
        yield (
            f"made {version['at'][:19]}Z  code {version['code_version']}  "
            f"params {version['params_digest']}  git {commit}{_package_text(version['package'])}"
        )
    checks = version.get("checks", {})
    failed = [name for name, check in checks.items() if not check["passed"]]
    words = f"checks {len(checks) - len(failed)}/{len(checks)} passed" if checks else "no checks"
    # A failed warning blocks nothing; a failed blocking check keeps the version from being read.
    words += "".join(
        f", {'FAILED' if checks[name]['blocking'] else 'warning'} {name}" for name in failed
    )
    yield f"{words}  restore: {version['restore']}"


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{one_line(k)}: {_value_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value_text, value)) + "]"
    return one_line(value)
