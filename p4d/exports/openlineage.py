"""`p4d export openlineage`: the ledger as OpenLineage run events, one JSON object per line.

A materialization becomes a START and a COMPLETE event of a run of its stage; artifacts become
datasets, whose version is their hash. Written from the specification (2-0-2); tests hold every
event equal to what the official client writes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from p4d.artifacts import write_bytes
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.files.git import has_repository, try_git
from p4d.versioning.ledger.index import LedgerIndex
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.record import Record

PRODUCER = "https://pypi.org/project/p4d"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "documentation": "1-1-0/DocumentationJobFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "dataQualityAssertions": "1-1-0/DataQualityAssertionsDatasetFacet",
}


def export_openlineage(project: Project, path: Path, namespace: str | None = None) -> int:
    """Write all recorded runs to `path`; returns the number of events.

    Args:
        project: where.
        path: newline-delimited JSON.
        namespace: of jobs and datasets; default: `p4d://` and the name of the project's folder.
    """
    found = list(events(project, namespace or f"p4d://{project.root.name}"))
    write_bytes(path, "".join(json.dumps(e, sort_keys=True) + "\n" for e in found).encode())
    return len(found)


def events(project: Project, namespace: str) -> Iterator[dict[str, Any]]:
    """Two events per materialization, in the order of the ledger."""
    history, repository = Ledger(project).index(), _remote(project.root)
    for record in Ledger(project).records("materialization"):
        common = {
            "job": _job(record, namespace, repository),
            "run": {"runId": str(uuid.UUID(hex=record["id"])), "facets": {"p4d": _made(record)}},
            "inputs": [
                _input(history, namespace, read)
                for read in sorted(ArtifactVersion.read_by(record), key=str)
            ],
            "producer": PRODUCER,
            "schemaURL": _EVENT,
        }
        yield {"eventType": "START", "eventTime": record["started"], **common, "outputs": []}
        outputs = [_output(namespace, record)]
        yield {"eventType": "COMPLETE", "eventTime": record["ended"], **common, "outputs": outputs}


def _job(record: Record, namespace: str, repository: str | None) -> dict[str, Any]:
    stage = BY_NAME.get(record["stage"])
    facets = {
        "jobType": _facet("jobType", processingType="BATCH", integration="P4D", jobType="STAGE")
    }
    if stage is not None:
        facets["documentation"] = _facet("documentation", description=stage.description)
    if repository and record["git"]["commit"]:
        facets["sourceCodeLocation"] = _facet(
            "sourceCodeLocation", type="git", url=repository, version=record["git"]["commit"]
        )
    return {"namespace": namespace, "name": record["stage"], "facets": facets}


def _made(record: Record) -> dict[str, Any]:
    """A facet of p4d, for what the standard facets do not cover."""
    return {
        "_producer": PRODUCER,
        "_schemaURL": f"{PRODUCER}#run-facet",
        "code_version": record["code_version"],
        "params_digest": record["fingerprint"]["params_digest"],
        "git_commit": record["git"]["commit"] or "",
        "git_dirty": bool(record["git"]["dirty"]),
        "package_version": str(record.get("package", {}).get("version", "")),
        "environment": record["env"],
        "shard": record["shard"] or "",
        "wall_s": float(record["cost"].get("wall_s", 0.0)),
        "cpu_s": float(record["cost"].get("cpu_s", 0.0)),
    }


def _input(history: LedgerIndex, namespace: str, version: ArtifactVersion) -> dict[str, Any]:
    checks = history.checks(version)
    assertions = [
        {"assertion": name, "success": check["passed"],
         "severity": "error" if check.get("blocking") else "warn"}
        for name, check in sorted(checks.items())
    ]  # fmt: skip
    found: dict[str, Any] = _dataset(namespace, version)
    found["inputFacets"] = (
        {"dataQualityAssertions": _facet("dataQualityAssertions", assertions=assertions)}
        if assertions
        else {}
    )
    return found


def _output(namespace: str, record: Record) -> dict[str, Any]:
    found = _dataset(namespace, ArtifactVersion.of_record(record))
    found["outputFacets"] = {
        "outputStatistics": _facet(
            "outputStatistics",
            rowCount=sum(record["rows"].values()),
            size=record["nbytes"],
            fileCount=record["nfiles"],
        )
    }
    return found


def _dataset(namespace: str, version: ArtifactVersion) -> dict[str, Any]:
    facets = {"version": _facet("version", datasetVersion=version.data_version)}
    return {"namespace": namespace, "name": str(version.key), "facets": facets}


def _facet(name: str, **values: object) -> dict[str, Any]:
    where = _FACETS[name]
    kind = where.partition("/")[2]
    url = f"{_SPEC}/facets/{where}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def _remote(root: Path) -> str | None:
    if not has_repository(root):
        return None
    return (try_git(root, "config", "--get", "remote.origin.url") or b"").decode().strip() or None
