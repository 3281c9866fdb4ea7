"""Uploads all recorded versions to a DVC remote and verifies each object there.

The caller names objects that only a private remote may get (private_remotes.py).

`dvc push` holds DVC's lock for the whole upload, trusts an index of what it sent before, and ends
with status 0 although objects may be missing. Cache objects never change, so uploading them needs
no lock. Uses DVC's remotes and file systems as they are configured; nothing else imports DVC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.ledger.problem import Problem
from p4d.versioning.storage.private_remotes import is_private

Progress = Callable[[int, int, str], None]

BATCH = 64
"""Objects that are uploaded between two calls of the progress."""

CLIENTS = ("botocore", "aiobotocore", "aiohttp", "azure", "google", "gcsfs", "requests", "paramiko")
"""Packages of clients of remotes: their errors are no OSError."""

_MOST_SHOWN = 5

WORKERS = 16
"""Concurrent requests; a remote is slow to answer and costs this machine little."""


@dataclass(frozen=True)
class RemoteReport:
    """What a remote holds of the versions that the ledger names.

    Attributes:
        remote: its name in DVC's configuration.
        url: its address.
        objects: number of objects of all recorded versions.
        sent: number of objects that were uploaded now.
        rehashed: whether each object was read back and hashed; else only sizes were compared.
        problems: what is missing or altered at the remote.
        withheld: objects that may not leave the project, so that the remote need not have them,
            each with the reason.
    """

    remote: str
    url: str
    objects: int
    sent: int
    rehashed: bool
    problems: tuple[Problem, ...]
    withheld: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all objects are there and unaltered."""
        return not self.problems

    def render_text(self) -> str:
        """The result and each problem, one per line."""
        how = "read back and hashed" if self.rehashed else "there with the right size"
        result = "OK" if self.ok else f"{len(self.problems)} problems"
        lines = [f"{p.kind}: {p.path}: {p.detail}" for p in self.problems]
        good = self.objects - len(self.problems)
        lines.append(
            f"{result}: {good} of {self.objects} objects {how} at {self.remote} ({self.url})"
            + (f", {self.sent} sent now" if self.sent else "")
        )
        if self.withheld:
            shown = sorted(set(self.withheld.values()))
            lines.append(
                f"{len(self.withheld)} objects stay here, as {self.remote} is not marked as "
                "private; `p4d push --private` marks a remote that only people read who have "
                "accepted the terms"
            )
            lines += [f"  {reason}" for reason in shown[:_MOST_SHOWN]]
            if len(shown) > _MOST_SHOWN:
                lines.append(f"  and {len(shown) - _MOST_SHOWN} more")
        return "\n".join(lines)


def push(
    project: Project,
    remote: str | None = None,
    *,
    rehash: bool = False,
    withheld: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = lambda done, total, note: None,
) -> RemoteReport:
    """Upload every object of every recorded version that a remote lacks, then verify each there.

    Takes no lock, so runs go on meanwhile; the next push uploads what they publish after this one
    began. Uploads files before the lists that name them: a list at the remote is complete.

    Args:
        project: where.
        remote: name in DVC's configuration; default: DVC's default remote.
        rehash: read each object back and hash it, instead of comparing its size.
        withheld: objects that are sent to a private remote alone, each with the reason.
        progress: called `(objects done, objects in all, what)`.

    Raises:
        PublishError: there is no such remote, it cannot be reached, or a package for it is missing.
    """
    with open_remote(project, remote) as (name, odb):
        wanted, kept = _leaving(project, name, withheld)
        there = set(odb.oids_exist(list(wanted)))
        absent = sorted((oid for oid in wanted if oid not in there), key=_lists_last)
        lacking = [oid for oid in absent if dvc_store.object_path(project.root, oid).is_file()]
        _send(project, odb, lacking, progress)
        report = _verified(project, name, odb, wanted, len(lacking), rehash, progress)
    report = replace(report, withheld=kept)
    if report.ok:
        body = {"remote": name, "url": report.url, "objects": report.objects, "rehashed": rehash}
        if kept:
            body["withheld"] = len(kept)
        Ledger(project).append("push", body)
    return report


def verify_remote(
    project: Project,
    remote: str | None = None,
    *,
    rehash: bool = False,
    withheld: Mapping[str, str] = MappingProxyType({}),
    progress: Progress = lambda done, total, note: None,
) -> RemoteReport:
    """Verify every object of every recorded version at a remote; uploads nothing.

    Raises:
        PublishError: as `push`.
    """
    with open_remote(project, remote) as (name, odb):
        wanted, kept = _leaving(project, name, withheld)
        report = _verified(project, name, odb, wanted, 0, rehash, progress)
    return replace(report, withheld=kept)


