"""The verifier of a bundle checks who signed: it needs Python alone, and names what is wrong."""

import base64
import hashlib
import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.audit.proof import bundle_verifier
from p4d.audit.proof.bundle import write_bundle
from p4d.audit.proof.signing import FOLDER, sign
from p4d.errors import LedgerError
from p4d.ids import canonical_json
from p4d.versioning.ledger.ledger import Ledger
from tests.audit.proof.test_bundle import edit, recompute_sums, unpack, verify
from tests.audit.proof.test_signing import pem

NUMBER = "evaluation:p4d/Average"


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A signed project, an unpacked bundle of it, and files of two keys."""
    home = tmp_path_factory.mktemp("signed")
    own = QuestionsProject(home / "project", QUESTIONS_PER_CLIP).write()
    private = Ed25519PrivateKey.generate()
    key, public = pem(private, home, "auditor")
    stranger = Ed25519PrivateKey.generate()
    _, other = pem(stranger, home, "stranger")
    sign(own.project, key)
    write_bundle(own.project, NUMBER, home / "b.zip")
    return own.project, unpack(home / "b.zip", home / "b"), public, other, private, stranger


@pytest.fixture
def forged(signed, tmp_path):
    """A copy of the bundle to forge, and the auditor's key."""
    return shutil.copytree(signed[1], tmp_path / "forged"), str(signed[2])


def last(text):
    return text.splitlines()[-1]


def test_a_signed_bundle_is_proven_with_the_auditors_key(signed):
    _, folder, public, *_ = signed
    status, text = verify(folder, "--public-key", str(public))
    assert status == 0, text
    assert "with the key that you gave" in text
    assert "and the files of release, student_p4d" in text.replace("student_blind, ", "")
    status, text = verify(folder)
    assert status == 0
    assert "the signature was not checked, as you gave no --public-key" in text


def remove_signature(folder):
    shutil.rmtree(folder / FOLDER)
    edit(folder / "bundle.json", lambda about: about.update(schema=2))


def test_a_signature_that_was_removed_is_missing(forged):
    folder, key = forged
    remove_signature(folder)
    recompute_sums(folder)
    assert verify(folder)[0] == 0, "the bundle alone shows no fault"
    status, text = verify(folder, "--public-key", key)
    assert (status, "FAULT: signature missing:" in text) == (1, True), text


def test_a_signature_of_somebody_else_is_foreign(signed, forged):
    folder, key = forged
    status, text = verify(folder, "--public-key", str(signed[3]))
    assert (status, "FAULT: signature foreign: made with key" in text) == (1, True), text
    # Somebody signs the same statement anew, under his own name.
    statement = json.loads((folder / FOLDER / "statement.json").read_text())
    statement["key"] = hashlib.sha256(signed[5].public_key().public_bytes_raw()).hexdigest()
    payload = canonical_json(statement).encode() + b"\n"
    (folder / FOLDER / "statement.json").write_bytes(payload)
    (folder / FOLDER / "statement.sig").write_bytes(signed[5].sign(payload))
    recompute_sums(folder)
    assert verify(folder, "--public-key", str(signed[3]))[0] == 0
    status, text = verify(folder, "--public-key", key)
    assert (status, "FAULT: signature foreign: made with key" in text) == (1, True), text


def later(folder):
    edit(folder / FOLDER / "statement.json", lambda statement: statement.update(at="2031-01-01"))


def flipped(folder):
    path = folder / FOLDER / "statement.sig"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


