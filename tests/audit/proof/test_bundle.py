"""A bundle proves itself with Python alone, and no flipped byte goes unseen."""

import json
import subprocess
import sys
import zipfile

import pytest

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.audit.proof.bundle import write_bundle
from p4d.errors import LedgerError
from p4d.ids import sha256_file
from p4d.versioning.dvc.cache import object_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), 4 * QUESTIONS_PER_CLIP).write()


def verify(folder, *arguments):
    """Run the bundle's own verifier in a bare interpreter: no packages, no environment."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), str(folder), *arguments],
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
    if ":" in identifier or "_" in identifier:
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
    assert verify(folder)[0] == 0
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
