"""A bundle proves itself with Python alone, and no flipped byte goes unseen."""

import json
import shutil
import subprocess
import sys
import warnings
import zipfile

import pytest

from benchmarks.synthetic.large_bundle import write_large_bundle
from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from benchmarks.trust.memory import verifier_memory
from p4d.audit.proof.bundle import write_bundle
from p4d.errors import LedgerError
from p4d.ids import sha256_file
from p4d.versioning.dvc.cache import object_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), 4 * QUESTIONS_PER_CLIP).write()


def verify(folder, *arguments, program=None):
    """Run the bundle's own verifier in a bare interpreter: no packages, no environment."""
    program = program or folder / "verify.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program), str(folder), *arguments],
        capture_output=True, text=True, env={}, cwd="/",
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def unpack(path, folder):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def bundle(made, tmp_path):
    written = write_bundle(made.project, "decision_1", tmp_path / "b.zip", with_data=True)
    return unpack(tmp_path / "b.zip", tmp_path / "b"), written


@pytest.mark.parametrize(
    "identifier", ["decision_1", "evaluation:p4d/Counting", "evaluation:gain/value", "release"]
)
def test_a_bundle_proves_itself_with_python_alone(made, tmp_path, identifier):
    written = write_bundle(made.project, identifier, tmp_path / "b.zip")
    folder = unpack(written.path, tmp_path / "b")
    status, text = verify(folder, "--head", written.head)
    assert status == 0, text
    assert "OK: the bundle proves itself" in text
    assert "the one you were given" in text
    if identifier != "release":
        assert "claimed and found in" in text
    # The archive needs no unpacking.
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), str(written.path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_question_is_proven_with_the_versions_it_rests_on_alone(made, tmp_path):
    qa_id = made.questions["qa_id"][0]
    write_bundle(made.project, qa_id, tmp_path / "b.zip", with_data=True)
    folder = unpack(tmp_path / "b.zip", tmp_path / "b")
    status, text = verify(folder)
    # Its row is in a Parquet file, which Python alone cannot read: the last line says so.
    assert status == 2, text
    assert text.splitlines()[-1].startswith("proven but for the claim: it is in questions.parquet")
    assert "OK" not in text
    about = json.loads((folder / "bundle.json").read_text())
    stages = {version["key"].partition("@")[0] for version in about["versions"]}
    assert "questions" in stages
    assert "student_p4d" not in stages


def test_equal_records_give_equal_bytes(made, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(made.project, "evaluation", tmp_path / name, with_data=True)
    assert sha256_file(tmp_path / "a.zip") == sha256_file(tmp_path / "b.zip")


def test_a_flipped_byte_anywhere_is_found(bundle):
    folder, _ = bundle
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "verify.py"]
    kinds = {}
    for path in files:
        kinds.setdefault(path.relative_to(folder).parts[0], []).append(path)
    for paths in kinds.values():
        for path in {paths[0], paths[-1]}:
            whole = path.read_bytes()
            for place in {0, len(whole) // 2, len(whole) - 1}:
                damaged = bytearray(whole)
                damaged[place] ^= 1
                path.write_bytes(damaged)
                status, text = verify(folder)
                assert status == 1, (path, place, text)
            path.write_bytes(whole)
    assert verify(folder)[0] == 0


def recompute_sums(folder):
    """What somebody does who forges a bundle and knows how it is made."""
    names = sorted(
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "SHA256SUMS"
    )
    text = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text(text)


def edit(path, change):
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


@pytest.mark.attack("H3")
def test_forged_claims_lineages_and_ledgers_are_found(bundle):
    folder, written = bundle
    about = folder / "bundle.json"
    whole, ledger = about.read_bytes(), (folder / "ledger.jsonl").read_bytes()

    def fails(match, *arguments):
        recompute_sums(folder)
        status, text = verify(folder, *arguments)
        assert status == 1
        assert match in text, text
        about.write_bytes(whole)
        (folder / "ledger.jsonl").write_bytes(ledger)

    edit(about, lambda a: a["claim"]["says"].update(decision="refused"))
    fails("does not say what is claimed")
    edit(about, lambda a: a["versions"].pop(0))
    fails("which is not in the lineage before it")
    edit(about, lambda a: a["versions"][2]["files"][0].update(sha256="0" * 64))
    fails("has another SHA-256 than listed")
    edit(about, lambda a: a["versions"][1].update(line=1))
    fails("does not say that")
    edit(about, lambda a: a["sources"][0].update(video_id="vid_0000000000000000"))
    fails("is not the id of")
    lines = ledger.splitlines(keepends=True)
    (folder / "ledger.jsonl").write_bytes(b"".join(lines[:1] + lines[2:]))
    fails("does not follow from the line before it")
    # A ledger that was cut at its end is a chain too: only the head tells.
    shorter = b"".join(lines[:-1])
    (folder / "ledger.jsonl").write_bytes(shorter)
    fails("the bundle says")
    fails("you were given", "--head", "0" * 64)
    recompute_sums(folder)
    assert verify(folder, "--head", written.head)[0] == 0


def test_missing_bytes_are_refused_not_left_out(tmp_path):
    own = QuestionsProject(tmp_path / "project", QUESTIONS_PER_CLIP).write()
    object_path(own.project.root, own.md5["release"]).unlink()
    with pytest.raises(LedgerError, match=r"files of release .* are not in the cache"):
        write_bundle(own.project, "release", tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


# --- forgeries: SHA256SUMS is written again, and the true head is given ---------------------------

NUMBER = "evaluation:p4d/Average"


@pytest.fixture(scope="module")
def genuine(made, tmp_path_factory):
    """An unpacked bundle of a number, and the head of its ledger."""
    folder = tmp_path_factory.mktemp("genuine")
    written = write_bundle(made.project, NUMBER, folder / "b.zip", with_data=True)
    return unpack(written.path, folder / "b"), written.head


def claim(**changes):
    return lambda about: about["claim"].update(changes)


def says(**values):
    return lambda about: about["claim"]["says"].update(values)


def licences(about):
    for row in about["sources"]:
        row["licence"] = "CC0 (owned by us)"


def invented(about):
    sha256 = "ab" * 32
    row = {**about["sources"][0], "video_id": "vid_" + sha256[:16], "sha256": sha256}
    about["sources"].append(row)


FORGERIES = {
    "f1 another value": (says(accuracy=0.97), "does not say what is claimed"),
    "f2 no file": (lambda a: (claim(file="")(a), says(value=0.97)(a)), "has no file"),
    "f2 no file, null": (lambda a: (claim(file=None)(a), says(value=0.97)(a)), "has no file"),
    "f2 a Parquet file": (
        lambda a: (claim(file="videos.parquet")(a), says(accuracy=1)(a)), "has no file"),
    "f3 words beside the value": (says(meaning="P4D reaches 0.97"), "does not say what is claimed"),
    "f3 words alone": (claim(says={"meaning": "P4D reaches 0.97"}), "does not say what is claimed"),
    "f3 a key less": (lambda a: a["claim"]["says"].pop("low"), "does not say what is claimed"),
    "f3 a number as text": (says(accuracy="0.5"), "does not say what is claimed"),
    "f3 true as one": (says(n=True), "does not say what is claimed"),
    "f4 a sentence as id": (
        claim(id="P4D answers 97 of 100 questions right", says={}), "is no number of evaluation"),
    "f4 a sentence as artifact": (
        claim(id="P4D answers 97 of 100", says={}, kind="artifact", file=None), "is no artifact"),
    "f4 says nothing": (claim(says={}), "has no file"),
    "f4 another path": (claim(id="evaluation:sft/Best"), "does not say what is claimed"),
    "f4 another stage": (claim(id="champion:p4d/Average"), "is no number of evaluation"),
    "f4 a row": (claim(id="qa_0123456789abcdef", kind="question"), "is not about qa_01"),
    "f6 no sources": (lambda a: a.update(sources=[]), "not those of its manifest"),
    "f6 a source less": (lambda a: a["sources"].pop(), "not those of its manifest"),
    "f6 no sources, no key": (lambda a: a.pop("sources"), "needs the keys"),
    "f7 other licences": (licences, "not those of its manifest"),
    "f8 an invented video": (invented, "not those of its manifest"),
    "f8 in an invented shard": (
        lambda a: a["sources"].append({**a["sources"][0], "shard": "9"}), "no version read them"),
    "f8 a field more": (lambda a: a["sources"][0].update(owner="us"), "a source needs the keys"),
    "words beside the lineage": (lambda a: a.update(summary="97 %"), "needs the keys"),
    "words beside a version": (lambda a: a["versions"][0].update(note="x"), "needs the keys"),
    "another number of lines": (lambda a: a.update(lines=1), "the bundle says 1"),
    "another hash of a line": (
        lambda a: a["versions"][0].update(line_sha256="0" * 64), "another SHA-256 than listed"),
    "another size": (lambda a: a["versions"][0]["files"][0].update(nbytes=5), "listed are 5"),
    "a version twice": (lambda a: a["versions"].append(a["versions"][0]), "is listed twice"),
    "a file twice": (
        lambda a: a["versions"][0]["files"].append(a["versions"][0]["files"][0]), "not those of"),
    "no claim": (lambda a: a.update(claim={}), "the claim needs"),
    "a claimed version that is none": (
        lambda a: a["claim"]["version"].update(md5="0" * 32 + ".dir"), "is not in the lineage"),
    "an MD5 that is a path": (
        lambda a: a["versions"][0]["files"][0].update(md5="../../../../etc/passwd"), "is no MD5"),
    "another form": (lambda a: a.update(schema=4), "has schema 4"),
}  # fmt: skip


@pytest.mark.attack("H3")
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_description_is_found_with_the_true_head(genuine, tmp_path, forgery):
    change, match = FORGERIES[forgery]
    folder, head = genuine
    forged = shutil.copytree(folder, tmp_path / "forged")
    edit(forged / "bundle.json", change)
    recompute_sums(forged)
    status, text = verify(forged, "--head", head)
    assert status == 1, text
    assert match in text
    assert "OK" not in text


def first(folder, pattern):
    return sorted(folder.glob(pattern))[0]


FILES = {
    "f9 an empty manifest": (
        lambda f: first(f, "manifests/*").write_text("{}"), "not the manifest that the ledger"),
    "f9 another licence in manifest and sources": (
        lambda f: [p.write_text(p.read_text().replace("CC0-1.0", "owned-by-us"))
                   for p in (first(f, "manifests/*"), f / "bundle.json")],
        "not the manifest that the ledger"),
    "f9 a manifest of no shard": (
        lambda f: (f / "manifests" / "x.json").write_text("{}"), "belongs to no version"),
    "an object of no version": (
        lambda f: (f / "objects" / "d4" / "1d8cd98f00b204e9800998ecf8427e").write_text(""),
        "belongs to no version"),
    "a note": (lambda f: (f / "RESULT.txt").write_text("OK"), "belongs to no version"),
    "a key twice": (
        lambda f: (f / "bundle.json").write_text(
            (f / "bundle.json").read_text().replace('"lines"', '"lines": 0, "lines"', 1)),
        "has a key twice"),
    "deep JSON": (lambda f: (f / "bundle.json").write_text("[" * 10**6), "RecursionError"),
    "no JSON": (lambda f: (f / "bundle.json").write_bytes(b"\xff"), "is damaged"),
    "a list": (lambda f: (f / "bundle.json").write_text("[]"), "is damaged"),
    "no verifier": (lambda f: (f / "verify.py").unlink(), "verify.py is missing"),
}  # fmt: skip


@pytest.mark.attack("H3")
@pytest.mark.parametrize("forgery", FILES)
def test_forged_files_are_found_with_the_true_head(genuine, tmp_path, forgery):
    change, match = FILES[forgery]
    folder, head = genuine
    forged = shutil.copytree(folder, tmp_path / "forged")
    (forged / "objects" / "d4").mkdir(exist_ok=True)
    change(forged)
    recompute_sums(forged)
    status, text = verify(forged, "--head", head, program=folder / "verify.py")
    assert (status, "OK" in text.splitlines()[-1]) == (1, False), text
    assert match in text


def test_another_sha256_of_a_file_and_a_missing_manifest_are_not_proven(genuine, tmp_path):
    folder, head = genuine
    forged = shutil.copytree(folder, tmp_path / "forged")
    edit(forged / "bundle.json", lambda a: a["versions"][0]["files"][0].update(sha256="1" * 64))
    recompute_sums(forged)
    assert "has another SHA-256 than listed" in verify(forged, "--head", head)[1]  # f10
    bare = shutil.copytree(folder, tmp_path / "bare")
    shutil.rmtree(bare / "manifests")
    edit(bare / "bundle.json", lambda a: a.update(sources=[]))
    recompute_sums(bare)
    status, text = verify(bare, "--head", head)
    assert status == 2
    assert text.splitlines()[-1].startswith("proven but for the sources of videos@")


@pytest.mark.attack("M3")
def test_what_a_bundle_says_is_printed_without_control_codes(genuine, tmp_path):
    folder, head = genuine
    forged = shutil.copytree(folder, tmp_path / "forged")
    fake = "\x1b[1A\x1b[2K\rOK: the bundle proves itself\x1b[8m\n\u202eOK"
    edit(forged / "bundle.json", lambda a: a["claim"]["says"].update(accuracy=fake))
    (forged / f"evil{fake}").write_text("x")
    recompute_sums(forged)
    status, text = verify(forged, "--head", head)
    assert status == 1
    assert set(text) <= set(map(chr, range(32, 127))) | {"\n"}
    assert not any(line.startswith("OK") for line in text.splitlines())


@pytest.mark.attack("M3")
@pytest.mark.parametrize("kind", ["missing", "text", "truncated", "compressed", "twice"])
def test_what_is_no_archive_of_a_bundle_is_named(genuine, tmp_path, kind):
    folder, _ = genuine
    path = tmp_path / "b.zip"
    if kind == "text":
        path.write_text("no archive")
    elif kind == "truncated":
        path.write_bytes((folder.parent / "b.zip").read_bytes()[:-30])
    elif kind in ("compressed", "twice"):
        how = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", how) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr("bundle.json", "{}" * 100)
            archive.writestr("bundle.json", "{}" * 100)
    status, text = verify(path, program=folder / "verify.py")
    assert status == 1
    assert text.startswith("FAULT: ")
    assert "cannot be read as a bundle" in text


def test_wrong_usage_is_not_mistaken_for_a_result(genuine):
    done = subprocess.run(
        [sys.executable, "-I", str(genuine[0] / "verify.py"), "--no-such-option"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "usage" in done.stderr


@pytest.mark.attack("M3")
def test_a_large_object_needs_little_memory(tmp_path):
    """One version with a file of 300 MB, of which the verifier holds one chunk at a time."""
    nbytes = 300 << 20
    folder = tmp_path / "big"
    write_large_bundle(folder, nbytes)
    status, peak_mb = verifier_memory(folder / "verify.py", folder)
    assert status == 0
    assert peak_mb < 50  # 200 MB is the promise
    # An object that is larger than listed is not read at all.
    edit(folder / "bundle.json", lambda a: a["versions"][0]["files"][0].update(nbytes=7))
    status, text = verify(folder)
    assert status == 1
    assert f"has {nbytes} bytes, listed are 7" in text
