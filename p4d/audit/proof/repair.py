"""`p4d audit repair`: restores cache objects that are missing or have the wrong content.

An object comes from the working files, if they still have its content, or from a remote, or, if
asked for, from making a current version again. Each copy is hashed before it is stored, so a bad
remote repairs nothing and harms nothing. Working files stay as they are: `dvc checkout -f` restores
those.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from p4d.audit.takedown import purged_objects
from p4d.errors import P4DError, PublishError
from p4d.progress import Progress
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.config import default_remote
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.problem import Fault, Problem
from p4d.versioning.run.remake import remake
from p4d.versioning.run.staging import staging
from p4d.versioning.state.check_records import Gates
from p4d.versioning.state.workspace import Workspace
from p4d.versioning.storage.push import open_remote


@dataclass(frozen=True)
class RepairReport:
    """What a repair did.

    Attributes:
        objects: cache objects of all recorded versions that were hashed.
        repaired: each restored object, as path of a file that it holds, and where it came from.
        problems: objects that are still missing or altered.
    """

    objects: int
    repaired: Mapping[str, str]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether every object is intact now."""
        return not self.problems

    def render_text(self) -> str:
        """What was repaired, what was not, and the count, one per line."""
        lines = [f"repaired: {path}: from {source}" for path, source in self.repaired.items()]
        lines += [f"{p.kind}: {p.path}: {p.detail}" for p in self.problems]
        result = "OK" if self.ok else f"{len(self.problems)} problems"
        lines.append(
            f"{result}: {len(self.repaired)} of {self.objects} cache objects repaired, "
            f"{len(self.problems)} could not be"
        )
        return "\n".join(lines)


def repair(
    project: Project,
    remote: str | None = None,
    *,
    recompute: bool = False,
    gates: Gates | None = None,
    progress: Progress = lambda done, total, note: None,
) -> RepairReport:
    """Hash every cache object of every recorded version, and restore those that are not intact.

    Objects that a takedown purged are left out. An object that neither the working files nor the
    remote has is named, with its version.

    Args:
        project: where.
        remote: name in DVC's configuration; default: DVC's default remote, or none.
        recompute: make current versions again, upstream first, whose objects nobody has.
        gates: see `run_stage`.
        progress: called `(objects hashed, objects in all, what)`.

    Raises:
        PublishError: the remote is needed and cannot be used.
    """
    with ExitStack() as stack:
        report = _Repair(project, remote, progress, stack).run()
        if report.ok or not recompute:
            return report
        made, failed = _recompute(project, gates)
        after = _Repair(project, remote, progress, stack).run()
        problems = (*after.problems, *(failed if after.problems else ()))
        return replace(after, repaired={**report.repaired, **made}, problems=problems)


def _recompute(project: Project, gates: Gates | None) -> tuple[dict[str, str], list[Problem]]:
    """Make the current versions again that have a damaged object, and store what is as recorded.

    A version whose working files are gone is also put back in place: the next one may read it.
    Returns the restored objects, as in `RepairReport`, and what could not be made.
    """
    restored: dict[str, str] = {}
    failed: list[Problem] = []
    with Workspace(project) as workspace:
        recorded = [(key, workspace.recorded_md5(key)) for key in workspace.all_keys()]
    for key, md5 in recorded:  # upstream first
        if md5 is None or not _is_damaged(project.root, md5):
            continue
        out = out_path(key)
        try:
            with Workspace(project) as workspace, staging(project) as folder:
                remake(workspace, key, folder, gates)
                names = _store_made(project.root, md5, folder / "new", out)
            if not _is_damaged(project.root, md5) and not (project.root / out).exists():
                dvc_store.checkout(project.root, md5, project.root / out)
        except P4DError as error:
            failed.append(Problem("missing", out, f"cannot be made again: {error}"))
            continue
        restored.update(dict.fromkeys(names, "making it again"))
        if _is_damaged(project.root, md5):
            detail = "made again, it has other bytes; `p4d audit replay` prints how"
            failed.append(Problem("missing", out, detail))
    return restored, failed


def _is_damaged(root: Path, md5: str) -> bool:
    if not dvc_store.is_intact(root, md5):
        return True
    return any(not dvc_store.is_intact(root, oid) for _, oid in dvc_store.objects_of(root, md5))


