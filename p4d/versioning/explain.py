"""What stands behind an answer, a number or an artifact: a tree down to the source files.

Read from the ledger, dvc.lock and the artifacts' own tables.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p4d.config import Project
from p4d.errors import LedgerError
from p4d.pipeline import STAGES, Stage
from p4d.versioning import dvc_yaml
from p4d.versioning.fingerprint import Workspace, instance_key
from p4d.versioning.ledger import Ledger, Record, bare

SHOWN_SHARDS = 2
"""So many shards of one stage are spelled out in text; the JSON has them all."""


@dataclass(frozen=True)
class Node:
    """One thing and what it was made from.

    Attributes:
        id: a content id, or `stage` or `stage@shard`.
        kind: question, fact, region, clip, video, file or artifact.
        detail: what the thing says.
        version: of the artifact that is or holds it: instance, md5, code_version, params_digest,
            git commit and dirty, run_id, checks.
        children: what it was made from.
        repeated: shown in full earlier in the tree; its children are left out here.
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
        """An indented tree, one thing per line."""
        return "\n".join(_lines(self, "", ""))


def why(project: Project, identifier: str, stages: Sequence[Stage] = STAGES) -> Node:
    """The tree of what stands behind an id.

    Args:
        project: where.
        identifier: an id starting with qa_, fact_, reg_, clip_ or vid_; a stage or
            `stage@shard`; an md5; or a path below data/.
        stages: the whole pipeline.

    Raises:
        LedgerError: nothing published goes by that name.
    """
    with Workspace(project, stages) as look:
        return _Explainer(look).explain(identifier)


_TABLES = {
    "qa": ("questions", "qa_id"),
    "fact": ("facts", "fact_id"),
    "reg": ("regions", "region_id"),
    "clip": ("clips", "clip_id"),
    "vid": ("videos", "video_id"),
}


