"""`p4d export croissant`: a release as a Croissant description that dataset tools read.

Croissant 1.1 (mlcommons.org/croissant/1.1): files with their SHA-256, sets of media files, one
record set per table with every column, and provenance by PROV-O, whose entities are the versions in
the ledger. Written from the specification; tests validate it with mlcroissant and read rows back.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from p4d.versioning.files.artifact_key import ArtifactVersion, data_version
from p4d.versioning.ledger.record import Record

Json = dict[str, Any]

TABLES = {
    "questions": "Multiple-choice questions about regions of clips, each with its split.",
    "clips": "Clips with their split; clips of one near-duplicate group are in one split.",
}

_CONTEXT: Mapping[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": {"@container": "@language"},
    "parentField": "cr:parentField", "path": "cr:path", "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex",
    "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
    "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a description says of a data set as a whole.

    Attributes:
        name, text: id, and what it is.
        record: of the release, whose date and package it states.
        number: how many versions of the release were made before.
        url: where its files are; relative to the description, or an address.
        licences: number of source videos by licence, as stated when they landed.
        derived_from: versions that were read.
        sources: SHA-256 and name of each source video.
        activity: what made the files.
    """

    name: str
    text: str
    record: Record
    number: int
    url: str
    licences: Mapping[str, int]
    derived_from: Sequence[ArtifactVersion]
    sources: Iterable[tuple[str, str]]
    activity: str


def description_of(facts: DatasetFacts, distribution: list[Json], record_sets: list[Json]) -> Json:
    """A whole description."""
    listed = sorted(facts.licences.items())
    stated = ", ".join(f"{name} ({count})" for name, count in listed) or "none"
    package = facts.record.get("package") or {}
    md5 = facts.record["md5"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": facts.name,
        "description": (
            f"{facts.text} Data version {data_version(md5)}. Licences of the "
            f"{sum(facts.licences.values())} source videos, as stated when they landed: {stated}."
        ),
        "license": sorted(facts.licences) or ["unstated"],
        "url": facts.url,
        "version": f"1.{facts.number}.0",
        "datePublished": facts.record["at"][:10],
        "creator": {"@type": "sc:Organization", "name": "p4d"},
        "citeAs": f"p4d {facts.name}, {data_version(md5)}",
        "isLiveDataset": False,
        "prov:wasDerivedFrom": [
            *({"@id": f"urn:p4d:{each.key}:{each.data_version}"} for each in facts.derived_from),
            *(
                {"@id": f"urn:sha256:{digest}", "@type": "prov:Entity", "prov:label": name}
                for digest, name in sorted(facts.sources)
            ),
        ],
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "prov:label": facts.activity},
        "prov:wasAttributedTo": {
            "@type": "prov:SoftwareAgent",
            "prov:label": f"p4d {package.get('version') or '0.1'}",
        },
        "distribution": distribution,
        "recordSet": record_sets,
    }


def file_object(file: Path, name: str, url: str, encoding: str) -> Json:
    """One file with its size and SHA-256."""
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": url,
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": sha256_file(file),
    }


def file_set(name: str, text: str, pattern: str, encoding: str) -> Json:
    """Files of one kind beside the description, by a pattern."""
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": text,
        "includes": pattern,
        "encodingFormat": encoding,
    }


def record_set(name: str, text: str, key: str, fields: list[Json]) -> Json:
    """A table; `key` names one of its fields."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": text,
        "key": {"@id": f"{name}/{key}"},
        "field": fields,
    }


def column_field(
    table: str, column: str, text: str, file: str, data_type: str, *, is_array: bool = False
) -> Json:
    """One column of a file."""
    found: Json = {
        "@type": "cr:Field",
        "@id": f"{table}/{column}",
        "name": f"{table}/{column}",
        "description": text,
        "dataType": data_type,
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }
    if is_array:
        found |= {"isArray": True, "arrayShape": "-1"}
    return found


def table_fields(table: str, path: Path, file: str, meaning: Mapping[str, str]) -> list[Json]:
    """The columns of a Parquet file."""
    import polars as pl

    fields = []
    for name, kind in scan_table(path).collect_schema().items():
        is_array = isinstance(kind, pl.List)
        inner = kind.inner if isinstance(kind, pl.List) else kind
        data_type = _data_type(inner)
        text = meaning.get(name, name)
        fields.append(column_field(table, name, text, file, data_type, is_array=is_array))
    return fields


def export_croissant(
    project: Project,
    path: Path,
    identifier: str = "release",
    *,
    base_url: str | None = None,
) -> str:
    """Describe the tables of one release in `path`; returns the release's id.

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
        base_url = os.path.relpath(project.data / "release", path.resolve().parent)
    release_id = str(record["metrics"].get("release_id", version.md5))
    facts = DatasetFacts(
        name=release_id,
        text=(
            "Region-level multiple-choice questions about 4D video, each derived from measured "
            "facts."
        ),
        record=record,
        number=number,
        url=base_url,
        licences=Counter(str(row["licence"]) for row in videos),
        derived_from=ArtifactVersion.read_by(record),
        sources=[(row["sha256"], row["name"]) for row in videos],
        activity=f"stage release, run {record['run_id']}",
    )
    url = base_url.rstrip("/")
    distribution = [
        file_object(file, f"{t}.parquet", f"{url}/{t}.parquet", "application/x-parquet")
        for t, file in files.items()
    ]
    sets = [_release_table(table, file) for table, file in files.items()]
    write_json(path, description_of(facts, distribution, sets))
    return release_id


def _release_table(table: str, file: Path) -> Json:
    meaning = {
        column.name: column.text
        for view in sql_files("staging").values()
        if view.source == f"release/{table}.parquet"
        for column in view.columns
    }
    key = f"{table[:-1].replace('question', 'qa')}_id"
    fields = table_fields(table, file, f"{table}.parquet", meaning)
    return record_set(table, TABLES[table], key, fields)


def _data_type(kind: Any) -> str:  # noqa: ANN401 - a polars type
    import polars as pl

    if kind == pl.Boolean:
        return "sc:Boolean"
    if kind.is_integer():
        return "sc:Integer"
    return "sc:Float" if kind.is_float() else "sc:Text"