def _leaving(
    project: Project, remote: str, withheld: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The objects that a remote gets, and those that it must not get, each with the reason."""
    wanted = _objects(project)
    if not withheld or is_private(project.root, remote):
        return wanted, {}
    kept = {oid: why for oid, why in withheld.items() if oid in wanted}
    return {oid: path for oid, path in wanted.items() if oid not in kept}, kept


def _lists_last(oid: str) -> tuple[bool, str]:
    return oid.endswith(".dir"), oid


def _objects(project: Project) -> Mapping[str, str]:
    """Every object of every recorded version, with the path of a file that it holds."""
    found: dict[str, str] = {}
    for record in Ledger(project).records("materialization"):
        md5, out = record["md5"], record["path"]
        if md5 in found:
            continue
        for file, oid in dvc_store.objects_of(project.root, md5):
            found.setdefault(oid, f"{out}/{file}" if file else out)
    return found


@contextmanager
def open_remote(project: Project, remote: str | None) -> Iterator[tuple[str, Any]]:
    """Yield the name of a remote (default: DVC's default remote) and DVC's object store of it.

    Raises:
        PublishError: there is no such remote, or it cannot be used.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    dvc_store.ensure_initialised(project.root)  # DVC's state is private before DVC opens it
    with clients_errors(remote or "of DVC"):
        try:
            with Repo(str(project.root)) as repo:
                name = remote or repo.config["core"].get("remote")
                if name is None:
                    raise PublishError(
                        "no remote is configured; `dvc remote add --default NAME URL` adds one"
                    )
                yield name, repo.cloud.get_remote_odb(name, "push")
        except DvcException as error:
            raise PublishError(f"remote {remote or 'of DVC'} cannot be used: {error}") from error


@contextmanager
def clients_errors(remote: str) -> Iterator[None]:
    """Errors of the file system and of the remote's client, as ours.

    Raises:
        PublishError: the remote does not answer, or refuses.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(CLIENTS):
            raise
        raise PublishError(
            f"remote {remote} cannot be used: {error}; is its address right, does it run, and are "
            "the credentials in the environment, the profile or the role of this machine?"
        ) from error


def _send(project: Project, odb: Any, oids: list[str], progress: Progress) -> None:  # noqa: ANN401
    from dvc.fs import LocalFileSystem

    local = LocalFileSystem()
    for start in range(0, len(oids), BATCH):
        batch = oids[start : start + BATCH]
        paths = [str(dvc_store.object_path(project.root, oid)) for oid in batch]
        odb.add(paths, local, batch)
        progress(start + len(batch), len(oids), "objects sent")


def _verified(
    project: Project,
    name: str,
    odb: Any,  # noqa: ANN401 - DVC's object store
    wanted: Mapping[str, str],
    sent: int,
    rehash: bool,
    progress: Progress,
) -> RemoteReport:
    found: list[Problem] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        faults = pool.map(lambda oid: _fault(project, odb, oid, rehash), wanted)
        for done, (oid, fault) in enumerate(zip(wanted, faults, strict=True), start=1):
            if fault:
                kind, detail = fault
                where = f"{name}:{oid[:2]}/{oid[2:]}"
                found.append(Problem(kind, where, f"{detail} (object of {wanted[oid]})"))
            if done % BATCH == 0 or done == len(wanted):
                progress(done, len(wanted), "objects verified")
    url = str(odb.fs.unstrip_protocol(odb.path))
    return RemoteReport(name, url, len(wanted), sent, rehash, tuple(found))


def _fault(project: Project, odb: Any, oid: str, rehash: bool) -> Any:  # noqa: ANN401
    path = odb.oid_to_path(oid)
    try:
        size = odb.fs.info(path)["size"]
        if rehash:
            digest = hashlib.md5(usedforsecurity=False)
            with odb.fs.open(path, "rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
            if digest.hexdigest() != oid.removesuffix(".dir"):
                return "altered", "its content has another hash"
    except FileNotFoundError:
        return "missing", "`p4d push` sends it where the cache has it"
    local = dvc_store.object_path(project.root, oid)
    if local.is_file() and local.stat().st_size != size:
        return "altered", f"it has {size} bytes there, {local.stat().st_size} in the cache"
    return None
