"""Resolves an id to a row, a number or a decision, and to the exact version that holds it.

An id is that of a row (`qa_ fact_ reg_ clip_ vid_`; external rows and media: `ext_ med_`), of a
label (`label:CLIP/TEACHER`), of a number (`evaluation:p4d/Counting`, `expert:depth/absrel`: any
number in a JSON file of a stage), of a release (`rel_`), of a decision (`decision_`) or of an
export (`export_ID`, and `export_ID/qa_ID` for one of its rows); or it is a stage, `stage@shard`, a
hash, or a path below data/. It resolves to the current version if that holds the id, else to the
last one that did; a row of an export to the version that the export read.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p4d.audit.lookup.id_index import KINDS, IdIndex
from p4d.audit.lookup.lookup import Lookup
from p4d.errors import LedgerError
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5

FORMS = (
    "qa_, fact_, reg_, clip_, vid_, ext_, med_, rel_ or decision_ ids, label:CLIP/TEACHER, "
    "evaluation:ARM/CATEGORY, export_ID or export_ID/qa_ID, a stage, stage@shard, an md5, "
    "a path below data/"
)


@dataclass(frozen=True)
class Entity:
    """What an id names.

    Attributes:
        id: as given, completed.
        kind: stage, artifact, question, fact, region, clip, video, external row, external medium,
            label, number, release, decision or export.
        version: the version that is or holds it; its md5 is "" if it was never made.
        row: the row, number or decision itself.
        file: the file of the version that holds it; None if it is the whole version.
    """

    id: str
    kind: str
    version: ArtifactVersion
    row: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None


class Resolver:
    """Finds what an id names among the recorded versions."""

    def __init__(self, lookup: Lookup) -> None:
        """Resolve ids of the project that `lookup` reads."""
        self._lookup = lookup
        self._workspace = lookup.workspace
        self._index = lookup.index
        self._ids = IdIndex(lookup)

    def resolve(self, identifier: str, at: str | None = None) -> Entity:
        """What `identifier` names; `at` gives the first digits of the wanted version.

        Raises:
            LedgerError: nothing recorded has that name; the message lists similar names.
        """
        stage, colon, rest = identifier.partition(":")
        if stage == "md5":
            return self._hash(identifier)
        if stage == "label" and colon:
            return self._label(identifier, rest, at)
        if colon:
            return self._number(identifier, stage, rest, at)
        if identifier.partition("@")[0] in self._workspace.by_name:
            return self._artifact(identifier, at)
        prefix = identifier.partition("_")[0]
        if prefix == "export":
            return self._export(identifier)
        if prefix in KINDS:
            return self._row(identifier, at)
        if prefix == "rel":
            return self._release(identifier)
        if prefix == "decision":
            return self._decision(identifier)
        if identifier.startswith("data/"):
            return self._path(identifier, at)
        if re.fullmatch(r"[0-9a-f]{6,32}(\.dir)?", identifier):
            return self._hash(identifier)
        raise _unknown(identifier, [*self._workspace.by_name, *self._keys()])

    # --- one kind of id each ------------------------------------------------------------------

    def _row(self, identifier: str, at: str | None) -> Entity:
        kind = KINDS[identifier.partition("_")[0]]
        holders = [v for v in self._ids.find(identifier) if v.md5.startswith(bare_md5(at or ""))]
        if not holders:
            raise _unknown(identifier, self._ids.near(identifier), ranked=True)
        current = [v for v in holders if self._lookup.current(v.key) == v.md5]
        version = (current or holders)[-1]
        rows = self._lookup.rows(version, kind.table, kind.column, [identifier])
        if not rows:
            raise LedgerError(
                f"{identifier} is in version {version.md5} of {version.key}, which is not in the "
                "cache; `dvc pull` fetches it if a remote has it"
            )
        return Entity(identifier, kind.word, version, rows[0], kind.table)

    def _label(self, identifier: str, rest: str, at: str | None) -> Entity:
        clip, _, teacher = rest.partition("/")
        if not (clip.startswith("clip_") and teacher):
            raise LedgerError(f"{identifier}: a label is named label:CLIP/TEACHER")
        shard = self._row(clip, None).version.key.shard
        known: dict[str, None] = {}
        for version in reversed(self._versions(ArtifactKey("labels", shard), at)):
            rows = self._lookup.rows(version, "index.parquet", "clip_id", [clip])
            for row in rows:
                if row["teacher"] == teacher:
                    stats = self._lookup.rows(version, "label_stats.parquet", "clip_id", [clip])
                    quality = {
                        s["modality"]: {k: v for k, v in s.items() if isinstance(v, float)}
                        for s in stats
                        if s["teacher"] == teacher
                    }
                    detail = {**row, "quality": quality}
                    return Entity(identifier, "label", version, detail, "labels.safetensors")
                known[f"label:{clip}/{row['teacher']}"] = None
        raise _unknown(identifier, list(known), ranked=True)

    def _number(self, identifier: str, stage: str, rest: str, at: str | None) -> Entity:
        if stage not in self._workspace.by_name:
            raise _unknown(identifier, list(self._workspace.by_name))
        versions = self._versions(ArtifactKey(stage), at)
        wanted = _normal(rest)
        leaves: dict[str, tuple[str, Any]] = {}
        for version in reversed(versions[-1:] if at is None else versions):
            for file, name, value in self._numbers(version):
                leaves.setdefault(_normal(name), (file, value))
                if _normal(name) == wanted or _normal(f"{file}/{name}") == wanted:
                    row = value if isinstance(value, Mapping) else {"value": value}
                    return Entity(f"{stage}:{name}", "number", version, row, file)
        raise _unknown(identifier, [f"{stage}:{name}" for name in leaves])

    def _numbers(self, version: ArtifactVersion) -> Iterator[tuple[str, str, Any]]:
        """Every number of the JSON and CSV files of a version, as (file, path, value)."""
        files = self._lookup.files(version)
        # by_category.csv gives a score by arm and category with its interval, so it comes first.
        for file in sorted(files, key=lambda name: (not name.endswith(".csv"), name)):
            path = self._lookup.file(version, file)
            if path is None or "/" in file:
                continue
            if file.endswith(".csv"):
                with path.open(newline="", encoding="utf-8") as stream:
                    for row in csv.DictReader(stream):
                        if "arm" in row and "category" in row:
                            yield file, f"{row['arm']}/{row['category']}", _typed(row)
            elif file.endswith(".json"):
                for name, value in _leaves(json.loads(path.read_text(encoding="utf-8"))):
                    yield file, name, value

    def _release(self, identifier: str) -> Entity:
        known = []
        for record in reversed(self._index.made.get(ArtifactKey("release"), [])):
            release_id = record["metrics"].get("release_id")
            if release_id == identifier:
                row = {"release_id": release_id}
                version = ArtifactVersion.of_record(record)
                return Entity(identifier, "release", version, row, "manifest.json")
            known.append(str(release_id))
        raise _unknown(identifier, known)

    def _decision(self, identifier: str) -> Entity:
        known: dict[str, None] = {}
        # Oldest first: the first version that holds a decision is the one that made it.
        for version in self._versions(ArtifactKey("champion"), None):
            path = self._lookup.file(version, "champions.jsonl")
            for line in path.read_text(encoding="utf-8").splitlines() if path else ():
                row = json.loads(line)
                if row["key"] == identifier or identifier == f"decision_{row['order']}":
                    return Entity(row["key"], "decision", version, row, "champions.jsonl")
                known[row["key"]] = None
        raise _unknown(identifier, list(known))

    def _export(self, identifier: str) -> Entity:
        """An exported folder, or one row of it, by the versions that the export read."""
        export_id, _, row_id = identifier.partition("/")
        records = self._lookup.exports()
        if export_id not in records:
            raise _unknown(export_id, list(records))
        record = records[export_id]
        read = [
            ArtifactVersion(ArtifactKey.parse(name), bare_md5(md5))
            for name, md5 in record["upstream"].items()
        ]
        if not row_id:
            (release,) = (version for version in read if version.key.stage == "release")
            detail = {name: record[name] for name in ("subject", "path", "options", "counts")}
            return Entity(export_id, "export", release, detail)
        prefix = row_id.partition("_")[0]
        if prefix not in KINDS:
            raise LedgerError(f"{identifier}: a row is named {export_id}/qa_..., as in `lineage`")
        kind, wanted = KINDS[prefix], [row_id]
        (release,) = (version for version in read if version.key.stage == "release")
        if prefix == "qa":  # what a reviewer corrected has another id than what was composed
            rows = self._lookup.rows(release, kind.table, kind.column, wanted)
            wanted += [row["fixed_from"] for row in rows if row.get("fixed_from")]
        for version in read:
            if version.key.stage == kind.stage:
                rows = self._lookup.rows(version, kind.table, kind.column, wanted)
                if rows:
                    return Entity(rows[0][kind.column], kind.word, version, rows[0], kind.table)
        raise LedgerError(f"{export_id} has no {kind.word} {row_id}")

    def _artifact(self, identifier: str, at: str | None) -> Entity:
        key = ArtifactKey.parse(identifier)
        if self._workspace.by_name[key.stage].per_shard and key.shard is None:
            return Entity(identifier, "stage", ArtifactVersion(key, ""))
        if key not in self._index.made:  # a shard that was never made, or does not exist
            self._workspace.check_key(key)
        if at is None:
            md5 = self._lookup.current(key) or ""
            return Entity(identifier, "artifact", ArtifactVersion(key, md5))
        return Entity(identifier, "artifact", self._versions(key, at)[-1])

    def _path(self, path: str, at: str | None) -> Entity:
        _, *parts = Path(path).parts
        if not parts:
            raise LedgerError("data/ holds one folder per stage; name one of them")
        stage = self._workspace.stage(parts[0])
        if stage.per_shard and len(parts) == 1:
            return self._artifact(stage.name, at)
        shard = parts[1] if stage.per_shard else None
        file = "/".join(parts[2 if stage.per_shard else 1 :])
        found = self._artifact(str(ArtifactKey(stage.name, shard)), at)
        return Entity(found.id, "artifact", found.version, {"file": file} if file else {}, None)

    def _hash(self, identifier: str) -> Entity:
        found = self._index.named(identifier)
        if not found:
            known = [record["md5"] for records in self._index.made.values() for record in records]
            raise _unknown(identifier, known)
        hashes = dict.fromkeys(version.md5 for version in found)
        if len(hashes) > 1:
            raise LedgerError(f"{identifier} matches several versions: {', '.join(hashes)}")
        return Entity(str(found[-1].key), "artifact", found[-1])

    def _versions(self, key: ArtifactKey, at: str | None) -> list[ArtifactVersion]:
        """Versions of an artifact, oldest first and the current one last.

        Raises:
            LedgerError: there is none, or none whose hash begins with `at`.
        """
        found = [v for v in self._index.versions(key.stage) if v.key == key]
        current = self._lookup.current(key)
        if current is not None:
            found = [v for v in found if v.md5 != current] + [ArtifactVersion(key, current)]
        wanted = [v for v in found if v.md5.startswith(bare_md5(at or ""))]
        if not wanted:
            known = ", ".join(v.md5[:12] for v in found) or "none"
            raise LedgerError(f"no version {at or ''} of {key} is recorded; recorded: {known}")
        return wanted

    def _keys(self) -> list[str]:
        return [str(key) for key in self._index.made]


def _unknown(identifier: str, known: Sequence[str], *, ranked: bool = False) -> LedgerError:
    names = list(dict.fromkeys(known))
    near = names[:3] if ranked else difflib.get_close_matches(identifier, names, n=3, cutoff=0.6)
    hint = f"; similar: {', '.join(near)}" if near else f"; known forms: {FORMS}"
    return LedgerError(f"{identifier} is not recorded{hint}")


def _normal(name: str) -> str:
    """One spelling for stage and arm names, for dots and slashes, and for capitals."""
    return name.lower().replace("student_", "").replace(".json/", "/").replace(".", "/")


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers and texts of nested JSON objects with their paths."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}/{key}" if name else str(key))
    elif name and isinstance(value, (int, float, str)):
        yield name, value


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, text in row.items():
        try:
            found[key] = int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            found[key] = text
    return found
