"""`p4d why`: the lineage of an answer, a number or an artifact, as a tree down to source files.

The tree follows the exact versions that were read, by the ledger, dvc.lock and the artifacts' own
tables. A superseded version is therefore explained by what it was made from, not by what is
published now. `tree.py` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from p4d.audit.lookup.lookup import Fetch, Lookup
from p4d.audit.lookup.resolve import Entity, Resolver
from p4d.audit.lookup.tree import Node
from p4d.project import Project
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5

_DETAILS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "options", "answer", "answer_text", "category", "family", "template",
                 "margin_sigma"),
    "fact": ("kind", "value", "value_text", "unit", "sigma", "frame", "start_ns", "end_ns",
             "method", "scale_kind", "teacher", "teacher_digest"),
    "region": ("clip_id", "mark", "name", "source", "area_px", "visible_frames", "outcome"),
    "clip": ("start_ns", "end_ns", "has_truth", "scale_kind", "outcome", "reason"),
    "video": ("name", "sha256", "licence", "source", "duration_ns", "has_truth", "outcome",
              "reason"),
    "external row": ("set", "file", "number", "form", "question_type", "turns", "question",
                     "answer", "licence", "source", "split", "split_reason"),
    "external medium": ("kind", "sha256", "width_px", "height_px", "frames", "duration_s",
                        "resembles", "resembles_split"),
    "decision": ("decision", "order", "reasons", "compared_with", "rule", "error_rate", "evidence"),
}  # fmt: skip


def why(
    project: Project, identifier: str, at: str | None = None, fetch: Fetch | None = None
) -> Node:
    """The lineage of an id as a tree; `p4d.audit.lookup.resolve` lists the forms of ids.

    Args:
        project: where.
        identifier: what to explain.
        at: first digits of the md5 of the wanted version; default: the current one, or if that does
            not hold the id, the last that did.
        fetch: brings files of versions that are nowhere here; see `Lookup`.

    Raises:
        LedgerError: nothing recorded has that name.
    """
    with Lookup(project, fetch) as lookup:
        return explain(lookup, Resolver(lookup).resolve(identifier, at))


def explain(lookup: Lookup, entity: Entity) -> Node:
    """The lineage of a resolved id as a tree."""
    return _Explainer(lookup).explain(entity)


class _Explainer:
    """Walks from an entity to what it was made from; each artifact is expanded once."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._index = lookup.index
        self._expanded: set[ArtifactVersion] = set()

    def explain(self, entity: Entity) -> Node:
        readers = {
            "stage": self._stage,
            "artifact": self._whole,
            "question": self._question,
            "fact": self._fact,
            "region": self._region,
            "clip": self._clip,
            "video": self._video,
            "label": self._label,
            "external row": self._external_row,
            "external medium": self._external_medium,
            "decision": self._decision,
        }
        return readers.get(entity.kind, self._part)(entity)

    # --- artifacts ----------------------------------------------------------------------------

    def _stage(self, entity: Entity) -> Node:
        name = entity.version.key.stage
        keys = self._lookup.workspace.keys_of(self._lookup.workspace.stage(name))
        parts = tuple(self._artifact(ArtifactVersion(key, "")) for key in keys)
        return Node(name, "stage", {"shards": len(parts)}, {}, parts)

    def _whole(self, entity: Entity) -> Node:
        return self._artifact(entity.version)

    def _artifact(self, version: ArtifactVersion) -> Node:
        """A version (an md5 of "": the current one) and, recursively, what it was made from."""
        key = str(version.key)
        md5 = version.md5 or self._lookup.current(version.key) or ""
        version = ArtifactVersion(version.key, md5)
        if not version.md5:
            return Node(key, "artifact", {"note": "never made"})
        record = self._index.record(version)
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

    def _about(self, version: ArtifactVersion) -> dict[str, Any]:
        key, md5 = version.key, version.md5
        about: dict[str, Any] = {"artifact": str(key), "md5": md5}
        record = self._index.record(version)
        if record is not None:
            about |= {
                "code_version": record["code_version"],
                "params_digest": record["fingerprint"]["params_digest"],
                "commit": record["git"]["commit"],
                "dirty": record["git"]["dirty"],
                "package": record.get("package"),
                "run_id": record["run_id"],
                "at": record["at"],
                "ledger_line": self._index.line[record["id"]],
            }
        checks = self._index.checks(version)
        if checks:
            about["checks"] = {
                name: {"passed": c["passed"], "blocking": c.get("blocking", False), "at": c["at"]}
                for name, c in sorted(checks.items())
            }
        about["restore"] = f"p4d restore {key} DEST --at {md5[:12]}"
        current = self._lookup.current(key)
        if current != md5:
            about["superseded_by"] = current
        return about

    # --- rows ---------------------------------------------------------------------------------

    def _part(self, entity: Entity) -> Node:
        return self._node(entity, [self._artifact(entity.version)])

    def _question(self, entity: Entity) -> Node:
        row = entity.row
        facts = self._read(entity, "facts", "fact", row.get("fact_ids") or [])
        children = [self._fact(fact) for fact in facts]
        shown = {node.id for child in children for node in child.children}
        others = [r for r in row.get("region_ids") or [] if r not in shown]
        children += [self._region(r) for r in self._read(entity, "regions", "region", others)]
        children += [
            self._clip(clip) for clip in self._read(entity, "clips", "clip", [row["clip_id"]])
        ]
        return self._node(entity, [*children, self._artifact(entity.version)])

    def _fact(self, entity: Entity) -> Node:
        regions = self._read(entity, "regions", "region", entity.row.get("region_ids") or [])
        children = [self._region(region) for region in regions]
        return self._node(entity, [*children, self._artifact(entity.version)])

    def _region(self, entity: Entity) -> Node:
        return self._node(entity, [self._artifact(entity.version)])

    def _clip(self, entity: Entity) -> Node:
        videos = self._read(entity, "videos", "video", [entity.row["video_id"]])
        children = [self._video(video) for video in videos]
        return self._node(entity, [*children, self._artifact(entity.version)])

    def _video(self, entity: Entity) -> Node:
        children = [self._artifact(entity.version)]
        if entity.row.get("file"):
            path = f"{dvc_yaml.out_path(entity.version.key)}/{entity.row['file']}"
            here = self._lookup.file(entity.version, entity.row["file"]) is not None
            detail = {"sha256": entity.row["sha256"], "present": here}
            children.insert(0, Node(path, "file", detail))
        return self._node(entity, children)

    def _label(self, entity: Entity) -> Node:
        clips = self._read(entity, "clips", "clip", [entity.row["clip_id"]])
        children = [self._clip(clip) for clip in clips]
        return self._node(entity, [*children, self._artifact(entity.version)])

    def _external_row(self, entity: Entity) -> Node:
        """An external row: its turns, its split, its media, and the set that holds it."""
        placed = self._mixed(entity, "rows.parquet", "row_id")
        row = {
            **entity.row,
            "turns": len(entity.row["questions"]),
            "question": entity.row["questions"][0],
            "answer": entity.row["answers"][0],
            **({"split": placed["split"], "split_reason": placed["reason"]} if placed else {}),
        }
        ids = list(dict.fromkeys(entity.row["media_ids"]))
        held = self._lookup.rows(entity.version, "media.parquet", "media_id", ids)
        media = [
            self._external_medium(
                Entity(each["media_id"], "external medium", entity.version, each, "media.parquet")
            )
            for each in held
        ]
        return self._node(replace(entity, row=row), [*media, self._artifact(entity.version)])

    def _external_medium(self, entity: Entity) -> Node:
        near = self._mixed(entity, "media.parquet", "media_id") or {}
        found = replace(entity, row={**entity.row, **near})
        path = f"{dvc_yaml.out_path(entity.version.key)}/{entity.row['file']}"
        here = self._lookup.file(entity.version, entity.row["file"]) is not None
        file = Node(path, "file", {"sha256": entity.row["sha256"], "present": here})
        return self._node(found, [file, self._artifact(entity.version)])

    def _mixed(self, entity: Entity, table: str, column: str) -> dict[str, Any] | None:
        """What the current mixture, if it was made from this version, holds of a row or medium."""
        key = ArtifactKey("mixture")
        md5 = self._lookup.current(key)
        version = ArtifactVersion(key, md5) if md5 else None
        record = self._index.record(version) if version else None
        if record is None or entity.version not in ArtifactVersion.read_by(record):
            return None
        assert version is not None
        rows = self._lookup.rows(version, table, column, [entity.id])
        return rows[0] if rows else None

    def _decision(self, entity: Entity) -> Node:
        children = []
        for role, stage in (
            ("evaluation", "evaluation"),
            ("challenger", "student_p4d"),
            ("incumbent", "student_p4d"),
        ):
            md5 = entity.row.get(role)
            if md5:
                node = self._artifact(ArtifactVersion(ArtifactKey(stage), bare_md5(md5)))
                children.append(
                    Node(node.id, node.kind, {"role": role, **node.detail}, node.version,
                         node.children, node.repeated)
                )  # fmt: skip
        return self._node(entity, [*children, self._artifact(entity.version)])

    def _read(self, reader: Entity, stage: str, kind: str, ids: Sequence[str]) -> list[Entity]:
        """Rows of the version of `stage` that the reader's artifact was made from."""
        version = self._lookup.upstream(reader.version, stage)
        if version is None:
            return []
        table, column = f"{stage}.parquet", f"{kind}_id"
        rows = {r[column]: r for r in self._lookup.rows(version, table, column, ids)}
        return [Entity(i, kind, version, rows[i], table) for i in ids if i in rows]

    def _node(self, entity: Entity, children: Sequence[Node]) -> Node:
        names = _DETAILS.get(entity.kind, tuple(entity.row))
        detail = {name: entity.row[name] for name in names if entity.row.get(name) is not None}
        if entity.file:
            detail["file"] = entity.file
        about = self._about(entity.version)
        about["restore"] = f"p4d restore {entity.id} DEST"
        if "superseded_by" in about:
            about["restore"] += f" --at {entity.version.md5[:12]}"
        return Node(entity.id, entity.kind, detail, about, tuple(children))
