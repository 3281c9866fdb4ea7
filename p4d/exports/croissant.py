"""`p4d export croissant`: a release as a Croissant description that dataset tools read.

Croissant 1.0 (mlcommons.org/croissant/1.0): files with their SHA-256, one record set per table with
every column. Written from the specification; tests validate it with mlcroissant and read rows back.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p4d.artifacts import scan_table, write_json
from p4d.audit.evidence import source_videos
from p4d.audit.lookup.lookup import Lookup
from p4d.audit.lookup.resolve import Resolver
from p4d.errors import LedgerError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.sql_files import sql_files
from p4d.versioning.files.artifact_key import data_version

TABLES = {
    "questions": "Multiple-choice questions about regions of clips, each with its split.",
    "clips": "Clips with their split; clips of one near-duplicate group are in one split.",
}

_CONTEXT: Mapping[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex",
    "repeated": "cr:repeated", "replace": "cr:replace", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip


def export_croissant(
    project: Project,
    path: Path,
    identifier: str = "release",
    *,
    base_url: str | None = None,
) -> str:
    """Describe one release in `path`; returns the release's id.

    Args:
        project: where.
        path: the JSON file.
        identifier: `release` (the current one), a `rel_` id or an md5 of a release.
        base_url: where the files are published; default: the project's data/release as seen from
            `path`, which is right for the current release.

    Raises:
        LedgerError: no such release is recorded, or its files are not in the cache.
    """
    with Lookup(project) as lookup:
        version = Resolver(lookup).resolve(identifier).version
        record = lookup.index.record(version)
        if version.key.stage != "release" or record is None:
            raise LedgerError(f"{identifier} is no recorded release")
        files = {}
        for table in TABLES:
            found = lookup.file(version, f"{table}.parquet")
            if found is None:
                raise LedgerError(f"{table}.parquet of {identifier} is not in the cache")
            files[table] = found
        sources = source_videos(lookup, lookup.index.lineage(version))
        videos = [row for row in sources if row["outcome"] == "ok"]
        number = lookup.index.versions("release").index(version)
    if base_url is None:
        folder = project.data / "release"
        base_url = os.path.relpath(folder, path.resolve().parent)
    release_id = str(record["metrics"].get("release_id", version.md5))
    write_json(path, _describe(release_id, number, record, files, videos, base_url))
    return release_id


def _describe(
    release_id: str,
    number: int,
    record: Mapping[str, Any],
    files: Mapping[str, Path],
    videos: Sequence[Mapping[str, Any]],
    base_url: str,
) -> dict[str, Any]:
    licences = Counter(str(row["licence"]) for row in videos)
    stated = ", ".join(f"{name} ({count})" for name, count in sorted(licences.items())) or "none"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": release_id,
        "description": (
            "Region-level multiple-choice questions about 4D video, each derived from measured "
            f"facts. Data version {data_version(record['md5'])}. Licences of the {len(videos)} "
            f"source videos, as stated when they landed: {stated}."
        ),
        "license": sorted(licences) or ["unstated"],
        "url": base_url,
        "version": f"1.{number}.0",
        "datePublished": record["at"][:10],
        "creator": {"@type": "sc:Organization", "name": "p4d"},
        "citeAs": f"p4d release {release_id}, {data_version(record['md5'])}",
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{table}.parquet",
                "name": f"{table}.parquet",
                "contentUrl": f"{base_url.rstrip('/')}/{table}.parquet",
                "contentSize": f"{file.stat().st_size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": sha256_file(file),
            }
            for table, file in files.items()
        ],
        "recordSet": [_record_set(table, file) for table, file in files.items()],
    }


def _record_set(table: str, file: Path) -> dict[str, Any]:

    meaning = {
        column.name: column.text
        for view in sql_files("staging").values()
        if view.source == f"release/{table}.parquet"
        for column in view.columns
    }
    schema = scan_table(file).collect_schema()
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": TABLES[table],
        "key": {"@id": f"{table}/{table[:-1].replace('question', 'qa')}_id"},
        "field": [
            _field(table, name, kind, meaning.get(name, name)) for name, kind in schema.items()
        ],
    }


def _field(table: str, name: str, kind: Any, text: str) -> dict[str, Any]:  # noqa: ANN401
    import polars as pl

    repeated = isinstance(kind, pl.List)
    inner = kind.inner if repeated else kind
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table}/{name}",
        "name": f"{table}/{name}",
        "description": text,
        "dataType": _data_type(inner),
        "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": name}},
    }
    if repeated:
        found["repeated"] = True
    return found


def _data_type(kind: Any) -> str:  # noqa: ANN401 - a polars type
    import polars as pl

    if kind == pl.Boolean:
        return "sc:Boolean"
    if kind.is_integer():
        return "sc:Integer"
    return "sc:Float" if kind.is_float() else "sc:Text"
