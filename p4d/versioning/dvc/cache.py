"""DVC's repository on disk: initialisation, locks, and the cache of versions.

Written against DVC 3.67 with its cache layout `files/md5/xx/yyyy` and its `.dir` objects, without
importing it. Tests compare all of it with the real DVC.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from p4d.atomic import replacing
from p4d.errors import ContractError, PublishError
from p4d.paths import OBJECT_ID
from p4d.versioning.dvc.config import cache_dir, read_config
from p4d.versioning.dvc.shared_cache import register
from p4d.versioning.dvc.site_cache import ensure_private_site_cache, set_locally
from p4d.versioning.files.hashes import Digest, Tree, file_md5

LOCK_WAIT_S = 60.0


# --- initialisation and locks -----------------------------------------------------------------


def ensure_initialised(root: Path) -> None:
    """Make `root` a DVC repository if it is none, and complete a fresh clone or source tree.

    Enters the project in the register of a cache outside of it.

    Without git, DVC's commands need `core.no_scm`, which goes to the local configuration; so does
    the folder of DVC's private state.

    Raises:
        PublishError: that folder belongs to another user (`site_cache`).
    """
    folder = root / ".dvc"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    if not (folder / "config").exists():
        (folder / "config").write_text("", encoding="utf-8")
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("/config.local\n/tmp\n/cache\n", encoding="utf-8")
    if not (root / ".git").exists() and "no_scm" not in read_config(root).get("core", {}):
        set_locally(root, "no_scm", "True")
    ensure_private_site_cache(root)
    register(root)


@contextlib.contextmanager
def repository_lock(root: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold DVC's repository lock, so that no DVC command runs meanwhile.

    Raises:
        PublishError: another process holds it for longer than `wait_s` (default `LOCK_WAIT_S`).
    """
    import zc.lockfile  # DVC's own implementation

    path = root / ".dvc" / "tmp" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    wait_s = LOCK_WAIT_S if wait_s is None else wait_s
    deadline = time.monotonic() + wait_s
    while True:
        try:
            lock = zc.lockfile.LockFile(str(path))
            break
        except zc.lockfile.LockError as error:
            if time.monotonic() > deadline:
                raise PublishError(
                    f"a DVC command holds {path} for more than {wait_s:.0f} s; "
                    "let it finish (a running `dvc push`?), then run this again"
                ) from error
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.close()


def busy_processes(root: Path, writes: Path, reads: list[Path]) -> list[str]:
    """Other live DVC processes (`dvc repro`) that use the given paths, as text."""
    try:
        held = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    busy = []
    for mode, paths in (("write", [writes, *reads]), ("read", [writes])):
        for path, holders in (held.get(mode) or {}).items():
            if not any(_overlap(Path(path), ours) for ours in paths):
                continue
            for holder in holders if isinstance(holders, list) else [holders]:
                if holder["pid"] != os.getpid() and _is_alive(int(holder["pid"])):
                    busy.append(f"pid {holder['pid']} ({holder['cmd']}) {mode}s {path}")
    return busy


def wait_until_idle(
    root: Path, writes: Path, reads: list[Path], wait_s: float | None = None
) -> None:
    """Wait while another DVC process uses the paths.

    Raises:
        PublishError: it uses them for longer than `wait_s` (default `LOCK_WAIT_S`).
    """
    wait_s = LOCK_WAIT_S if wait_s is None else wait_s
    deadline = time.monotonic() + wait_s
    while busy := busy_processes(root, writes, reads):
        if time.monotonic() > deadline:
            raise PublishError(
                f"{writes.relative_to(root)} is busy: {busy[0]}; let that finish, then run again"
            )
        time.sleep(0.1)


