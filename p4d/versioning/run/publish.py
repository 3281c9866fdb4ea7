"""Publishing: a computed folder becomes the current version, whole or not at all.

The protocol, under the project lock and DVC's own:

1. the cache gets the content (harmless if it ends here);
2. the snapshot of code, parameters and inputs, taken before computing, is compared with now: when
   they differ, publishing is refused, as the record would name inputs that were never read;
3. a journal with the whole intent (target, hash, dvc.lock entry, ledger record) is flushed to disk;
4. the old folder is moved aside and the new one in, dvc.lock and the ledger are written;
5. the journal is dropped, then the old folder.

A process that dies before 3 leaves the old version; after 3 the next process that takes the
lock finishes the intent (or, where the new content is gone or the disk is full, puts the old
version back). Either way nothing is torn.

Inside `dvc repro` (DVC sets `DVC_STAGE`) the dvc.lock entry is left to DVC, which writes it when
the command ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from p4d.atomic import out_of_space, sync_folder, write_durably
from p4d.errors import LedgerError, PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.lock_file import LOCK_FILE, LockEntry, LockFile, write_lock
from p4d.versioning.files.hashes import Digest, HashCache, Tree, tree_of
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.anchor import anchor, anchored_lock
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.journal import (
    Intent,
    _journal_names,
    _journal_path,
    _read_journal,
    _write_journal,
)
from p4d.versioning.run.staging import sweep

CHECKPOINTS = (
    "computed", "cached", "journaled", "moved_aside", "swapped", "lock_prepared", "lock_written",
    "ledger_written", "journal_dropped",
)  # fmt: skip
"""Names passed to `checkpoint`, in order: the places where a test lets the process die."""

logger = logging.getLogger(__name__)

Checkpoint = Callable[[str], None]


def no_checkpoint(name: str) -> None:
    """Pass on."""
    del name


def inside_dvc() -> bool:
    """Whether a DVC command runs this process as a stage."""
    return "DVC_STAGE" in os.environ


# --- staging ----------------------------------------------------------------------------------


# --- lock and recovery ------------------------------------------------------------------------


@contextlib.contextmanager
def locked(project: Project) -> Iterator[None]:
    """Hold the project lock; whoever takes it first finishes what a dead process left."""
    with project_lock(project) as outermost:
        if outermost:
            _recover(project)
        yield


def recover(project: Project) -> list[str]:
    """Finish or undo what a dead process left; returns what was done, in words."""
    with project_lock(project) as outermost:
        return _recover(project) if outermost else []


def _recover(project: Project) -> list[str]:
    dvc_store.ensure_initialised(project.root)
    notices = [*_restore_torn_lock(project)]
    repaired = Ledger(project).repair()
    if repaired:
        notices.append(repaired)
    intent = _read_journal(project)
    if intent is not None:
        notices.append(_finish_or_undo(project, intent))
    swept = sweep(project)
    if swept:
        notices.append(f"removed {len(swept)} abandoned staging folders")
    for notice in notices:
        logger.warning("recovery: %s", notice)
    return notices


def _restore_torn_lock(project: Project) -> Iterator[str]:
    root, backup = project.root, project.state / f"{LOCK_FILE}.bak"
    if inside_dvc() or LockFile.read_as_is(root).damage() is None:
        return
    with dvc_store.repository_lock(root):  # DVC may be writing it at this moment
        damage = LockFile.read_as_is(root).damage()
        if damage is None:
            return
        if not backup.exists():
            raise PublishError(
                f"{LOCK_FILE} is damaged ({damage}) and there is no copy in "
                f"{project.state}; `git show p4d-ledger:dvc.lock > dvc.lock` takes the last "
                "anchored one"
            )
        damaged = project.state / f"{LOCK_FILE}.damaged"
        (root / LOCK_FILE).replace(damaged)
        write_durably(root / LOCK_FILE, backup.read_bytes())
        yield f"restored {LOCK_FILE} from its copy ({damage}; kept as {damaged})"


def _finish_or_undo(project: Project, intent: Intent) -> str:
    folder = project.root / intent.staging
    try:
        with _dvc_lock(project, intent):
            try:
                _ensure_content(project, intent)
                _apply(project, intent, no_checkpoint, redo=True)
            except (OSError, PublishError) as error:
                if not _undo(project, intent):
                    raise
                return f"undid the unfinished publishing of {intent.key} ({error})"
    finally:
        if not _journal_names(project, folder):
            shutil.rmtree(folder, ignore_errors=True)
    return f"finished publishing {intent.key}"


@contextlib.contextmanager
def _dvc_lock(project: Project, intent: Intent) -> Iterator[None]:
    if intent.entry is None:
        yield
    else:
        with dvc_store.repository_lock(project.root):
            yield


def _ensure_content(project: Project, intent: Intent) -> None:
    """Make sure the new version lies at the target or in staging; else take it from the cache."""
    target, new = project.root / intent.out, project.root / intent.staging / "new"
    for place in (target, new):
        if place.is_dir() and (tree := tree_of(place)).digest.md5 == intent.md5:
            # A `dvc gc` since then found no record of it.
            dvc_store.store_tree(project.root, place, tree)
            return
    if not intent.swap:
        return
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    dvc_store.checkout(project.root, intent.md5, new)


def _is_recorded(ledger: Ledger, intent: Intent) -> bool:
    return any(record["id"] == intent.id for record in ledger.records("materialization"))


def _apply(project: Project, intent: Intent, checkpoint: Checkpoint, *, redo: bool) -> None:
    """Carry an intent out; with `redo`, every part may have been done before."""
    root, folder = project.root, project.root / intent.staging
    target, new, old = root / intent.out, folder / "new", folder / "old"
    if intent.swap and new.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.replace(old)
        checkpoint("moved_aside")
        new.replace(target)
        sync_folder(target.parent)
    checkpoint("swapped")
    if intent.entry is not None:
        lock = LockFile.read_as_is(root)
        if lock.block(intent.key) != intent.entry:
            text = lock.spliced(intent.key, intent.entry)
            write_lock(root, text, project.state, checkpoint)
    checkpoint("lock_written")
    ledger = Ledger(project)
    ledger.repair()
    if not (redo and _is_recorded(ledger, intent)):
        ledger.append("materialization", {"id": intent.id, **intent.record})
    checkpoint("ledger_written")
    _journal_path(project).unlink()
    checkpoint("journal_dropped")


def _undo(project: Project, intent: Intent) -> bool:
    """Put the old version back, where dvc.lock does not name the new one yet."""
    root, folder = project.root, project.root / intent.staging
    target, new, old = root / intent.out, folder / "new", folder / "old"
    lock = LockFile.read_as_is(root)
    if intent.entry is not None and lock.block(intent.key) == intent.entry:
        return False
    if intent.swap and not new.exists() and target.exists():
        target.replace(new)
    if old.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)
    _journal_path(project).unlink(missing_ok=True)
    return True


# --- publishing -------------------------------------------------------------------------------


def publish(
    project: Project,
    folder: Path,
    *,
    key: str,
    out: str,
    reads: list[str],
    tree: Tree,
    entry: Callable[[], LockEntry],
    record: Mapping[str, Any],
    patience_s: float,
    checkpoint: Checkpoint = no_checkpoint,
) -> None:
    """Make `folder/new` the current version of instance `key`.

    Args:
        project: where.
        folder: the staging folder.
        key: the instance in dvc.lock.
        out: the target, relative to the project.
        reads: inputs, relative to the project; a foreign `dvc repro` may not be writing them.
        tree: hashes of `folder/new`.
        entry: called under the locks: compares the snapshot with now and returns the dvc.lock
            entry; raises PublishError when they differ.
        record: body of the ledger record.
        patience_s: how long to wait for a DVC command that is running.
        checkpoint: for tests, called with each name of `CHECKPOINTS`.

    Raises:
        PublishError: refused, or no room left; the old version is in place.
    """
    root = project.root
    checkpoint("computed")
    try:
        dvc_store.store_tree(root, folder / "new", tree)
        checkpoint("cached")
        with locked(project), contextlib.ExitStack() as stack:
            if not inside_dvc():
                inputs = [root / path for path in reads]
                dvc_store.wait_until_idle(root, root / out, inputs, patience_s)
                stack.enter_context(dvc_store.repository_lock(root, patience_s))
            compared = entry()
            # Until the record names it, a `dvc gc` may take it: look again, now that none can run.
            dvc_store.store_tree(root, folder / "new", tree)
            _keep_replaced(project, key, out, record)
            intent = Intent(
                id=uuid.uuid4().hex,
                key=key,
                out=out,
                staging=folder.relative_to(root).as_posix(),
                md5=tree.digest.md5,
                swap=not _holds(project, out, tree),
                entry=None if inside_dvc() else compared.to_text(key),
                record=record,
            )
            _write_journal(project, intent)
            try:
                checkpoint("journaled")
                _apply(project, intent, checkpoint, redo=False)
            except Exception:
                # Where dvc.lock names the new version already, the next process finishes the rest.
                _undo(project, intent)
                raise
    except OSError as error:
        if out_of_space(error):
            raise PublishError(
                f"{key}: no room left while publishing ({error}); nothing is torn: free space and "
                "run again"
            ) from error
        raise


def _keep_replaced(project: Project, key: str, out: str, record: Mapping[str, Any]) -> None:
    """Anchor the version that is about to be replaced, so that no `dvc gc` takes it.

    Mostly git has it already: bringing everything up to date ends with an anchor.
    """
    replaced = record.get("previous")
    if replaced is None or inside_dvc():
        return
    try:
        entry = LockFile(anchored_lock(project)).entry(key)
        if entry is None or entry.outs.get(out) != Digest(replaced):
            anchor(project, f"{key} is about to be replaced")
    except (LedgerError, PublishError, OSError) as error:
        logger.warning("the replaced version of %s is not anchored in git: %s", key, error)


def _holds(project: Project, out: str, tree: Tree) -> bool:
    target = project.root / out
    if not target.is_dir():
        return False
    with HashCache(project.root, project.state / "hashes.sqlite") as cache:
        return cache.tree(target).digest == tree.digest
