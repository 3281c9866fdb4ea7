"""The locks of `requirements/` are complete and hold what pyproject.toml asks for."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import lock

NAMES = ("build", "run", "dev", "torch-cpu", "torch-cuda", "tools")


def _versions(*names: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        for item in lock.read(lock.FOLDER / f"{name}.txt"):
            found.setdefault(item.name, set()).add(item.version)
    return found


def test_each_direct_pin_is_locked_in_its_version():
    locked = _versions("build", "run", "dev", "torch-cuda")
    pins = lock.direct_pins()
    assert len(pins) > 40
    assert {name: {version} for name, version in pins.items()} == {
        name: locked.get(name) for name in pins
    }


@pytest.mark.parametrize("extra", ["view", "s3", "ray", "postgres"])
def test_an_extra_agrees_with_the_locks(extra: str):
    """Its packages come into an environment that was made from the locks."""
    locked = _versions("run", "dev")
    for name, version in lock.direct_pins(extras=(extra,)).items():
        assert locked.get(name, {version}) == {version}


def test_the_running_environment_has_all_that_the_library_names_and_no_tool_of_developers():
    running = _versions("build", "run", "torch-cuda")
    assert {"dagster", "polars", "torch", "setuptools"} <= running.keys()
    assert not {"pytest", "mypy", "ruff", "moto", "nbclient"} & running.keys()


def test_both_builds_of_torch_have_the_pinned_version():
    version = lock.direct_pins()["torch"]
    assert _versions("torch-cuda")["torch"] == {version}
    assert _versions("torch-cpu")["torch"] == {version, f"{version}+cpu"}
    assert set(_versions("torch-cpu")) == {"torch"}  # without CUDA's libraries


@pytest.mark.parametrize("name", NAMES)
def test_every_requirement_is_exact_and_has_hashes(name: str):
    path = lock.FOLDER / f"{name}.txt"
    items = lock.read(path)
    assert items
    assert [item.name for item in items if not item.hashes] == []
    assert all(re.fullmatch(r"[0-9][0-9A-Za-z.+]*", item.version) for item in items)
    # Nothing escapes the reader: every line that is no comment belongs to one requirement.
    lines = [x for x in path.read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    assert lines == [line for item in items for line in item.text.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_no_index_and_no_place_of_a_machine(name: str):
    text = (lock.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|[ ='\"]/[a-z]", text)


def test_a_requirement_is_in_one_file_of_an_environment():
    files = [{item.name for item in lock.read(lock.FOLDER / f"{n}.txt")} for n in NAMES[:3]]
    assert not files[0] & files[1] | files[1] & files[2] | files[0] & files[2]


def test_the_reader_finds_two_versions_for_two_pythons(tmp_path: Path):
    path = tmp_path / "lock.txt"
    one, two = "a" * 64, "b" * 64
    path.write_text(
        "# head\n"
        f"zc.lockfile==4.0 ; python_version < '3.12' \\\n    --hash=sha256:{one} \\\n"
        f"    --hash=sha256:{two}\n    # via x\nzc-lockfile==4.1 \\\n    --hash=sha256:{two}\n"
        "bare==1.0\n"
    )
    found = [(item.name, item.version, len(item.hashes)) for item in lock.read(path)]
    assert found == [("zc-lockfile", "4.0", 2), ("zc-lockfile", "4.1", 1), ("bare", "1.0", 0)]


def test_pip_accepts_the_locks_as_hashed_requirements():
    """pip's own reader, which refuses in this mode whatever has no hash or no exact version."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index"]
    command += ["--require-hashes", "--quiet", "--disable-pip-version-check"]
    for name in ("build", "run", "dev"):
        command += ["-r", str(lock.FOLDER / f"{name}.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # all installed in these versions: nothing to load


def test_all_that_the_library_imports_is_in_the_running_environment():
    """Also imports inside functions: who runs, labels or evaluates has no tools of developers."""
    imported: dict[str, str] = {}
    for folder in ("p4d", "assets", "dagster_project"):
        for path in (lock.ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names.append(node.module or "")
                imported.update((name.partition(".")[0], path.name) for name in names)
    own = {"p4d", "assets", "dagster_project", *sys.stdlib_module_names}
    own |= {
        "cv2",
        "ray",
        "rerun",
        "psycopg2",
        "dagster_postgres",
    }  # of extras: who lacks them is told which
    owners = importlib.metadata.packages_distributions()
    running = _versions("build", "run", "torch-cpu").keys()
    assert {"polars", "torch", "dagster"} <= imported.keys()
    assert {
        name: path
        for name, path in imported.items()
        if name not in own and not {lock.normalized(x) for x in owners.get(name, ())} & running
    } == {}
