"""What a figure was measured on, and where it is recorded."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from p4d.artifacts import read_json, write_json
from p4d.errors import ContractError

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results"


_PACKAGES = ("dagster", "dvc", "torch", "mujoco")
_VERSIONS = (
    "import importlib.metadata as m, platform; print(platform.python_version(), "
    f"*[m.version(name) for name in {_PACKAGES}])"
)


def describe(root: Path, python: Path | None = None) -> dict[str, object]:
    """Return processor, cores, memory, Python, main packages and the commit of the tree.

    Args:
        root: the tree.
        python: the interpreter that was measured; default: this one.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    asked = [str(python or sys.executable), "-c", _VERSIONS]
    answer = subprocess.run(asked, capture_output=True, check=True).stdout
    version, *packages = answer.decode().split()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "python": version,
        "packages": dict(zip(_PACKAGES, packages, strict=True)),
        "commit": commit.stdout.strip(),
    }


def clean_commit(root: Path, *, written: Sequence[str] = ()) -> str:
    """Return the commit of a tree without changes.

    Args:
        root: of the tree.
        written: paths that what is measured writes; they may differ from the commit.

    Raises:
        ContractError: files differ from the commit, so a figure would name code that nobody has.
    """
    others = (f":(exclude){path}" for path in written)
    asked = ["git", "status", "--porcelain", "--untracked-files=normal", "--", ".", *others]
    changed = subprocess.run(
        asked, cwd=root, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    if changed.strip():
        names = ", ".join(line[3:] for line in changed.splitlines()[:5])
        raise ContractError(f"{root} has uncommitted changes ({names}); commit them, then measure")
    found = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(
        found, cwd=root, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.strip()


def merge_results(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures into a file of results and keep its other keys."""
    known = read_json(path) if path.is_file() else {}
    write_json(path, {**known, **figures})


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text(encoding="utf-8").splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()
