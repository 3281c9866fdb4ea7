"""Each line names the environment of its run; the list of its packages is kept, and proven."""

import hashlib
import importlib.metadata
import subprocess
import sys

import pytest

from p4d.audit.lookup.environment import environment_of
from p4d.audit.proof.verify import verify
from p4d.errors import LedgerError
from p4d.versioning.ledger import environment
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger


@pytest.fixture
def made(fake):
    fake.make("teach")
    return fake


def _record(fake):
    return next(r for r in Ledger(fake.project).records("materialization"))


def test_the_list_of_a_run_is_kept_under_the_digest_that_its_line_names(made):
    digest = _record(made)["env"]
    kept = made.root / environment.LISTS / f"{digest}.txt"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest
    names = environment.kept_list(made.project, digest)
    assert f"python=={sys.version.split()[0]}" in names
    assert f"polars=={importlib.metadata.version('polars')}" in names
    assert verify(made.project).ok


def test_a_line_names_the_lock_that_set_up_has_left(fake, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(fake.root / "venv"))
    environment.lock_digest.cache_clear()
    (fake.root / "venv").mkdir()
    (fake.root / "venv" / environment.LOCK_NAME).write_text("polars==1 --hash=sha256:0\n")
    fake.make("teach")
    environment.lock_digest.cache_clear()
    assert _record(fake)["env_lock"] == hashlib.sha256(b"polars==1 --hash=sha256:0\n").hexdigest()


def test_an_environment_from_elsewhere_has_no_lock(fake, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(fake.root / "venv"))
    environment.lock_digest.cache_clear()
    fake.make("teach")
    environment.lock_digest.cache_clear()
    assert _record(fake)["env_lock"] is None


def test_an_altered_list_and_a_file_among_the_lists_are_found(made):
    folder = made.root / environment.LISTS
    kept = next(folder.iterdir())
    kept.write_text(kept.read_text().replace("polars==", "polars==9"))
    (folder / "notes.txt").write_text("x")
    found = {(p.kind, p.path) for p in verify(made.project).problems}
    assert found == {
        ("altered", f"{environment.LISTS}/{kept.name}"),
        ("orphaned", f"{environment.LISTS}/notes.txt"),
    }
    with pytest.raises(LedgerError, match="was altered"):
        environment.kept_list(made.project, kept.stem)


def test_the_lists_are_anchored_with_the_ledger(made):
    commit = anchor(made.project, "test")
    shown = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", commit, environment.LISTS],
        cwd=made.root, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert shown == [f"{environment.LISTS}/{_record(made)['env']}.txt"]


def test_the_environment_of_a_version_is_printed_for_pip(made):
    text = environment_of(made.project, "teach")
    pins = [line for line in text.splitlines() if not line.startswith("#")]
    assert f"polars=={importlib.metadata.version('polars')}" in pins
    assert not any(pin.startswith(("python==", "p4d==")) for pin in pins)
    assert "here:" not in text  # made here, just now
    assert _record(made)["env"] in text


def test_what_differs_here_is_named(made, monkeypatch):
    now = environment.installed().replace("polars==", "polars==9")
    monkeypatch.setattr(environment, "installed", lambda: now)
    text = environment_of(made.project, "teach")
    version = importlib.metadata.version("polars")
    assert f"# here: not installed: polars=={version}" in text
    assert f"# here: installed beside: polars==9{version}" in text


def test_a_version_from_before_lists_were_kept_names_what_is_left(made):
    next((made.root / environment.LISTS).iterdir()).unlink()
    with pytest.raises(LedgerError, match=r"pyproject\.toml at commit"):
        environment_of(made.project, "teach")
    assert verify(made.project).ok