class _Explainer:
    """Walks from a thing to what it was made from; each artifact is expanded once."""

    def __init__(self, look: Workspace) -> None:
        self._look = look
        self._ledger = Ledger(look.project)
        self._expanded: set[tuple[str, str]] = set()

    def explain(self, identifier: str) -> Node:
        readers = {
            "qa": self._question,
            "fact": self._fact,
            "reg": self._region,
            "clip": self._clip,
            "vid": self._video,
        }
        prefix = identifier.partition("_")[0]
        if prefix in readers and identifier.partition("@")[0] not in self._look.by_name:
            node = readers[prefix](identifier)
            if node is None:
                near = difflib.get_close_matches(identifier, self._known(prefix), cutoff=0.8)
                hint = f"; near: {', '.join(near)}" if near else ""
                raise LedgerError(f"{identifier} is in no published table{hint}")
            return node
        if identifier.startswith("data/"):
            return self._path(identifier)
        name, _, shard = identifier.partition("@")
        if name in self._look.by_name:
            stage = self._look.by_name[name]
            if stage.per_shard and not shard:
                parts = tuple(self._artifact(name, each, None) for each in self._look.shards)
                return Node(name, "artifact", {"shards": len(parts)}, {}, parts)
            self._look.check_instance(stage, shard or None)
            return self._artifact(name, shard or None, None)
        if re.fullmatch(r"(md5:)?[0-9a-f]{6,32}(\.dir)?", identifier):
            found = self._ledger.materializations_of(identifier)
            if found:
                return self._artifact(found[-1]["stage"], found[-1]["shard"], found[-1]["md5"])
        raise LedgerError(
            f"{identifier} is no id (qa_, fact_, reg_, clip_, vid_), stage, stage@shard or md5 "
            f"on record; stages: {', '.join(self._look.by_name)}"
        )

    def _artifact(self, stage: str, shard: str | None, md5: str | None) -> Node:
        """One version of an instance (None: the current one) and, recursively, its inputs."""
        key = instance_key(stage, shard)
        current = self._look.recorded_md5(stage, shard)
        md5 = md5 or current
        if md5 is None:
            return Node(key, "artifact", {"note": "never made"})
        record = self._ledger.latest_materialization(stage, shard, md5)
        version = self._version(stage, shard, md5, record)
        if current != md5:
            version = {**version, "superseded_by": current}
        if record is None:
            return Node(key, "artifact", {"note": "not in the ledger"}, version)
        detail = {k: record[k] for k in ("rows", "metrics", "excluded", "weights") if record[k]}
        if (key, md5) in self._expanded:
            return Node(key, "artifact", {}, version, repeated=bool(record["upstream"]))
        self._expanded.add((key, md5))
        children = []
        for upstream, of in record["upstream"].items():
            name, _, of_shard = upstream.partition("@")
            children.append(self._artifact(name, of_shard or None, bare(of)))
        return Node(key, "artifact", detail, version, tuple(children))

    def _version(
        self, stage: str, shard: str | None, md5: str, record: Record | None
    ) -> dict[str, Any]:
        version: dict[str, Any] = {"artifact": instance_key(stage, shard), "md5": md5}
        if record is not None:
            version |= {
                "code_version": record["code_version"],
                "params_digest": record["fingerprint"]["params_digest"],
                "commit": record["git"]["commit"],
                "dirty": record["git"]["dirty"],
                "run_id": record["run_id"],
                "at": record["at"],
            }
        checks = self._ledger.checks_for(md5, stage, shard)
        if checks:
            version["checks"] = {name: check["passed"] for name, check in checks.items()}
        return version

    def _current(self, stage: str, shard: str | None) -> dict[str, Any]:
        md5 = self._look.recorded_md5(stage, shard)
        if md5 is None:
            return {"artifact": instance_key(stage, shard)}
        record = self._ledger.latest_materialization(stage, shard, md5)
        return self._version(stage, shard, md5, record)

    def _path(self, path: str) -> Node:
        _, *parts = Path(path).parts
        if not parts:
            raise LedgerError("data/ holds one folder per stage; name one of them")
        stage = self._look.stage(parts[0])
        if stage.per_shard and len(parts) == 1:
            return self.explain(stage.name)
        shard = parts[1] if stage.per_shard else None
        self._look.check_instance(stage, shard)
        return self._artifact(stage.name, shard, None)

    def _rows(self, stage: str, table: str, column: str, value: str) -> Iterator[tuple[str, Any]]:
        """Rows of a per-shard table with `column == value`, as (shard, row)."""
        import polars as pl

        for shard in self._look.shards:
            path = self._look.project.data / stage / shard / f"{table}.parquet"
            if path.is_file():
                found = pl.read_parquet(path).filter(pl.col(column) == value)
                yield from ((shard, row) for row in found.iter_rows(named=True))

    def _known(self, prefix: str) -> list[str]:
        """All published ids of one kind."""
        import polars as pl

        stage, column = _TABLES[prefix]
        paths = [
            self._look.project.data / stage / shard / f"{stage}.parquet"
            for shard in self._look.shards
        ]
        return [
            str(value)
            for path in paths
            if path.is_file()
            for value in pl.read_parquet(path, columns=[column])[column]
        ]

    def _first(self, stage: str, table: str, column: str, value: str) -> tuple[str, Any] | None:
        return next(self._rows(stage, table, column, value), None)

    def _question(self, qa_id: str) -> Node | None:
        found = self._first("questions", "questions", "qa_id", qa_id)
        if found is None:
            return None
        shard, row = found
        names = ("question", "options", "answer", "answer_text", "category", "family", "template",
                 "margin_sigma")  # fmt: skip
        children = [self._fact(fact) for fact in row.get("fact_ids") or []]
        children += [
            self._region(region)
            for region in row.get("region_ids") or []
            if not any(child and region in _ids(child) for child in children)
        ]
        children += [self._clip(row["clip_id"]), self._made_by("questions", shard)]
        return self._node(qa_id, "question", row, names, "questions", shard, children)

    def _fact(self, fact_id: str) -> Node | None:
        found = self._first("facts", "facts", "fact_id", fact_id)
        if found is None:
            return None
        shard, row = found
        names = ("kind", "value", "value_text", "unit", "sigma", "frame", "start_ns", "end_ns",
                 "method", "scale_kind", "teacher", "teacher_digest")  # fmt: skip
        children = [self._region(region) for region in row.get("region_ids") or []]
        children.append(self._made_by("facts", shard))
        return self._node(fact_id, "fact", row, names, "facts", shard, children)

    def _region(self, region_id: str) -> Node | None:
        found = self._first("regions", "regions", "region_id", region_id)
        if found is None:
            return None
        shard, row = found
        names = ("clip_id", "mark", "name", "source", "area_px", "visible_frames", "outcome")
        return self._node(
            region_id, "region", row, names, "regions", shard, [self._made_by("regions", shard)]
        )

    def _clip(self, clip_id: str) -> Node | None:
        found = self._first("clips", "clips", "clip_id", clip_id)
        if found is None:
            return None
        shard, row = found
        names = ("start_ns", "end_ns", "has_truth", "scale_kind", "outcome", "reason")
        children = [self._video(row["video_id"]), self._made_by("clips", shard)]
        return self._node(clip_id, "clip", row, names, "clips", shard, children)

    def _video(self, video_id: str) -> Node | None:
        found = self._first("videos", "videos", "video_id", video_id)
        if found is None:
            return None
        shard, row = found
        names = ("name", "sha256", "licence", "source", "duration_ns", "has_truth", "outcome")
        children = [self._made_by("videos", shard)]
        if row.get("file"):
            path = f"{dvc_yaml.out_path(self._look.by_name['videos'], shard)}/{row['file']}"
            present = (self._look.project.root / path).is_file()
            children.insert(0, Node(path, "file", {"sha256": row["sha256"], "present": present}))
        return self._node(video_id, "video", row, names, "videos", shard, children)

    def _made_by(self, stage: str, shard: str) -> Node:
        return self._artifact(stage, shard, None)

    def _node(
        self,
        identifier: str,
        kind: str,
        row: Mapping[str, Any],
        names: Sequence[str],
        stage: str,
        shard: str,
        children: Sequence[Node | None],
    ) -> Node:
        detail = {name: row[name] for name in names if row.get(name) is not None}
        kept = tuple(child for child in children if child is not None)
        return Node(identifier, kind, detail, self._current(stage, shard), kept)


