"""Signs what a project has, with a key of a person: ledger head, release and students.

A person with write access to the repository can rewrite the ledger, its branch and its marker
together. Without the private key, nobody can sign the result. A signature is a statement (plain
JSON: the head of the ledger, and the SHA-256 of every file of the release and of the students) and
its Ed25519 signature beside it, in `signatures/`, which git versions. Nothing is asked of a
network, and `openssl pkeyutl -verify -rawin` verifies the statement without p4d. `p4d audit bundle`
carries both files to somebody else, whose `verify.py` checks them with Python alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p4d.atomic import write_durably
from p4d.errors import LedgerError
from p4d.ids import canonical_json, sha256_file
from p4d.project import Project
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.files.hashes import tree_of, walk_files
from p4d.versioning.ledger.continuity import holds_head
from p4d.versioning.ledger.ledger import LEDGER_PATH, Ledger
from p4d.versioning.ledger.problem import Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FOLDER = "signatures"
STATEMENT, SIGNATURE = "statement.json", "statement.sig"
SCHEMA = 1
PUBLIC_KEY = "P4D_PUBLIC_KEY"
"""Environment variable: the file of the key that must have signed, for `verify` and every night."""


@dataclass(frozen=True)
class Signed:
    """A statement whose signature holds.

    Attributes:
        head: of the ledger when it was signed.
        lines: of the ledger then.
        at: when, by the clock of who signed.
        stages: signed stages, with DVC's hash of the version.
        files: SHA-256 of every signed file, by path in the project.
        key: SHA-256 of the public key; "" in statements of earlier versions.
    """

    head: str
    lines: int
    at: str
    stages: Mapping[str, str]
    files: Mapping[str, str]
    key: str = ""


@dataclass(frozen=True)
class SignatureCheck:
    """What a signature says of a project.

    Attributes:
        text: lines for people; empty if nothing is signed and no key was given.
        ok: whether the project is what was signed, by the key if one was given.
    """

    text: str
    ok: bool


@dataclass(frozen=True)
class CarriedSignature:
    """The two files of a signature as they are, for an archive that travels.

    Attributes:
        statement: bytes of the statement.
        signature: over these bytes.
        lines: of the ledger when it was signed.
    """

    statement: bytes
    signature: bytes
    lines: int


def sign(project: Project, key: Path) -> Signed:
    """Write `signatures/statement.json` and its signature.

    Args:
        project: whose ledger, release and students.
        key: private key, Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        LedgerError: the ledger is broken or empty, the key is none, or the release or a student is
            not in place as it was recorded.
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
    statement = _statement(project) | {"key": _fingerprint(private.public_key())}
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
        made, given = _parsed(payload).key, _fingerprint(public)
        if made not in ("", given):
            raise LedgerError(
                f"{FOLDER}/{STATEMENT} was signed by another key (SHA-256 {made}) than "
                f"{public_key.name} ({given})"
            ) from error
        raise LedgerError(
            f"{FOLDER}/{STATEMENT} was not signed by {public_key.name}, or was altered since"
        ) from error
    return _parsed(payload)


def check_signature(
    project: Project, public_key: Path | None, *, files: bool = True
) -> SignatureCheck:
    """Compare a project with its signature.

    Args:
        project: which.
        public_key: of the person who must have signed. None: a signature that is there is compared,
            and whose it is remains open.
        files: compare the files in place; False where no artifact is in place.

    Raises:
        LedgerError: the key did not sign the project, or half of a signature is there.
    """
    if public_key is None:
        found = _files(project)
        if found is None:
            return SignatureCheck("", ok=True)
        signed = _parsed(found[0])
    else:
        signed = verify_signature(project, public_key)
    problems = compare(project, signed, files=files)
    lines = [f"{each.kind}: {each.path}: {each.detail}" for each in problems]
    verdict = "signed" if not problems else "NOT AS SIGNED"
    of_whom = f"with {public_key.name}" if public_key else "by an unknown key (--public-key)"
    lines.append(
        f"{verdict} {of_whom} at {signed.at}: ledger up to line {signed.lines}, "
        f"{', '.join(signed.stages) or 'no release yet'} ({len(signed.files)} files"
        f"{'' if files else ', none of them here'})"
    )
    return SignatureCheck("\n".join(lines), ok=not problems)


def carried(project: Project) -> CarriedSignature | None:
    """The signature of a project for an archive; None if there is none.

    Raises:
        LedgerError: one of its two files is missing, or the ledger does not continue the signed
            one.
    """
    found = _files(project)
    if found is None:
        return None
    signed = _parsed(found[0])
    if holds_head(project, signed.head) != signed.lines:
        raise LedgerError(
            f"the ledger does not continue the one that {FOLDER}/{STATEMENT} signs, so one of them "
            f"was replaced; after `make clean` a new ledger is right: remove {FOLDER}/, or sign "
            "again with `p4d audit sign`"
        )
    return CarriedSignature(*found, signed.lines)


def compare(project: Project, signed: Signed, *, files: bool = True) -> list[Problem]:
    """What is not as signed: a ledger that was rewritten, and files in place.

    A version that was replaced since, by a run that the ledger records, is no problem.

    Args:
        project: whose.
        signed: what was signed.
        files: compare the files in place; False where no artifact is in place.
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
    for path, sha256 in signed.files.items() if files else ():
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
        if md5 is None:
            continue
        if not folder.is_dir() or tree_of(folder).digest.md5 != md5:
            raise LedgerError(
                f"data/{stage.name} is not the version that dvc.lock records, so it cannot be "
                "signed; `dvc pull` or `dvc checkout` brings it"
            )
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


def _files(project: Project) -> tuple[bytes, bytes] | None:
    """Statement and signature as they lie in the project; None if neither is there."""
    paths = [project.root / FOLDER / name for name in (STATEMENT, SIGNATURE)]
    missing = [path.name for path in paths if not path.is_file()]
    if len(missing) == 2:
        return None
    if missing:
        raise LedgerError(f"{FOLDER}/{missing[0]} is missing; `p4d audit sign` writes it")
    return paths[0].read_bytes(), paths[1].read_bytes()


def _fingerprint(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def _parsed(payload: bytes) -> Signed:
    try:
        return _signed(json.loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{FOLDER}/{STATEMENT} has another form ({error})") from error


def _signed(statement: Mapping[str, Any]) -> Signed:
    if not all(path.startswith("data/") for path in statement["files"]):
        raise ValueError("a signed file lies outside of data/")
    if statement["schema"] != SCHEMA:
        raise ValueError(f"schema {statement['schema']!r}")
    return Signed(
        head=statement["ledger_head"],
        lines=statement["ledger_lines"],
        at=statement["at"],
        stages=statement["stages"],
        files=statement["files"],
        key=statement.get("key", ""),
    )
