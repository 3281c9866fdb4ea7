"""Writes `requirements/*.txt`: every distribution of an environment of p4d, with its hashes.

`make lock` calls it. uv resolves once for all supported Pythons and platforms. Versions that are
locked already stay as they are, unless pyproject.toml asks for another one or `--upgrade` is given.

torch has two builds, which need different packages, so it has files of its own (see
`requirements/README.md`). The CPU wheels lie in an index of PyTorch, not in the one that pip asks
by default: `P4D_TORCH_INDEX` names it, and is needed only when the pin of torch changes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
OLDEST_PYTHON = "3.11"
# uv repeats `environments` of pyproject.toml at every requirement that holds for all of them.
_EVERYWHERE = (
    " ; python_full_version < '3.14' and (sys_platform == 'darwin' or sys_platform == 'linux')"
)
# What only torch's CUDA build needs.
_CUDA_ONLY = re.compile(r"nvidia-.+|cuda-.+|triton")
_HEADER = "# Written by `make lock`; requirements/README.md says what is in which file.\n"
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """One requirement of a lock file.

    Attributes:
        name: normalized, as in `zc-lockfile`.
        version: exact, with a local part if there is one (`2.13.0+cpu`).
        hashes: `sha256:...` of every file that may be installed for it.
        text: its lines in the file.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    text: str


def read(path: Path) -> list[Locked]:
    """The requirements of a lock file; one name may occur twice, for different Pythons."""
    return list(_parse(path.read_text(encoding="utf-8")))


def normalized(name: str) -> str:
    """The name of a distribution as an index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_pins(root: Path = ROOT, extras: Collection[str] = ("dev",)) -> dict[str, str]:
    """Versions of the packages that pyproject.toml names for running and in some of its extras."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    found = [re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)$", text) for text in texts]
    return {normalized(pin[1]): pin[2] for pin in found if pin}


def _parse(text: str) -> Iterator[Locked]:
    block: list[str] = []
    for line in [*text.splitlines(keepends=True), "end"]:
        if line[:1].isspace():
            block.append(line)
            continue
        if block and (pin := _PIN.match(block[0])):
            whole = "".join(block)
            hashes = tuple(_HASH.findall(whole))
            yield Locked(normalized(pin["name"]), pin["version"], hashes, whole)
        block = [line]


def _uv(source: Sequence[str | Path], known: str, *options: str) -> str:
    """What uv resolves `source` to; it prefers the versions in the text `known`."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--generate-hashes", "--no-header", "--python-version", OLDEST_PYTHON]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock.txt"
        out.write_text(known, encoding="utf-8")
        command += ["--output-file", str(out), *options, *map(str, source)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"lock: {done.stderr.decode().strip()}")
        return out.read_text(encoding="utf-8").replace(f"{_EVERYWHERE} \\\n", " \\\n")


def _write(name: str, requirements: Iterable[Locked]) -> None:
    text = _HEADER + "".join(item.text for item in requirements)
    (FOLDER / name).write_text(text, encoding="utf-8")


def _build_requirements(known: str) -> list[Locked]:
    """What builds p4d itself, and setuptools, which builds the packages that have no wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "build.in"
        named = [*project["build-system"]["requires"], "setuptools"]
        wanted.write_text("\n".join(named), encoding="utf-8")
        return list(_parse(_uv([wanted], known, "--no-annotate")))


def _cpu_torch(full: Sequence[Locked]) -> str:
    """The lines of the CPU build: `+cpu` wheels on Linux, the only build on macOS."""
    version = direct_pins()["torch"]
    pin = f"torch=={version}+cpu ; sys_platform == 'linux'"
    path = FOLDER / "torch-cpu.txt"
    index = os.environ.get("P4D_TORCH_INDEX")
    if index:
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder) / "torch.in"
            wanted.write_text(f"{pin}\n", encoding="utf-8")
            text = _uv([wanted], "", "--no-deps", "--no-annotate", "--default-index", index)
    else:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    linux = [item for item in _parse(text) if item.version == f"{version}+cpu"]
    if not linux:
        sys.exit(
            f"lock: {path.name} has no CPU wheels of torch {version}; set P4D_TORCH_INDEX to the "
            "index of CPU wheels that PyTorch's page of installation shows, and run again"
        )
    darwin = "".join(
        f"torch=={item.version} ; sys_platform == 'darwin' \\\n"
        + " \\\n".join(f"    --hash={value}" for value in item.hashes)
        + "\n"
        for item in full
        if item.name == "torch"
    )
    return _HEADER + linux[0].text + darwin


def main() -> None:
    """Resolve and write all files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ["--upgrade"] if options.parse_args().upgrade else []
    files = [FOLDER / f"{name}.txt" for name in ("build", "run", "dev", "torch-cuda")]
    known = "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    whole = _uv(["pyproject.toml"], known, "--extra", "dev", *upgrade)
    full = list(_parse(whole))
    running = list(_parse(_uv(["pyproject.toml"], whole)))
    pinned = {(item.name, item.version) for item in full}
    other = [f"{i.name}=={i.version}" for i in running if (i.name, i.version) not in pinned]
    if other:
        sys.exit(f"lock: without the extra dev, uv resolves to other versions: {', '.join(other)}")
    named = {item.name for item in running}
    torch = [i for i in full if i.name == "torch" or _CUDA_ONLY.fullmatch(i.name)]
    build = _build_requirements(whole)
    apart = {i.name for i in [*torch, *build]}
    _write("torch-cuda.txt", torch)
    _write("build.txt", build)
    _write("run.txt", (i for i in full if i.name in named - apart))
    _write("dev.txt", (i for i in full if i.name not in named | apart))
    (FOLDER / "torch-cpu.txt").write_text(_cpu_torch(full), encoding="utf-8")
    tools = FOLDER / "tools.txt"
    known = tools.read_text(encoding="utf-8") if tools.is_file() else ""
    tools.write_text(_HEADER + _uv(["requirements/tools.in"], known, *upgrade), encoding="utf-8")
    print(f"lock: {len({i.name for i in full})} distributions", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
