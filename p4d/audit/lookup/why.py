"""What stands behind an answer, a number or an artifact: a tree down to the source files.

Read from the ledger, dvc.lock and the artifacts' own tables, following the exact versions that were
read, so a superseded thing is explained by what it was made of and not by what lies there now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from p4d.audit.lookup.resolve import Named, Names
from p4d.project import Project
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import Workspace

SHOWN_SHARDS = 2
"""So many shards of one stage are spelled out in text; the JSON has them all."""

_DETAILS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "options", "answer", "answer_text", "category", "family", "template",
                 "margin_sigma"),
    "fact": ("kind", "value", "value_text", "unit", "sigma", "frame", "start_ns", "end_ns",
             "method", "scale_kind", "teacher", "teacher_digest"),
    "region": ("clip_id", "mark", "name", "source", "area_px", "visible_frames", "outcome"),
    "clip": ("start_ns", "end_ns", "has_truth", "scale_kind", "outcome", "reason"),
    "video": ("name", "sha256", "licence", "source", "duration_ns", "has_truth", "outcome",
              "reason"),
    "decision": ("decision", "order", "reasons", "compared_with", "rule", "evidence"),
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One thing and what it was made from.

    Attributes:
        id: a content id, a path, or `stage` or `stage@shard`.
        kind: question, fact, region, clip, video, label, number, decision, file, stage or artifact.
        detail: what the thing says.
        version: of the artifact that is or holds it: `artifact`, `md5`, `at`, its maker
            (`code_version`, `params_digest`, git `commit`, `dirty`, `run_id`), `checks` that judged
            exactly this version (by name: passed, blocking, at), `restore` (the command that brings
            it back) and, where it is not current, `superseded_by`.
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
        """An indented tree: each thing, and below it who made it, its checks and how to restore."""
        return "\n".join(_lines(self, "", ""))


def why(project: Project, identifier: str, at: str | None = None) -> Node:
    """The tree of what stands behind an id; `p4d.audit.lookup.resolve` lists the forms of ids.

    Args:
        project: where.
        identifier: what to explain.
        at: first digits of the md5 of the version wanted; default: the current one, or where that
            does not hold the id, the last that did.

    Raises:
        LedgerError: nothing on record goes by that name.
    """
    with Workspace(project) as look:
        return _Explainer(look).explain(identifier, at)


class _Explainer:
    """Walks from a thing to what it was made from; each artifact is expanded once."""

    def __init__(self, look: Workspace) -> None:
        self._look = look
        self._history = Ledger(look.project).index()
        self._names = Names(look, self._history)
        self._expanded: set[ArtifactVersion] = set()
        self._current: dict[ArtifactKey, str | None] = {}

    def explain(self, identifier: str, at: str | None) -> Node:
        named = self._names.find(identifier, at)
        readers = {
            "stage": self._stage,
            "artifact": self._whole,
            "question": self._question,
            "fact": self._fact,
            "region": self._region,
            "clip": self._clip,
            "video": self._video,
            "label": self._label,
            "decision": self._decision,
        }
        return readers.get(named.kind, self._part)(named)

    # --- artifacts ----------------------------------------------------------------------------

    def _stage(self, named: Named) -> Node:
        name = named.version.key.stage
        keys = self._look.keys_of(self._look.stage(name))
        parts = tuple(self._artifact(ArtifactVersion(key, "")) for key in keys)
        return Node(name, "stage", {"shards": len(parts)}, {}, parts)

    def _whole(self, named: Named) -> Node:
        return self._artifact(named.version)

    def _artifact(self, version: ArtifactVersion) -> Node:
        """A version (an md5 of "": the current one) and, recursively, what it was made from."""
        key = str(version.key)
        version = ArtifactVersion(version.key, version.md5 or self._current_md5(version.key) or "")
        if not version.md5:
            return Node(key, "artifact", {"note": "never made"})
        record = self._history.record(version)
        about = self._about(version)
        if record is None:
            return Node(key, "artifact", {"note": "not in the ledger"}, about)
        detail = {k: record[k] for k in ("rows", "metrics", "excluded", "weights") if record[k]}
        if version in self._expanded:
            return Node(key, "artifact", {}, about, repeated=bool(record["upstream"]))
        self._expanded.add(version)
        children = [self._artifact(read) for read in ArtifactVersion.read_by(record)]
        if not record["upstream"]:
            children += self._files_read(record["fingerprint"]["deps"])
        return Node(key, "artifact", detail, about, tuple(children))

    def _files_read(self, deps: Mapping[str, str]) -> list[Node]:
        """What a stage without upstream stages read: the manifest of its shard."""
        return [Node(path, "file", {"md5": md5}) for path, md5 in deps.items()]

    def _current_md5(self, key: ArtifactKey) -> str | None:
        if key not in self._current:
            known = key.stage in self._look.by_name
            self._current[key] = self._names.current(key) if known else None
        return self._current[key]

    def _about(self, version: ArtifactVersion) -> dict[str, Any]:
        key, md5 = version.key, version.md5
        about: dict[str, Any] = {"artifact": str(key), "md5": md5}
        record = self._history.record(version)
        if record is not None:
            about |= {
                "code_version": record["code_version"],
                "params_digest": record["fingerprint"]["params_digest"],
                "commit": record["git"]["commit"],
                "dirty": record["git"]["dirty"],
                "run_id": record["run_id"],
                "at": record["at"],
                "ledger_line": self._history.line[record["id"]],
            }
        checks = self._history.checks(version)
        if checks:
            about["checks"] = {
                name: {"passed": c["passed"], "blocking": c.get("blocking", False), "at": c["at"]}
                for name, c in sorted(checks.items())
            }
        about["restore"] = f"p4d restore {key} DEST --at {md5[:12]}"
        current = self._current_md5(key)
        if current != md5:
            about["superseded_by"] = current
        return about

    # --- rows ---------------------------------------------------------------------------------

    def _part(self, named: Named) -> Node:
        return self._node(named, [self._artifact(named.version)])

    def _question(self, named: Named) -> Node:
        row = named.row
        facts = self._read(named, "facts", "fact", row.get("fact_ids") or [])
        children = [self._fact(fact) for fact in facts]
        shown = {node.id for child in children for node in child.children}
        others = [r for r in row.get("region_ids") or [] if r not in shown]
        children += [self._region(r) for r in self._read(named, "regions", "region", others)]
        children += [
            self._clip(clip) for clip in self._read(named, "clips", "clip", [row["clip_id"]])
        ]
        return self._node(named, [*children, self._artifact(named.version)])

    def _fact(self, named: Named) -> Node:
        regions = self._read(named, "regions", "region", named.row.get("region_ids") or [])
        children = [self._region(region) for region in regions]
        return self._node(named, [*children, self._artifact(named.version)])

    def _region(self, named: Named) -> Node:
        return self._node(named, [self._artifact(named.version)])

    def _clip(self, named: Named) -> Node:
        videos = self._read(named, "videos", "video", [named.row["video_id"]])
        children = [self._video(video) for video in videos]
        return self._node(named, [*children, self._artifact(named.version)])

    def _video(self, named: Named) -> Node:
        children = [self._artifact(named.version)]
        if named.row.get("file"):
            path = f"{dvc_yaml.out_path(named.version.key)}/{named.row['file']}"
            here = self._names.file(named.version, named.row["file"]) is not None
            detail = {"sha256": named.row["sha256"], "present": here}
            children.insert(0, Node(path, "file", detail))
        return self._node(named, children)

    def _label(self, named: Named) -> Node:
        clips = self._read(named, "clips", "clip", [named.row["clip_id"]])
        children = [self._clip(clip) for clip in clips]
        return self._node(named, [*children, self._artifact(named.version)])

    def _decision(self, named: Named) -> Node:
        children = []
        for role, stage in (
            ("evaluation", "evaluation"),
            ("challenger", "student_p4d"),
            ("incumbent", "student_p4d"),
        ):
            md5 = named.row.get(role)
            if md5:
                node = self._artifact(ArtifactVersion(ArtifactKey(stage), bare_md5(md5)))
                children.append(
                    Node(node.id, node.kind, {"role": role, **node.detail}, node.version,
                         node.children, node.repeated)
                )  # fmt: skip
        return self._node(named, [*children, self._artifact(named.version)])

    def _read(self, reader: Named, stage: str, kind: str, ids: Sequence[str]) -> list[Named]:
        """Rows of the version of `stage` that the reader's artifact was made from."""
        version = self._upstream(reader.version, stage)
        if version is None:
            return []
        table, column = f"{stage}.parquet", f"{kind}_id"
        rows = {r[column]: r for r in self._names.rows(version, table, column, ids)}
        return [Named(i, kind, version, rows[i], table) for i in ids if i in rows]

    def _upstream(self, version: ArtifactVersion, stage: str) -> ArtifactVersion | None:
        """The version of `stage`, of the same shard, that a version derives from; nearest first."""
        level, seen = [version], {version}
        while level:
            found = []
            for each in level:
                record = self._history.record(each)
                for read in ArtifactVersion.read_by(record) if record else ():
                    if read.key == ArtifactKey(stage, version.key.shard):
                        return read
                    if read not in seen:
                        seen.add(read)
                        found.append(read)
            level = found
        return None

    def _node(self, named: Named, children: Sequence[Node]) -> Node:
        names = _DETAILS.get(named.kind, tuple(named.row))
        detail = {name: named.row[name] for name in names if named.row.get(name) is not None}
        if named.file:
            detail["file"] = named.file
        about = self._about(named.version)
        about["restore"] = f"p4d restore {named.id} DEST"
        if "superseded_by" in about:
            about["restore"] += f" --at {named.version.md5[:12]}"
        return Node(named.id, named.kind, detail, about, tuple(children))