def _overlap(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- cache ------------------------------------------------------------------------------------


def object_path(root: Path, md5: str) -> Path:
    """The path of an object in the cache.

    Raises:
        PublishError: `md5` is no hash, so it names no object (an edited ledger or dvc.lock).
    """
    if not OBJECT_ID.fullmatch(md5):
        raise PublishError(f"{md5[:80]!a} is no hash of an object in DVC's cache")
    return cache_dir(root) / md5[:2] / md5[2:]


def store_tree(root: Path, folder: Path, tree: Tree, *, just_stored: bool = False) -> None:
    """Store the files of `folder` in the cache, then the folder's own object.

    An object that is stored already is hashed, and replaced if its content is another: a remote or
    a disk may have given it wrong bytes of the right size.

    Args:
        root: of the project.
        folder: holds the files.
        tree: their hashes.
        just_stored: this process stored the same tree before; restore only what is gone since.

    Raises:
        PublishError: a file does not have the hash of `tree`, so it changed meanwhile.
        OSError: the disk is full.
    """
    cache = cache_dir(root)
    for name, digest in tree.files.items():
        if not _has(cache, digest, just_stored=just_stored):
            _store(cache, digest, partial((folder / name).open, "rb"), name)
    if not _has(cache, tree.digest, just_stored=just_stored):
        _store(cache, tree.digest, lambda: io.BytesIO(tree.payload), f"{folder.name}.dir")


def store_object(root: Path, md5: str, source: Callable[[], Any], name: str) -> None:
    """Store one object, over one with the same name; `source` opens its content.

    Raises:
        PublishError: the content does not have this hash, or `md5` is no hash.
    """
    object_path(root, md5)  # refuses a name that is no hash before it is a path
    _store(cache_dir(root), Digest(md5), source, name)


def is_intact(root: Path, md5: str) -> bool:
    """Whether the cache has an object with the content that its name gives; reads all of it.

    Raises:
        PublishError: `md5` is no hash.
    """
    object_path(root, md5)
    return _has(cache_dir(root), Digest(md5), just_stored=False)


def _has(cache: Path, digest: Digest, *, just_stored: bool) -> bool:
    target = cache / digest.md5[:2] / digest.md5[2:]
    try:
        size = target.stat().st_size
        # The digest of a list of files has the size of the files, not of the list.
        if not digest.md5.endswith(".dir") and digest.nbytes not in (None, size):
            return False
        return just_stored or file_md5(target) == digest.md5.removesuffix(".dir")
    except FileNotFoundError:
        return False


def _store(cache: Path, digest: Digest, source: Callable[[], Any], name: str) -> None:
    target = cache / digest.md5[:2] / digest.md5[2:]
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, durable=True) as temporary:
        with source() as reader, temporary.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
        if file_md5(temporary) != digest.md5.removesuffix(".dir"):
            raise PublishError(f"{name} changed while it was being stored; run the step again")
        temporary.chmod(0o444)


def read_tree(root: Path, md5: str) -> Tree:
    """The list of files of a folder's object.

    Raises:
        PublishError: the object is not in the cache, or is damaged.
    """
    path = object_path(root, md5)
    try:
        payload = path.read_bytes()
    except FileNotFoundError as error:
        raise PublishError(
            f"{md5} is not in the cache; `dvc pull` fetches it if a remote has it"
        ) from error
    try:
        tree = Tree.from_payload(payload)
    except ContractError as error:
        raise PublishError(f"cache object {path} is damaged: {error}") from error
    if tree.digest.md5 != md5:
        raise PublishError(f"cache object {path} is damaged: its content has another hash")
    return tree


def objects_of(root: Path, md5: str) -> list[tuple[str, str]]:
    """The objects of a version: the name of each file (empty for the version itself) and its hash.

    Raises:
        PublishError: the list of files of a folder is not in the cache, or is damaged.
    """
    files = read_tree(root, md5).files if md5.endswith(".dir") else {}
    return [("", md5), *((name, digest.md5) for name, digest in files.items())]


def checkout(root: Path, md5: str, destination: Path) -> Tree:
    """Copy a version, a file or a folder, out of the cache, and verify each copy.

    The destination appears only once it is complete.

    Raises:
        PublishError: the destination exists, or an object is missing or damaged.
    """
    if destination.exists():
        raise PublishError(f"{destination} exists already; restore to a new path")
    tree = read_tree(root, md5) if md5.endswith(".dir") else Tree({"": Digest(md5)})
    incomplete = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        for name, digest in tree.files.items():
            _copy_verified(
                object_path(root, digest.md5), digest, incomplete / name if name else incomplete
            )
        incomplete.mkdir(parents=True, exist_ok=True) if not tree.files else None
        incomplete.replace(destination)
    except BaseException:
        _remove(incomplete)
        raise
    return tree


def _copy_verified(source: Path, digest: Digest, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(1 << 20):
                writer.write(chunk)
    except FileNotFoundError as error:
        raise PublishError(
            f"{digest.md5} is not in the cache; `dvc pull` fetches it if a remote has it"
        ) from error
    if file_md5(target) != digest.md5:
        raise PublishError(f"cache object {source} is damaged: its content has another hash")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_stored(root: Path, md5: str) -> bool:
    """Whether the cache has a version with all its files (by name, not by content)."""
    try:
        tree = read_tree(root, md5) if md5.endswith(".dir") else Tree({"": Digest(md5)})
    except PublishError:
        return False
    return all(object_path(root, digest.md5).is_file() for digest in tree.files.values())
