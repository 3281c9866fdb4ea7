"""`p4d audit bundle`: writes an archive from which anybody can prove a lineage with Python alone.

It holds the whole ledger (a hash chain can be checked only as a whole), the list of files of every
version in the lineage, all small texts (numbers, cards, decisions), optionally all data, and
`verify.py`. The same ledger gives the same bytes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p4d.artifacts import read_json
from p4d.audit.evidence import AuditEvidence, VersionEvidence, collect
from p4d.audit.proof import bundle_verifier
from p4d.audit.proof.signing import carried
from p4d.audit.withheld import withheld_objects
from p4d.errors import LedgerError
from p4d.ids import sha256_file
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.pipeline_file import manifest_path
from p4d.versioning.files.hashes import file_md5
from p4d.versioning.ledger.record import plain

SMALL_BYTES = 1_000_000
TEXTS = (".json", ".jsonl", ".csv", ".md", ".txt", ".yaml")
"""Files with these endings and at most `SMALL_BYTES` bytes are always in the bundle."""

_EPOCH = (1980, 1, 1, 0, 0, 0)

README = """\
# Audit bundle of {id}

This archive proves where {id} comes from. Unpack it and run

    python3 verify.py

It needs nothing but Python; `verify.py` is short enough to be read. It checks the hash chain of
`ledger.jsonl`, the lineage in `bundle.json`, and every object against its name. A chain cannot
prove that it is the only one: get the head of the ledger, {head},
from a source you trust, and pass it with `--head`. Take `verify.py` from such a source as well.
If the ledger was signed, `signatures/` has the signature, and `--public-key FILE` checks it against
a key that you hold. The archive does not carry the key.

Status 0 means proven. Status 2 means proven but for what the last line names: a row of a Parquet
file is claimed, which Python alone cannot read, or the bundle leaves a file out.

