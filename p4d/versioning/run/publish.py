"""Publishing: a computed folder becomes the current version, whole or not at all.

Under the project lock and DVC's own:

1. the cache gets the content (harmless if the process ends here);
2. code, parameters and inputs are compared with what they were before the stage ran: if they
   differ, publishing stops, as the record would name inputs that were never read;
3. a journal with the whole intent (target, hash, dvc.lock entry, ledger record) is flushed to disk;
4. the old folder is moved aside and the new one in, dvc.lock and the ledger are written;
5. the journal is dropped, then the old folder.

If a process dies before 3, the old version stays. If it dies after 3, the next process that takes
the lock finishes the intent, or puts the old version back if the new content is gone or the disk is
full (`recovery`). No version is ever torn.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from p4d.atomic import out_of_space
from p4d.errors import PublishError
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.files.crash_points import reached
from p4d.versioning.files.hashes import Tree, tree_of
from p4d.versioning.run.exchange import carry_out, undo
from p4d.versioning.run.journal import Intent, write_journal
from p4d.versioning.run.recovery import locked
from p4d.versioning.run.stage_run import StageRun
from p4d.versioning.state.reasons import grouped
from p4d.versioning.state.workspace import Workspace


def publish(run: StageRun, folder: Path, record: Mapping[str, Any]) -> ArtifactVersion:
    """Make `folder/new` the current version of the run's artifact.

    Args:
        run: what ran, as it was prepared before.
        folder: the staging folder.
        record: body of the ledger record; the hash of the version is added here.

    Raises:
        PublishError: code, parameters or inputs changed, another run published the artifact, or no
            room is left; the old version is in place.
    """
    project, root, new = run.project, run.project.root, folder / "new"
    tree = tree_of(new)
    # A result that took hours is not thrown away because a `dvc push` takes minutes.
    wait_s = max(dvc_store.LOCK_WAIT_S, record["cost"]["wall_s"])
    reached("computed")
    try:
        dvc_store.store_tree(root, new, tree)
        reached("cached")
        reads = [root / path for path in run.expected.deps]
        with (
            locked(project),
            run.recorder.exclusive(root, root / run.out, reads, wait_s),
            Workspace(project) as workspace,
        ):
            _refuse_changes(workspace, run, tree)
            # Until the record names it, a `dvc gc` may take it; from here on none can run.
            dvc_store.store_tree(root, new, tree, just_stored=True)
            if run.previous is not None:
                run.recorder.keep_replaced(project, ArtifactVersion(run.key, run.previous))
            present = workspace.digest(run.out)
            intent = _intent(run, folder, tree, record, swap=present != tree.digest)
            write_journal(project, intent)
            try:
                reached("journaled")
                carry_out(project, intent, again=False)
            except Exception:
                undo(project, intent)
                raise
            workspace.cache.adopt(root / run.out, tree)
    except OSError as error:
        if out_of_space(error):
            raise PublishError(
                f"{run.key}: no room left while publishing ({error}); nothing is torn: free space "
                "and run again"
            ) from error
        raise
    return ArtifactVersion(run.key, tree.digest.md5)


def _refuse_changes(workspace: Workspace, run: StageRun, tree: Tree) -> None:
    before = run.expected
    changes = workspace.required(run.key).differences(before.to_entry({}), before.code)
    if changes:
        raise PublishError(
            f"{run.key} is not published, as this changed while it was made: "
            f"{grouped(changes)}. Run it again"
        )
    if workspace.recorded_md5(run.key) not in (run.previous, tree.digest.md5):
        raise PublishError(f"{run.key} is not published: another run published it meanwhile")


def _intent(
    run: StageRun, folder: Path, tree: Tree, record: Mapping[str, Any], *, swap: bool
) -> Intent:
    entry = run.lock_entry(tree.digest)
    return Intent(
        id=uuid.uuid4().hex,
        key=str(run.key),
        out=run.out,
        staging=folder.relative_to(run.project.root).as_posix(),
        md5=tree.digest.md5,
        swap=swap,
        entry=run.recorder.entry_text(run.key, entry),
        record={
            **record,
            "md5": tree.digest.md5,
            "nbytes": tree.digest.nbytes,
            "nfiles": tree.digest.nfiles,
            "lock_entry": hashlib.sha256(entry.to_text(str(run.key)).encode()).hexdigest(),
        },
    )