def _ids(node: Node) -> set[str]:
    return {node.id}.union(*(_ids(child) for child in node.children))


def _lines(node: Node, head: str, tail: str) -> Iterator[str]:
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
    for place, item in enumerate(shown):
        last = place == len(shown) - 1
        branch, below = ("`- ", "   ") if last else ("|- ", "|  ")
        if isinstance(item, str):
            yield f"{tail}{branch}{item}"
        else:
            yield from _lines(item, tail + branch, tail + below)


def _headline(node: Node) -> str:
    words = [node.id if node.kind == "artifact" else f"{node.kind} {node.id}"]
    words += [f"{key}={_shown(value)}" for key, value in node.detail.items()]
    version = node.version
    if node.kind == "artifact" and "md5" in version:
        words.append(f"md5 {version['md5'][:12]}")
        if "code_version" in version:
            commit = (version["commit"] or "no commit")[:10] + (
                "+edits" if version["dirty"] else ""
            )
            words.append(f"code {version['code_version']} params {version['params_digest']}")
            words.append(f"git {commit}")
        checks = version.get("checks", {})
        if checks:
            failed = [name for name, passed in checks.items() if not passed]
            words.append(f"checks {len(checks) - len(failed)}/{len(checks)} passed")
            words += [f"FAILED {name}" for name in failed]
        if "superseded_by" in version:
            words.append("SUPERSEDED")
    if node.repeated:
        words.append("(shown above)")
    return "  ".join(words)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    return str(value)
