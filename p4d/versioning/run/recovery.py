"""Finishes or undoes what a killed process left, before anything else is written.

Every writer takes the project lock through `locked`, so the first one after a kill recovers.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator

from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.pipeline_file import folders_of
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.exchange import carry_out, ensure_content, undo
from p4d.versioning.run.journal import Intent, journal_names, read_journal
from p4d.versioning.run.lock_recorder import lock_recorder
from p4d.versioning.run.staging import sweep

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(project: Project) -> Iterator[None]:
    """Hold the project lock, with everything recovered that a dead process left."""
    with project_lock(project) as outermost:
        if outermost:
            _recover(project)
        yield


def recover(project: Project) -> list[str]:
    """Finish or undo what a dead process left; returns what was done, one notice each."""
    with project_lock(project) as outermost:
        if not outermost:
            return []
        recorder, folders = lock_recorder(), folders_of(project.shards())
        # A group's lock is also restored by the next run of one of its shards.
        notices = [recorder.restore_torn_lock(project, folder) for folder in folders if folder]
        return [*filter(None, notices), *_recover(project)]


def _recover(project: Project) -> list[str]:
    dvc_store.ensure_initialised(project.root)
    notices = [lock_recorder().restore_torn_lock(project), Ledger(project).repair()]
    intent = read_journal(project)
    if intent is not None:
        notices.append(_finish_or_undo(project, intent))
    swept = sweep(project)
    if swept:
        notices.append(f"removed {len(swept)} abandoned staging folders")
    found = [notice for notice in notices if notice]
    for notice in found:
        logger.warning("recovery: %s", notice)
    return found


def _finish_or_undo(project: Project, intent: Intent) -> str:
    folder = project.root / intent.staging
    try:
        with _dvc_lock(project, intent):
            try:
                ensure_content(project, intent)
                carry_out(project, intent, again=True)
            except (OSError, PublishError) as error:
                if not undo(project, intent):
                    raise
                return f"undid the unfinished publishing of {intent.key} ({error})"
    finally:
        if not journal_names(project, folder):
            shutil.rmtree(folder, ignore_errors=True)
    return f"finished publishing {intent.key}"


@contextlib.contextmanager
def _dvc_lock(project: Project, intent: Intent) -> Iterator[None]:
    if intent.entry is None:
        yield
    else:
        with dvc_store.repository_lock(project.root):
            yield
