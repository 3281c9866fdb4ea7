"""What an id names: a row, a number or a decision, and the exact version that holds it.

Ids of rows (`qa_ fact_ reg_ clip_ vid_`), labels (`label:CLIP/TEACHER`), numbers
(`evaluation:p4d/Counting`, `expert:depth/absrel`: any number in a JSON file of a stage), releases
(`rel_`), decisions (`decision_`), stages, `stage@shard`, hashes and paths below data/. The current
version is meant where it holds the id, else the last one that did.
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

from p4d.audit.lookup.id_index import KINDS, IdIndex, object_of
from p4d.errors import LedgerError
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.ledger.index import LedgerIndex
from p4d.versioning.state.workspace import Workspace

FORMS = (
    "qa_, fact_, reg_, clip_, vid_, rel_ or decision_ ids, label:CLIP/TEACHER, "
    "evaluation:ARM/CATEGORY, a stage, stage@shard, an md5, a path below data/"
)


@dataclass(frozen=True)
class Named:
    """What an id names.

    Attributes:
        id: as given, completed.
        kind: artifact, question, fact, region, clip, video, label, number or decision.
        version: the version that is or holds it; an md5 of "" where nothing was ever made.
        row: the row, number or decision itself.
        file: the file of the version that holds it, where it is not the whole.
    """

    id: str
    kind: str
    version: ArtifactVersion
    row: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None


class Names:
    """Resolves ids against what is on record."""

    def __init__(self, look: Workspace, history: LedgerIndex) -> None:
        """Resolve ids of the project that `look` looks at."""
        self._look = look
        self._history = history
        self._root = look.project.root
        self._index = IdIndex(look.project, history)

    def find(self, identifier: str, at: str | None = None) -> Named:
        """What `identifier` names; `at` gives the first digits of the version wanted.

        Raises:
            LedgerError: nothing on record goes by that name; near ones are listed.
        """
        stage, colon, rest = identifier.partition(":")
        if stage == "md5":
            return self._hash(identifier)
        if stage == "label" and colon:
            return self._label(identifier, rest, at)
        if colon:
            return self._number(identifier, stage, rest, at)
        if identifier.partition("@")[0] in self._look.by_name:
            return self._instance(identifier, at)
        prefix = identifier.partition("_")[0]
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
        raise _unknown(identifier, [*self._look.by_name, *self._instances()])

    def current(self, key: ArtifactKey) -> str | None:
        """Hash of the version that dvc.lock names."""
        return self._look.recorded_md5(key)

    def rows(
        self, version: ArtifactVersion, file: str, column: str, values: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of a table of a version; those that are not there are left out."""
        import polars as pl

        path = self.file(version, file)
        if path is None or not values:
            return []
        found = pl.scan_parquet(path).filter(pl.col(column).is_in(list(values))).collect()
        return found.to_dicts()

    def file(self, version: ArtifactVersion, file: str) -> Path | None:
        """One file of a version: its cache object, else the working file of that very content."""
        stored = object_of(self._root, version, file)
        if stored is not None:
            return stored
        if version.key.stage not in self._look.by_name:
            return None
        out = dvc_yaml.out_path(version.key)
        digest = self._look.digest(out)
        path = self._root / out / file
        return path if digest is not None and digest.md5 == version.md5 and path.is_file() else None

    # --- one kind of id each ------------------------------------------------------------------

    def _row(self, identifier: str, at: str | None) -> Named:
        kind = KINDS[identifier.partition("_")[0]]
        holders = [v for v in self._index.find(identifier) if v.md5.startswith(bare_md5(at or ""))]
        if not holders:
            raise _unknown(identifier, self._index.near(identifier), ranked=True)
        current = [v for v in holders if self.current(v.key) == v.md5]
        version = (current or holders)[-1]
        rows = self.rows(version, kind.table, kind.column, [identifier])
        if not rows:
            raise LedgerError(
                f"{identifier} is in version {version.md5} of {version.key}, whose "
                "bytes are not here; `dvc pull` fetches them where a remote has them"
            )
        return Named(identifier, kind.word, version, rows[0], kind.table)

    def _label(self, identifier: str, rest: str, at: str | None) -> Named:
        clip, _, teacher = rest.partition("/")
        if not (clip.startswith("clip_") and teacher):
            raise LedgerError(f"{identifier}: a label is named label:CLIP/TEACHER")
        shard = self._row(clip, None).version.key.shard
        known: dict[str, None] = {}
        for version in reversed(self._versions(ArtifactKey("labels", shard), at)):
            rows = self.rows(version, "index.parquet", "clip_id", [clip])
            for row in rows:
                if row["teacher"] == teacher:
                    stats = self.rows(version, "label_stats.parquet", "clip_id", [clip])
                    quality = {
                        s["modality"]: {k: v for k, v in s.items() if isinstance(v, float)}
                        for s in stats
                        if s["teacher"] == teacher
                    }
                    detail = {**row, "quality": quality}
                    return Named(identifier, "label", version, detail, "labels.safetensors")
                known[f"label:{clip}/{row['teacher']}"] = None
        raise _unknown(identifier, list(known), ranked=True)

    def _number(self, identifier: str, stage: str, rest: str, at: str | None) -> Named:
        if stage not in self._look.by_name:
            raise _unknown(identifier, list(self._look.by_name))
        versions = self._versions(ArtifactKey(stage), at)
        wanted = _normal(rest)
        leaves: dict[str, tuple[str, Any]] = {}
        for version in reversed(versions[-1:] if at is None else versions):
            for file, name, value in self._numbers(version):
                leaves.setdefault(_normal(name), (file, value))
                if _normal(name) == wanted or _normal(f"{file}/{name}") == wanted:
                    row = value if isinstance(value, Mapping) else {"value": value}
                    return Named(f"{stage}:{name}", "number", version, row, file)
        raise _unknown(identifier, [f"{stage}:{name}" for name in leaves])

    def _numbers(self, version: ArtifactVersion) -> Iterator[tuple[str, str, Any]]:
        """Every number of the JSON and CSV files of a version, as (file, path, value)."""
        from p4d.errors import PublishError
        from p4d.versioning.dvc import cache as dvc_store

        try:
            files = list(dvc_store.read_tree(self._root, version.md5).files)
        except PublishError:
            files = []
        # by_category.csv names a score by arm and slice, with its interval: it comes first.
        for file in sorted(files, key=lambda name: (not name.endswith(".csv"), name)):
            path = self.file(version, file)
            if path is None or "/" in file:
                continue
            if file.endswith(".csv"):
                with path.open(newline="") as stream:
                    for row in csv.DictReader(stream):
                        if "arm" in row and "category" in row:
                            yield file, f"{row['arm']}/{row['category']}", _typed(row)
            elif file.endswith(".json"):
                for name, value in _leaves(json.loads(path.read_text())):
                    yield file, name, value

    def _release(self, identifier: str) -> Named:
        known = []
        for records in reversed(self._history.made.get(ArtifactKey("release"), [])):
            release_id = records["metrics"].get("release_id")
            if release_id == identifier:
                row = {"release_id": release_id}
                version = ArtifactVersion.of_record(records)
                return Named(identifier, "release", version, row, "manifest.json")
            known.append(str(release_id))
        raise _unknown(identifier, known)

    def _decision(self, identifier: str) -> Named:
        known: dict[str, None] = {}
        # Oldest first: the version that holds a decision first is the one that made it.
        for version in self._versions(ArtifactKey("champion"), None):
            path = self.file(version, "champions.jsonl")
            for line in path.read_text().splitlines() if path else ():
                row = json.loads(line)
                if row["key"] == identifier or identifier == f"decision_{row['order']}":
                    return Named(row["key"], "decision", version, row, "champions.jsonl")
                known[row["key"]] = None
        raise _unknown(identifier, list(known))

    def _instance(self, identifier: str, at: str | None) -> Named:
        key = ArtifactKey.parse(identifier)
        if self._look.by_name[key.stage].per_shard and key.shard is None:
            return Named(identifier, "stage", ArtifactVersion(key, ""))
        if key not in self._history.made:  # a shard that was never made, or does not exist
            self._look.check_key(key)
        if at is None:
            return Named(identifier, "artifact", ArtifactVersion(key, self.current(key) or ""))
        return Named(identifier, "artifact", self._versions(key, at)[-1])

    def _path(self, path: str, at: str | None) -> Named:
        _, *parts = Path(path).parts
        if not parts:
            raise LedgerError("data/ holds one folder per stage; name one of them")
        stage = self._look.stage(parts[0])
        if stage.per_shard and len(parts) == 1:
            return self._instance(stage.name, at)
        shard = parts[1] if stage.per_shard else None
        file = "/".join(parts[2 if stage.per_shard else 1 :])
        found = self._instance(str(ArtifactKey(stage.name, shard)), at)
        return Named(found.id, "artifact", found.version, {"file": file} if file else {}, None)

    def _hash(self, identifier: str) -> Named:
        found = self._history.named(identifier)
        if not found:
            known = [record["md5"] for records in self._history.made.values() for record in records]
            raise _unknown(identifier, known)
        hashes = dict.fromkeys(version.md5 for version in found)
        if len(hashes) > 1:
            raise LedgerError(f"{identifier} fits several versions: {', '.join(hashes)}")
        return Named(str(found[-1].key), "artifact", found[-1])

    def _versions(self, key: ArtifactKey, at: str | None) -> list[ArtifactVersion]:
        """Versions of an artifact, oldest first and the current one last.

        Raises:
            LedgerError: there is none, or none whose hash begins with `at`.
        """
        found = [v for v in self._history.versions(key.stage) if v.key == key]
        current = self.current(key)
        if current is not None:
            found = [v for v in found if v.md5 != current] + [ArtifactVersion(key, current)]
        wanted = [v for v in found if v.md5.startswith(bare_md5(at or ""))]
        if not wanted:
            known = ", ".join(v.md5[:12] for v in found) or "none"
            raise LedgerError(f"no version {at or ''} of {key} is on record; on record: {known}")
        return wanted

    def _instances(self) -> list[str]:
        return [str(key) for key in self._history.made]


def _unknown(identifier: str, known: Sequence[str], *, ranked: bool = False) -> LedgerError:
    near = (
        list(known[:3]) if ranked else difflib.get_close_matches(identifier, known, n=3, cutoff=0.6)
    )
    hint = f"; near: {', '.join(near)}" if near else f"; known forms: {FORMS}"
    return LedgerError(f"{identifier} is on no record{hint}")


def _normal(name: str) -> str:
    """One spelling: stages for arms, dots for slashes and capitals are all the same."""
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
