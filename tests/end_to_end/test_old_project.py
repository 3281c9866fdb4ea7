"""A project that version 0.1 made opens with today's code.

`project_0_1.tar.xz` holds what version 0.1 (commit daef268) wrote for two simulated videos of 32 px
and 2 s (`p4d world --seed 1` and `2`), up to three releases of one shard: data, ledger, dvc.lock,
and the cache objects of superseded versions. The expert's files are those of the package and are
not in the archive.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from p4d.version import __version__

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = (
    "p4d",
    "assets",
    "dagster_project",
    "sql",
    "reviews",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
)
SHARD = "0001-7b87254f"
QUESTION = "qa_00afd7f1b5b39718"
FIRST_RELEASE = "55520da54aac3cad6d2df39627f8d690"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(Path(__file__).with_name("project_0_1.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    root = folder / "project"
    for name in CODE:
        source = REPOSITORY / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, root / name)
    _restore_expert(root)
    _fill_cache(root)
    # Version 0.1 knew fewer parameters: a user adds the new ones that the error names.
    shutil.copyfile(REPOSITORY / "params.yaml", root / "params.yaml")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Today's code"]):
        identity = ["-c", "user.name=p4d", "-c", "user.email=p4d@localhost"]
        subprocess.run(["git", *identity, *command], cwd=root, check=True)
    return root


def _restore_expert(root: Path) -> None:
    embedded = REPOSITORY / "p4d" / "teachers" / "expert4d" / "embedded"
    for name in ("config.json", "curve.csv", "latent_stats.safetensors", "weights.safetensors"):
        shutil.copyfile(embedded / name, root / "data" / "expert" / name)


def _fill_cache(root: Path) -> None:
    for path in [p for p in (root / "data").rglob("*") if p.is_file()]:
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        stored = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        if not stored.exists():
            stored.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, stored)
    (root / ".dvc" / "config").touch()


def p4d(root: Path, *arguments: str, status: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-m", "p4d.cli", *arguments],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def lines_of_the_ledger(root: Path) -> list[dict]:
    return [json.loads(line) for line in (root / "data/ledger/ledger.jsonl").open()]


def test_every_byte_is_verified(root):
    assert p4d(root, "audit", "verify").startswith("OK")


def test_artifacts_are_stale_for_reasons_and_none_is_an_error(root):
    report = p4d(root, "status")
    stale = [line for line in report.splitlines() if line.startswith(f"questions@{SHARD}")]
    assert len(stale) == 1
    assert "stale" in stale[0]
    assert "code" in stale[0]


def test_after_an_upgrade_the_status_names_the_version_that_made_what_is_stale(root):
    first = p4d(root, "status").splitlines()[0]
    assert re.fullmatch(
        rf"this is p4d {re.escape(__version__)}; of the artifacts below, "
        r"other versions made: \d+ by 0\.1",
        first,
    )


def test_after_an_upgrade_a_line_is_short_and_all_reasons_can_be_listed(root):
    short, full = p4d(root, "status").splitlines(), p4d(root, "status", "--all").splitlines()
    assert [line.split(": ")[0] for line in short] == [line.split(": ")[0] for line in full]
    assert max(map(len, short)) < 600
    assert max(line.count("code changed: p4d/") for line in full) > 10
    for line, all_reasons in zip(short, full, strict=True):
        counted = re.search(r"code changed: (\d+) files \((.*?), \.\.\.\)", line)
        if counted:
            assert int(counted[1]) == all_reasons.count("code changed: ")
            assert len(counted[2].split(", ")) == 3
    assert any(" files (" in line for line in short)


def test_a_question_is_explained_down_to_its_video(root):
    explained = p4d(root, "why", QUESTION)
    for name in (f"questions@{SHARD}", f"labels@{SHARD}", "w2.mp4"):
        assert name in explained


def test_a_bundle_of_lines_without_a_schema_proves_itself(root, tmp_path):
    assert not any("schema" in record for record in lines_of_the_ledger(root))
    p4d(root, "audit", "bundle", FIRST_RELEASE[:12], "-o", str(tmp_path / "old.zip"))
    shutil.unpack_archive(tmp_path / "old.zip", tmp_path / "old")
    done = subprocess.run(
        [sys.executable, "verify.py"],
        cwd=tmp_path / "old", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("OK")


def test_a_superseded_release_is_restored(root, tmp_path):
    p4d(root, "restore", "release", str(tmp_path / "release"), "--at", FIRST_RELEASE[:12])
    manifest = json.loads((tmp_path / "release" / "manifest.json").read_text())
    assert [shard["shard"] for shard in manifest["shards"]] == [SHARD]


def test_the_ledger_goes_on(root):
    before = lines_of_the_ledger(root)
    # Today's checks never ran on the old versions, so the chain starts at its first stage.
    p4d(root, "stage", "videos", "--shard", SHARD)
    p4d(root, "stage", "clips", "--shard", SHARD)
    after = lines_of_the_ledger(root)
    assert after[: len(before)] == before
    made = [record for record in after[len(before) :] if record["kind"] == "materialization"]
    assert [record["stage"] for record in made] == ["videos", "clips"]
    assert {record["schema"] for record in after[len(before) :]} == {2}
    assert {record["package"]["version"] for record in made} == {__version__}
    # Entries of version 0.1, which named each file of code, are written in today's form.
    lock = (root / "dvc.lock").read_text()
    assert lock.count("path: .code/") == lock.count("    cmd: ") > len(made)
    assert "path: p4d/" not in lock
    assert p4d(root, "audit", "verify").startswith("OK")
