"""The wheel of a source tree, in an environment of its own, outside of any checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

_OURS = ("P4D_", "DAGSTER_", "DVC_", "PYTHON", "GIT_")
"""Variables that point at this checkout or its instance; an environment with the wheel has none."""


@dataclass(frozen=True)
class Installed:
    """An environment with an installed p4d.

    Attributes:
        folder: of the virtual environment.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(
        self, *command: str, cwd: Path, status: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in a folder.

        Args:
            command: name and arguments; `p4d` and `python` are those of the environment.
            cwd: the working folder.
            status: the expected exit status; None: any.

        Raises:
            RuntimeError: it ended with another status; holds what it printed.
        """
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self._variables(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if status is not None and done.returncode != status:
            raise RuntimeError(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def start(self, *command: str, cwd: Path, output: IO[str]) -> subprocess.Popen[str]:
        """Start a command of this environment as the head of a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=self._variables(),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def _variables(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
        return {**kept, "PATH": os.pathsep.join([str(self.folder / "bin"), kept["PATH"]])}


def build(source: Path, out: Path, kind: Literal["wheel", "sdist"] = "wheel") -> Path:
    """Build a distribution of a source tree, with the build backend of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory"]
    subprocess.run([*command, str(out)], cwd=source, check=True, capture_output=True)
    return next(out.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def install(wheel: Path, folder: Path) -> Installed:
    """Install a wheel into the environment `folder`, which is made if it is missing.

    Its other packages are those of this environment, so nothing is loaded again: a path file names
    their folder. Path files in there have no effect, so an editable p4d of this environment is
    none of the new one.
    """
    made = Installed(folder)
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (made.packages / "others.pth").write_text(
            sysconfig.get_path("purelib") + "\n", encoding="utf-8"
        )
    command = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--force-reinstall"]
    subprocess.run([*command, *options, str(wheel)], check=True, capture_output=True)
    return made