BROKEN = {
    "a flipped bit": flipped,
    "a signature cut short": lambda f: (f / FOLDER / "statement.sig").write_bytes(b"x" * 63),
    "another statement": later,
    "no statement": lambda f: (f / FOLDER / "statement.json").unlink(),
    "no signature": lambda f: (f / FOLDER / "statement.sig").unlink(),
    "a list": lambda f: (f / FOLDER / "statement.json").write_text("[]"),
    "a text for a number": lambda f: edit(
        f / FOLDER / "statement.json", lambda s: s.update(ledger_lines="9")
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_signature_is_named(forged, kind):
    folder, key = forged
    BROKEN[kind](folder)
    recompute_sums(folder)
    status, text = verify(folder, "--public-key", key)
    assert (status, "FAULT: signature broken:" in text) == (1, True), text


def rewritten(folder):
    """History as it might have been: one check passed, and every hash after it is right again."""
    path = folder / "ledger.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    materialization = next(r for r in records if r["kind"] == "materialization")
    materialization["metrics"] = {"best": 1}
    lines, previous = [], "0" * 64
    for record in records:
        record["prev"] = previous
        line = canonical_json(record).encode()
        lines.append(line)
        previous = hashlib.sha256(line).hexdigest()
    path.write_bytes(b"\n".join(lines) + b"\n")

    def change(about):
        about["head"] = previous
        for version in about["versions"]:
            line = lines[version["line"] - 1]
            version["line_sha256"] = hashlib.sha256(line).hexdigest()

    edit(folder / "bundle.json", change)
    recompute_sums(folder)


def test_history_that_was_rewritten_whole_is_found_by_the_signature_alone(forged):
    folder, key = forged
    remove_signature(folder)
    rewritten(folder)
    assert verify(folder)[0] == 0, "a chain cannot prove that it is the only one"
    status, text = verify(folder, "--public-key", key)
    assert (status, "signature missing" in text) == (1, True), text


def test_history_that_was_rewritten_around_the_signature_is_found(forged):
    folder, key = forged
    rewritten(folder)
    for arguments in ((), ("--public-key", key)):
        status, text = verify(folder, *arguments)
        assert (status, "does not continue the signed" in text) == (1, True), text


def test_a_signed_file_that_the_bundle_leaves_out_is_compared_too(forged):
    folder, key = forged

    def other_weights(about):
        (version,) = [v for v in about["versions"] if v["key"] == "release"]
        (file,) = [each for each in version["files"] if each["path"] == "questions.parquet"]
        assert not (folder / "objects" / file["md5"][:2] / file["md5"][2:]).exists()
        file["sha256"] = "1" * 64

    edit(folder / "bundle.json", other_weights)
    recompute_sums(folder)
    status, text = verify(folder, "--public-key", key)
    assert (status, "of release is not what was signed" in text) == (1, True), text


def test_what_was_recorded_after_the_signature_is_not_signed(tmp_path):
    own = QuestionsProject(tmp_path / "project", QUESTIONS_PER_CLIP).write()
    key, public = pem(Ed25519PrivateKey.generate(), tmp_path, "auditor")
    project = own.project
    path = project.root / "data" / "ledger" / "ledger.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    made = [number for number, line in enumerate(lines) if b'"kind":"materialization"' in line]
    path.write_bytes(b"".join(lines[: made[-1]]))
    sign(project, key)
    path.write_bytes(whole)
    assert Ledger(project).verify_chain().ok
    written = write_bundle(project, "decision_1", tmp_path / "b.zip")
    assert f"signed up to line {made[-1]} of the ledger" in str(written)
    status, text = verify(unpack(written.path, tmp_path / "b"), "--public-key", str(public))
    assert status == 2, text
    assert f"were recorded after line {made[-1]}" in last(text)


def test_a_signature_of_another_ledger_stops_the_bundle(signed, tmp_path):
    own = QuestionsProject(tmp_path / "project", 2 * QUESTIONS_PER_CLIP).write()
    shutil.copytree(signed[0].root / FOLDER, own.project.root / FOLDER)
    with pytest.raises(LedgerError, match="the ledger does not continue the one that"):
        write_bundle(own.project, NUMBER, tmp_path / "b.zip")
    (own.project.root / FOLDER / "statement.sig").unlink()
    with pytest.raises(LedgerError, match=r"statement\.sig is missing"):
        write_bundle(own.project, NUMBER, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"-----BEGIN PUBLIC KEY-----\nAAAA\n", None])
def test_a_file_that_is_no_key_is_named(signed, tmp_path, content):
    path = tmp_path / "key.pub"
    if content is not None:
        path.write_bytes(content)
    status, text = verify(signed[1], "--public-key", str(path))
    assert (status, "cannot be read as a key" in text) == (1, True), text


# RFC 8032, section 7.1: public key, message, signature.
VECTORS = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6594a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS)
def test_signatures_of_the_standard_hold_and_no_other(vector):
    key, message, signature = map(bytes.fromhex, vector)
    holds = bundle_verifier.signature_holds
    assert holds(key, message, signature)
    assert not holds(key, message + b"x", signature)
    for place in (0, 31, 32, 63):
        wrong = bytearray(signature)
        wrong[place] ^= 1
        assert not holds(key, message, bytes(wrong)), place
    # The same signature with a scalar that is larger by the order of the group.
    scalar = int.from_bytes(signature[32:], "little") + bundle_verifier.ORDER
    assert not holds(key, message, signature[:32] + scalar.to_bytes(32, "little"))
    assert not holds(b"\xff" * 32, message, signature)


def test_it_agrees_with_the_library_that_signs(tmp_path):
    for number in range(8):
        private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest())
        _, public = pem(private, tmp_path, str(number))
        raw = private.public_key().public_bytes_raw()
        assert bundle_verifier.read_key(str(public)) == raw
        message = bytes([number]) * number * 100
        assert bundle_verifier.signature_holds(raw, message, private.sign(message))
    assert base64.b64encode(raw).decode()[-5:] in public.read_text()
