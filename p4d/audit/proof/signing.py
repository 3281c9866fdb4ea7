"""Signs what a project has, with a key of a person: ledger head, release and students.

A person with write access to the repository can rewrite the ledger, its branch and its marker
together. Without the private key, nobody can sign the result. A signature is a statement (plain
JSON: the head of the ledger, and the SHA-256 of every file of the release and of the students) and
its Ed25519 signature beside it, in `signatures/`, which git versions. Nothing is asked of a
network, and `openssl pkeyutl -verify -rawin` verifies the statement without p4d.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from p4d.atomic import write_durably
from p4d.errors import LedgerError
from p4d.ids import canonical_json, sha256_file
from p4d.project import Project
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.files.hashes import walk_files
from p4d.versioning.ledger.continuity import holds_head
from p4d.versioning.ledger.ledger import LEDGER_PATH, Ledger
from p4d.versioning.ledger.problem import Problem

FOLDER = "signatures"
STATEMENT, SIGNATURE = "statement.json", "statement.sig"
SCHEMA = 1


@dataclass(frozen=True)
class Signed:
    """A statement whose signature holds.

    Attributes:
        head: of the ledger when it was signed.
        lines: of the ledger then.
        at: when, by the clock of who signed.
        stages: signed stages, with DVC's hash of the version.
        files: SHA-256 of every signed file, by path in the project.
    """

    head: str
    lines: int
    at: str
    stages: Mapping[str, str]
    files: Mapping[str, str]


def sign(project: Project, key: Path) -> Signed:
    """Write `signatures/statement.json` and its signature.

    Args:
        project: whose ledger, release and students.
        key: private key, Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        LedgerError: the ledger is broken or empty, or the key is none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise LedgerError(f"{key} is no private key that can be read: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise LedgerError(
            f"{key} is no Ed25519 key; `openssl genpkey -algorithm ed25519` makes one"
        )
    statement = _statement(project)
    payload = canonical_json(statement).encode() + b"\n"
    folder = project.root / FOLDER
    folder.mkdir(exist_ok=True)
    # The signature first: a statement without its signature would look forged.
    write_durably(folder / SIGNATURE, private.sign(payload))
    write_durably(folder / STATEMENT, payload)
    return _signed(statement)


def verify_signature(project: Project, public_key: Path) -> Signed:
    """The signed statement of a project, once its signature holds.

    Args:
        project: whose.
        public_key: Ed25519 in PEM; from elsewhere than the project, else it proves nothing.

    Raises:
        LedgerError: there is no statement, the key is none, or the signature does not hold.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(public_key.read_bytes())
    except (OSError, ValueError) as error:
        raise LedgerError(f"{public_key} is no public key that can be read: {error}") from error
    if not isinstance(public, Ed25519PublicKey):
        raise LedgerError(f"{public_key} is no Ed25519 key")
    folder = project.root / FOLDER
    try:
        payload = (folder / STATEMENT).read_bytes()
        public.verify((folder / SIGNATURE).read_bytes(), payload)
    except FileNotFoundError as error:
        raise LedgerError(f"{error.filename} is missing; `p4d audit sign` writes it") from error
    except InvalidSignature as error:
        raise LedgerError(
            f"{FOLDER}/{STATEMENT} was not signed by {public_key.name}, or was altered since"
        ) from error
    try:
        return _signed(json.loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{FOLDER}/{STATEMENT} has another form ({error})") from error


def compare(project: Project, signed: Signed) -> list[Problem]:
    """What is not as signed: a ledger that was rewritten, and files in place.

    A version that was replaced since, by a run that the ledger records, is no problem.
    """
    lock = LockFile.read(project.root)
    current = {
        stage
        for stage, md5 in signed.stages.items()
        if lock.output_md5(stage, f"data/{stage}") == md5
    }
    found = []
    if holds_head(project, signed.head) != signed.lines:
        detail = f"does not continue the signed ledger of {signed.lines} lines: it was rewritten"
        found.append(Problem("altered", LEDGER_PATH, detail))
    for path, sha256 in signed.files.items():
        if path.split("/")[1] not in current:
            continue
        file = project.root / path
        if not file.is_file():
            found.append(Problem("missing", path, "it is signed; `dvc checkout` may restore it"))
        elif sha256_file(file) != sha256:
            found.append(Problem("altered", path, "its SHA-256 is not the signed one"))
    return found


def _statement(project: Project) -> dict[str, Any]:
    chain = Ledger(project).verify_chain()
    if not chain.ok or not chain.lines:
        raise LedgerError(f"nothing to sign: {'; '.join(chain.faults) or 'the ledger is empty'}")
    lock = LockFile.read(project.root)
    stages, files = {}, {}
    for stage in project.stages:
        if stage.per_shard or not (stage.name == "release" or stage.name.startswith("student_")):
            continue
        folder = project.data / stage.name
        md5 = lock.output_md5(stage.name, f"data/{stage.name}")
        if md5 is None or not folder.is_dir():
            continue
        stages[stage.name] = md5
        for name, _ in sorted(walk_files(folder)):
            files[f"data/{stage.name}/{name}"] = sha256_file(folder / name)
    return {
        "schema": SCHEMA,
        "ledger_head": chain.head,
        "ledger_lines": chain.lines,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "stages": stages,
        "files": files,
    }


def _signed(statement: Mapping[str, Any]) -> Signed:
    if statement["schema"] != SCHEMA:
        raise ValueError(f"schema {statement['schema']!r}")
    return Signed(
        head=statement["ledger_head"],
        lines=statement["ledger_lines"],
        at=statement["at"],
        stages=statement["stages"],
        files=statement["files"],
    )
