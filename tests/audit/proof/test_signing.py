"""A signature with a key of a person: what it finds that the ledger's own witnesses cannot."""

import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from p4d.audit.proof.signing import (
    FOLDER,
    SIGNATURE,
    STATEMENT,
    check_signature,
    compare,
    sign,
    verify_signature,
)
from p4d.errors import LedgerError
from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import LEDGER_PATH
from p4d.versioning.run.run_stage import run_stage


def pem(private, folder, name):
    key, public = folder / f"{name}.key", folder / f"{name}.pub"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    of_public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(of_public)
    return key, public


@pytest.fixture
def signed(fake, tmp_path):
    """A project with a release and a student, and the two keys."""
    entry = f"{fake.package}.steps:teach"
    stages = tuple(
        Stage(name=name, group="fake", entry=entry, description=name, params=("expert",))
        for name in ("release", "student_p4d")
    )
    fake.project = Project(fake.root, (*fake.project.stages, *stages))
    for name in ("release", "student_p4d"):
        fake.make(name)
    keys = pem(Ed25519PrivateKey.generate(), tmp_path, "auditor")
    sign(fake.project, keys[0])
    return fake, keys


def faults(fake, public):
    found = compare(fake.project, verify_signature(fake.project, public))
    return [(each.kind, each.path) for each in found]


def test_it_holds_while_the_project_goes_on(signed):
    fake, (_, public) = signed
    statement = verify_signature(fake.project, public)
    assert set(statement.stages) == {"release", "student_p4d"}
    assert list(statement.files) == [
        "data/release/weights.safetensors", "data/student_p4d/weights.safetensors",
    ]  # fmt: skip
    assert faults(fake, public) == []
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    run_stage(fake.project, ArtifactKey("student_p4d"), run_id="later")
    assert faults(fake, public) == [], "a recorded later version is no fault"


def test_an_altered_file_is_named_and_a_missing_one(signed):
    fake, (_, public) = signed
    (fake.out("student_p4d") / "weights.safetensors").write_text("another")
    shutil.rmtree(fake.out("release"))
    assert sorted(faults(fake, public)) == [
        ("altered", "data/student_p4d/weights.safetensors"),
        ("missing", "data/release/weights.safetensors"),
    ]


def test_history_that_was_rewritten_whole_is_found(signed):
    """Ledger, branch and marker made anew, each consistent with the others: only the key knows."""
    fake, (_, public) = signed
    (fake.root / LEDGER_PATH).unlink()
    (fake.root / "dvc.lock").unlink()
    shutil.rmtree(fake.project.state)
    subprocess.run(["git", "branch", "-D", "p4d-ledger"], cwd=fake.root, capture_output=True)
    for name in ("release", "student_p4d"):
        fake.make(name)
    assert faults(fake, public) == [("altered", LEDGER_PATH)]


def test_without_a_key_a_signature_is_compared_and_its_owner_left_open(signed):
    fake, (_, public) = signed
    found = check_signature(fake.project, None)
    assert (found.ok, "signed by an unknown key (--public-key)" in found.text) == (True, True)
    assert "signed with auditor.pub at" in check_signature(fake.project, public).text
    # A clone without artifacts: the ledger alone is compared.
    shutil.rmtree(fake.out("release"))
    assert not check_signature(fake.project, None).ok
    assert "none of them here" in check_signature(fake.project, None, files=False).text
    lines = (fake.root / LEDGER_PATH).read_bytes().splitlines(keepends=True)
    (fake.root / LEDGER_PATH).write_bytes(b"".join(lines[:-1]))
    found = check_signature(fake.project, None, files=False)
    assert (found.ok, "NOT AS SIGNED" in found.text) == (False, True)
    shutil.rmtree(fake.root / FOLDER)
    assert check_signature(fake.project, None).ok
    with pytest.raises(LedgerError, match="is missing"):
        check_signature(fake.project, public)


def test_a_forged_statement_or_another_key_does_not_hold(signed, tmp_path):
    fake, (_, public) = signed
    _, stranger = pem(Ed25519PrivateKey.generate(), tmp_path, "stranger")
    with pytest.raises(LedgerError, match=r"signed by another key .* than stranger\.pub"):
        verify_signature(fake.project, stranger)
    path = fake.root / FOLDER / STATEMENT
    forged = json.loads(path.read_text())
    forged["ledger_lines"] += 1
    path.write_text(json.dumps(forged))
    with pytest.raises(LedgerError, match="or was altered since"):
        verify_signature(fake.project, public)
    (fake.root / FOLDER / SIGNATURE).unlink()
    with pytest.raises(LedgerError, match="`p4d audit sign` writes it"):
        verify_signature(fake.project, public)


def test_openssl_verifies_it_without_p4d(signed, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    fake, (_, public) = signed
    folder = fake.root / FOLDER
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    command += ["-in", folder / STATEMENT, "-sigfile", folder / SIGNATURE]
    assert subprocess.run(command, capture_output=True).returncode == 0
    (folder / STATEMENT).write_bytes((folder / STATEMENT).read_bytes() + b" ")
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_keys_that_are_none_are_named(signed, tmp_path):
    fake, (key, public) = signed
    wrong, wrong_public = pem(ec.generate_private_key(ec.SECP256R1()), tmp_path, "wrong")
    with pytest.raises(LedgerError, match="is no Ed25519 key"):
        sign(fake.project, wrong)
    with pytest.raises(LedgerError, match="is no Ed25519 key"):
        verify_signature(fake.project, wrong_public)
    with pytest.raises(LedgerError, match="no private key that can be read"):
        sign(fake.project, public)
    with pytest.raises(LedgerError, match="no public key that can be read"):
        verify_signature(fake.project, key)


def test_what_is_not_here_as_recorded_is_not_signed(signed):
    fake, (key, _) = signed
    (fake.out("release") / "weights.safetensors").write_text("another")
    with pytest.raises(LedgerError, match=r"data/release is not the version that dvc\.lock"):
        sign(fake.project, key)
    shutil.rmtree(fake.out("release"))
    with pytest.raises(LedgerError, match="`dvc pull` or `dvc checkout` brings it"):
        sign(fake.project, key)


def test_an_empty_ledger_is_not_signed(fake, tmp_path):
    key, _ = pem(Ed25519PrivateKey.generate(), tmp_path, "early")
    with pytest.raises(LedgerError, match="the ledger is empty"):
        sign(fake.project, key)