| file | holds |
|---|---|
| `bundle.json` | the claim, every version behind it with files and hashes, the source videos |
| `ledger.jsonl` | the whole ledger: one line per version, check and takedown |
| `objects/` | lists of files and {what}, named after their MD5 as in DVC's cache |
| `manifests/` | what landed in each shard: names, SHA-256, licences |
| `signatures/` | a signed statement on the ledger, the release and the students, if there is one |
| `SHA256SUMS` | for `sha256sum -c SHA256SUMS` |
"""


@dataclass(frozen=True)
class WrittenBundle:
    """An archive that was written.

    Attributes:
        path: the zip archive.
        versions: how many versions it proves.
        objects: how many objects it holds: files, and lists of files.
        withheld: files that are not in it, as the terms of a video forbid it, each with the reason.
        sha256: of the archive.
        head: SHA-256 of the ledger's last line, to be published separately from the archive.
        signed: line of the ledger up to which it is signed; None without a signature.
    """

    path: Path
    versions: int
    objects: int
    sha256: str
    head: str
    withheld: tuple[str, ...] = ()
    signed: int | None = None

    def __str__(self) -> str:
        """Three lines, and one each for the files that are withheld and for a signature."""
        signed = (
            f"signed up to line {self.signed} of the ledger: `verify.py --public-key` checks it\n"
        )
        kept = f"left out, as terms forbid it: {len(self.withheld)} files, for example "
        return (
            f"{self.path}: {self.versions} versions, {self.objects} objects\n"
            + (f"{kept}{self.withheld[0]}\n" if self.withheld else "")
            + f"sha256 {self.sha256}\n"
            f"{signed if self.signed else ''}"
            f"head of the ledger, to be given separately: {self.head}"
        )


def write_bundle(
    project: Project,
    identifier: str,
    path: Path,
    *,
    with_data: bool = False,
    at: str | None = None,
) -> WrittenBundle:
    """Write the archive about an id to `path`.

    Args:
        project: where.
        identifier: what to prove; forms as for `p4d why`.
        path: the zip archive; replaced when the new one is complete.
        with_data: include every file of every version, not only the small texts; pictures of
            videos whose terms forbid redistribution stay out.
        at: first digits of the md5 of the version wanted.

    Raises:
        LedgerError: nothing recorded has that name, the ledger is damaged or does not continue the
            signed one, or a version's list of files (with `with_data` any file) is not in the
            cache.
    """
    evidence = collect(project, identifier, at)
    withheld = withheld_objects(project) if with_data else {}
    objects = _objects(project, evidence, with_data, withheld)
    manifests = _manifests(project, evidence)
    signature = carried(project)
    contents: dict[str, bytes | Path] = {
        "verify.py": Path(bundle_verifier.__file__),
        "README.md": README.format(
            id=evidence.named.id,
            head=evidence.head,
            what=_what(with_data, withheld),
        ).encode(),
        "bundle.json": _json(_about(evidence, manifests, signed=signature is not None)),
        "ledger.jsonl": evidence.ledger,
        **{f"objects/{md5[:2]}/{md5[2:]}": file for md5, file in objects.items()},
        **{f"manifests/{shard}.json": path for shard, path in manifests.items()},
    }
    if signature is not None:
        contents[bundle_verifier.STATEMENT] = signature.statement
        contents[bundle_verifier.SIGNATURE] = signature.signature
    sums = "".join(f"{_sha256(contents[name])}  {name}\n" for name in sorted(contents))
    contents["SHA256SUMS"] = sums.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(contents):
            _add(archive, name, contents[name])
    partial.replace(path)
    return WrittenBundle(
        path,
        len(evidence.entries),
        len(objects),
        sha256_file(path),
        evidence.head,
        _left_out(evidence, withheld),
        signature.lines if signature else None,
    )


def _left_out(evidence: AuditEvidence, withheld: Mapping[str, str]) -> tuple[str, ...]:
    files = (file.md5 for entry in evidence.entries for file in entry.files)
    return tuple(sorted(withheld[md5] for md5 in files if md5 in withheld))


def _what(with_data: bool, withheld: Mapping[str, str]) -> str:
    """Which objects the archive holds, beside the lists of files."""
    if not with_data:
        return "small texts"
    if not withheld:
        return "all data"
    return "all data but pictures of videos whose terms forbid redistribution"


def _about(
    evidence: AuditEvidence, manifests: Mapping[str, Path], *, signed: bool
) -> dict[str, Any]:
    """What the verifier checks, and nothing that it cannot check."""
    named, own = evidence.named, evidence.own
    return {
        "schema": bundle_verifier.SIGNED_SCHEMA if signed else bundle_verifier.SCHEMA,
        "claim": {
            "id": own.key if named.kind == "artifact" else named.id,
            "kind": named.kind,
            "says": plain(named.row),
            "file": named.file,
            "version": {"key": own.key, "md5": own.md5},
        },
        "head": evidence.head,
        "lines": evidence.lines,
        "versions": [_version(entry) for entry in evidence.entries],
        "sources": [row for shard, path in manifests.items() for row in _sources(shard, path)],
    }


def _sources(shard: str, manifest: Path) -> Iterator[dict[str, Any]]:
    for file in read_json(manifest)["files"]:
        row = {"shard": shard, **{key: file.get(key) for key in bundle_verifier.SOURCE_KEYS}}
        yield {**row, "video_id": file["file_id"]}


def _version(entry: VersionEvidence) -> dict[str, Any]:
    return {
        "key": entry.key,
        "md5": entry.md5,
        "line": entry.line,
        "line_sha256": entry.line_sha256,
        "files": [
            {"path": f.path, "md5": f.md5, "sha256": f.sha256, "nbytes": f.nbytes}
            for f in entry.files
        ],
    }


def _objects(
    project: Project, evidence: AuditEvidence, with_data: bool, withheld: Mapping[str, str]
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in evidence.entries:
        if not entry.files:
            raise LedgerError(
                f"the files of {entry.key} {entry.md5[:12]} are not in the cache; `dvc pull` "
                "fetches them if a remote has them"
            )
        found[entry.md5] = dvc_store.object_path(project.root, entry.md5)
        for file in entry.files:
            if file.object is None:
                if with_data:
                    raise LedgerError(
                        f"{file.path} of {entry.key} is not in the cache (`dvc pull`)"
                    )
                continue
            if file.md5 in withheld:
                continue
            small = file.path.endswith(TEXTS) and (file.nbytes or 0) <= SMALL_BYTES
            if with_data or small:
                found[file.md5] = file.object
    return dict(sorted(found.items()))


def _manifests(project: Project, evidence: AuditEvidence) -> Mapping[str, Path]:
    """The manifest of each shard, if a version in the lineage was made from just this one.

    A takedown writes a manifest again, so an older version may have been made from another.
    """
    found: dict[str, Path] = {}
    for entry in evidence.entries:
        if entry.stage == "videos" and entry.shard and entry.record:
            path = project.shards_dir / f"{entry.shard}.json"
            read = entry.record["fingerprint"]["deps"].get(manifest_path(entry.shard))
            if path.is_file() and read == file_md5(path):
                found[entry.shard] = path
    return dict(sorted(found.items()))


def _add(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> None:
    # Stored, not compressed: zlib's output differs between versions, and data is compressed.
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    info.create_system = 3
    with archive.open(info, "w", force_zip64=True) as target:
        for chunk in _chunks(content):
            target.write(chunk)


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def _sha256(content: bytes | Path) -> str:
    import hashlib

    return (
        sha256_file(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
    )


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