def _store_made(root: Path, md5: str, made: Path, out: str) -> list[str]:
    """Store each damaged object of version `md5` that is among the files that were made."""
    tree, stored = tree_of(made), []
    if tree.digest.md5 == md5 and not dvc_store.is_intact(root, md5):
        dvc_store.store_object(root, md5, lambda: io.BytesIO(tree.payload), out)
        stored.append(out)
    if not dvc_store.is_intact(root, md5):
        return stored  # its list of files is unknown, and not the one that was made
    wanted = {oid for _, oid in dvc_store.objects_of(root, md5)}
    for name, digest in tree.files.items():
        if digest.md5 in wanted and not dvc_store.is_intact(root, digest.md5):
            opened = functools.partial((made / name).open, "rb")
            dvc_store.store_object(root, digest.md5, opened, name)
            stored.append(f"{out}/{name}")
    return stored


class _Repair:
    def __init__(
        self, project: Project, remote: str | None, progress: Progress, stack: ExitStack
    ) -> None:
        self._project, self._root = project, project.root
        self._name, self._progress, self._stack = remote, progress, stack
        self._odb: Any = None
        self._purged = purged_objects(project)
        self._repaired: dict[str, str] = {}
        self._problems: list[Problem] = []
        self._hashed = 0

    def run(self) -> RepairReport:
        versions = {
            record["md5"]: record["path"]
            for record in Ledger(self._project).records("materialization")
        }
        # Lists of files first: a list that is damaged hides the files of its version.
        self._restore({md5: [out] for md5, out in versions.items()})
        files: dict[str, list[str]] = {}
        for md5, out in versions.items():
            if md5.endswith(".dir") and dvc_store.is_intact(self._root, md5):
                for name, oid in dvc_store.objects_of(self._root, md5)[1:]:
                    files.setdefault(oid, []).append(f"{out}/{name}")
        self._restore(files)
        return RepairReport(self._hashed, self._repaired, tuple(self._problems))

    def _restore(self, objects: Mapping[str, list[str]]) -> None:
        wanted = [oid for oid in objects if oid not in self._purged]
        for oid in self._damaged(wanted):
            paths = objects[oid]
            for source, opened in self._sources(oid, paths):
                try:
                    dvc_store.store_object(self._root, oid, opened, paths[0])
                except (PublishError, FileNotFoundError):
                    continue  # other content, or nothing: the next source may have it
                self._repaired[paths[0]] = source
                break
            else:
                kind: Fault = "altered" if self._path(oid).exists() else "missing"
                detail = (
                    f"cache object of {', '.join(paths[:3])}: neither the working files nor a "
                    "remote has it; of a current version, `--recompute` makes it again"
                )
                self._problems.append(Problem(kind, self._shown(oid), detail))

    def _damaged(self, oids: list[str]) -> Iterator[str]:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            intact = pool.map(lambda oid: dvc_store.is_intact(self._root, oid), oids)
            for done, (oid, is_good) in enumerate(zip(oids, intact, strict=True), start=1):
                self._hashed += 1
                self._progress(done, len(oids), "objects hashed")
                if not is_good:
                    yield oid

    def _sources(self, oid: str, paths: Iterable[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
        for path in paths:
            place = self._root / path
            if oid.endswith(".dir"):
                if place.is_dir() and (tree := tree_of(place)).digest.md5 == oid:
                    payload = tree.payload
                    yield "the working files", lambda payload=payload: io.BytesIO(payload)  # type: ignore[misc]
            elif place.is_file():
                yield "the working files", lambda place=place: place.open("rb")  # type: ignore[misc]
        odb = self._remote()
        if odb is not None:
            there = odb.oid_to_path(oid)
            yield f"remote {self._name}", lambda: odb.fs.open(there, "rb")

    def _remote(self) -> Any:  # noqa: ANN401 - DVC's object store
        """The remote, opened when it is first needed; None if none is configured."""
        if self._odb is None and (self._name or default_remote(self._root)):
            opened = open_remote(self._project, self._name)
            self._name, self._odb = self._stack.enter_context(opened)
        return self._odb

    def _path(self, oid: str) -> Path:
        return dvc_store.object_path(self._root, oid)

    def _shown(self, oid: str) -> str:
        path = self._path(oid)
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)