# --- text -------------------------------------------------------------------------------------


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
    words = [node.id if node.kind == "artifact" else f"{node.kind} {node.id}"]
    if node.kind == "artifact" and "md5" in node.version:
        words.append(f"md5 {node.version['md5'][:12]}")
    elif "md5" in node.version:
        words.append(f"in {node.version['artifact']} md5 {node.version['md5'][:12]}")
    if "superseded_by" in node.version:
        words.append("SUPERSEDED")
    words += [f"{key}={_shown(value)}" for key, value in node.detail.items()]
    if node.repeated:
        words.append("(shown above)")
    return "  ".join(words)


def _about_lines(node: Node) -> Iterator[str]:
    version = node.version
    if "md5" not in version or node.repeated:
        return
    if "code_version" in version:
        commit = (version["commit"] or "none")[:10] + (" with edits" if version["dirty"] else "")
        yield (
            f"made {version['at'][:19]}Z  code {version['code_version']}  "
            f"params {version['params_digest']}  git {commit}"
        )
    checks = version.get("checks", {})
    failed = [name for name, check in checks.items() if not check["passed"]]
    words = f"checks {len(checks) - len(failed)}/{len(checks)} passed" if checks else "no checks"
    # A failed warning was shown and let through; a failed gate stops what reads the version.
    words += "".join(
        f", {'FAILED' if checks[name]['blocking'] else 'warning'} {name}" for name in failed
    )
    yield f"{words}  restore: {version['restore']}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)
