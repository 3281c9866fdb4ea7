"""Which source files shape a stage's result: the static import closure of its entry module.

Imports are read from the syntax tree, so nothing is executed; imports inside functions count, those
under `if TYPE_CHECKING:` do not, as they never run. Packages bring their `__init__.py`. The stage
table itself is left out: it holds every stage, so any edit of it would make all of them stale, and
what it says of one stage (command, inputs, parameters) is part of the fingerprint anyway. So is the
version number, as a release alone changes no result.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.errors import ContractError
from p4d.pipeline import Stage
from p4d.versioning.files.hashes import RACY_NS, HashCache

NOT_CODE = ("p4d/pipeline/", "p4d/version.py")


def code_files(stage: Stage, root: Path, cache: HashCache | None = None) -> list[str]:
    """Paths, relative to `root` and sorted, of all code that shapes the result of `stage`."""
    return import_closure(stage.entry, root, cache, stage.extra_code)


def import_closure(
    entry: str, root: Path, cache: HashCache | None = None, extra: Sequence[str] = ()
) -> list[str]:
    """Paths, relative to `root` and sorted, of all code behind an entry point.

    Args:
        entry: `module:function`.
        root: where the packages are.
        cache: remembers the imports of each file.
        extra: files or folders to list beside the imports.

    An entry module that does not exist is listed nevertheless, so that it shows as missing.

    Raises:
        ContractError: a source file is not valid Python.
    """
    walks = _walks_of(os.fspath(root))
    walk = walks.get(entry)
    if walk is None or not walk.is_current():
        walk = _Walk.through(entry, root, cache or HashCache(root, None))
        if walk.is_at_rest():
            walks[entry] = walk
    found = set(walk.files)
    for path in extra:
        found.update(_expand(root / path, root))
    return sorted(found)


@dataclass(frozen=True)
class _Walk:
    """The files behind an entry point, and the state of every path that decided which they are.

    A process that runs many artifacts asks for the same closures each time. Looking at the states
    again takes a fifth of walking the imports.
    """

    files: frozenset[str]
    states: Mapping[str, _State | None]

    @classmethod
    def through(cls, entry: str, root: Path, cache: HashCache) -> _Walk:
        """Follow the imports from an entry point."""
        module = entry.partition(":")[0]
        states: dict[str, _State | None] = {}
        found = set(_files_of(module, root, states)) or {module.replace(".", "/") + ".py"}
        package = module.partition(".")[0]
        todo, seen = sorted(found), set[str]()
        while todo:
            path = todo.pop()
            for name in _imports(path, root, cache):
                if name.partition(".")[0] != package or name in seen:
                    continue
                seen.add(name)
                files = _files_of(name, root, states)
                new = [p for p in files if p not in found and not p.startswith(NOT_CODE)]
                found.update(new)
                todo.extend(new)
        return cls(frozenset(found), states)

    def is_current(self) -> bool:
        """Whether every path is as it was, also those where no file was."""
        return all(_state(path) == state for path, state in self.states.items())

    def is_at_rest(self) -> bool:
        """Whether no file is so new that another edit might leave its times as they are."""
        horizon = time.time_ns() - RACY_NS
        return all(max(state[1:3]) < horizon for state in self.states.values() if state)


_State = tuple[int, int, int, int]
"""Size, times and inode of a file."""


@functools.lru_cache(maxsize=8)
def _walks_of(root: str) -> dict[str, _Walk]:
    """By entry point, the last walk of this process through a tree."""
    del root
    return {}


def _state(path: str) -> _State | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - hot
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _files_of(module: str, root: Path, states: dict[str, _State | None]) -> list[str]:
    """The module's file and the `__init__.py` of every package above it, where they exist."""
    parts = module.split(".")
    bases = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    found = []
    for base in bases:
        for end in ("/__init__.py", ".py"):
            full = f"{root}/{base}{end}"
            if full not in states:
                states[full] = _state(full)
            if states[full] is not None:
                found.append(f"{base}{end}")
    return found


def _expand(path: Path, root: Path) -> Iterator[str]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                yield file.relative_to(root).as_posix()
    else:
        yield path.relative_to(root).as_posix()


def _imports(path: str, root: Path, cache: HashCache) -> list[str]:
    digest = cache.digest(root / path)
    if digest is None:
        return []
    # Relative imports depend on where the file lies, so the path belongs to the key.
    text = cache.remembered(
        "imports", f"{digest.md5} {path}", lambda: json.dumps(_parse_imports(path, root))
    )
    names: list[str] = json.loads(text)
    return names


def _parse_imports(path: str, root: Path) -> list[str]:
    try:
        tree = ast.parse((root / path).read_bytes(), filename=path)
    except SyntaxError as error:
        raise ContractError(f"{path} is not valid Python: {error}") from error
    package = path.removesuffix(".py").split("/")[:-1]
    names: set[str] = set()
    for node in _running_nodes(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from package import name`: the name may be a module of its own.
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _is_import_module(node.func):
            names.update(
                argument.value
                for argument in node.args[:1]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )
    return sorted(names)


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for otherwise in child.orelse:
                yield otherwise
                yield from _running_nodes(otherwise)
            continue
        yield child
        yield from _running_nodes(child)


def _is_import_module(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "import_module"
