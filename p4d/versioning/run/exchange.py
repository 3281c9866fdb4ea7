"""Carries out a journaled intent: exchanges the folders, writes dvc.lock and the ledger.

`carry_out` may be repeated, by the next process if this one dies; `undo` puts the old version back.
"""

from __future__ import annotations

import shutil

from p4d.atomic import sync_folder
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.lock_file import LockFile, write_lock
from p4d.versioning.dvc.pipeline_file import folder_of
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.crash_points import reached
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.journal import Intent, drop_journal


def carry_out(project: Project, intent: Intent, *, again: bool) -> None:
    """Do everything that an intent names, and drop the journal.

    Args:
        project: where.
        intent: what to do.
        again: another process may have done a part of it.

    Raises:
        OSError: the disk is full, or a folder is gone.
    """
    root, folder = project.root, project.root / intent.staging
    target, new, old = root / intent.out, folder / "new", folder / "old"
    if intent.swap and new.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.replace(old)
        reached("moved_aside")
        new.replace(target)
        sync_folder(target.parent)
    reached("swapped")
    if intent.entry is not None:
        folder_of_lock = _folder_of_lock(intent)
        lock = LockFile.read_as_is(root / folder_of_lock)
        if lock.block(intent.key) != intent.entry:
            text = lock.spliced(intent.key, intent.entry)
            write_lock(root, folder_of_lock, text, project.state)
    reached("lock_written")
    ledger = Ledger(project)
    ledger.repair()
    if not (again and _is_recorded(ledger, intent)):
        ledger.append("materialization", {"id": intent.id, **intent.record})
    reached("ledger_written")
    drop_journal(project)
    reached("journal_dropped")


def undo(project: Project, intent: Intent) -> bool:
    """Put the old version back and drop the journal; False if dvc.lock names the new one already.

    In that case the next process that takes the project lock does what is left.
    """
    root, folder = project.root, project.root / intent.staging
    target, new, old = root / intent.out, folder / "new", folder / "old"
    lock = LockFile.read_as_is(root / _folder_of_lock(intent))
    if intent.entry is not None and lock.block(intent.key) == intent.entry:
        return False
    if intent.swap and not new.exists() and target.exists():
        target.replace(new)
    if old.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        old.replace(target)
    drop_journal(project)
    return True


def ensure_content(project: Project, intent: Intent) -> None:
    """Make sure that the new version is in its target or in staging; else take it from the cache.

    Raises:
        PublishError: the cache does not hold it either.
    """
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


def _folder_of_lock(intent: Intent) -> str:
    return folder_of(ArtifactKey.parse(intent.key).shard)


def _is_recorded(ledger: Ledger, intent: Intent) -> bool:
    return any(record["id"] == intent.id for record in ledger.records("materialization"))
