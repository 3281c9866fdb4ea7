"""Decides who writes dvc.lock: this process, or the DVC command that it runs under.

DVC sets `DVC_STAGE` for the commands of `dvc repro`. It holds its own locks then, has read dvc.yaml
and dvc.lock already, and writes the lock entry itself when the command ends. `lock_recorder` is the
one place that reads that variable; everything that differs between the two cases is a method.
"""

from __future__ import annotations

import contextlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from p4d.atomic import write_durably
from p4d.errors import HistoryError, LedgerError, PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc.lock_file import (
    LOCK_FILE,
    LockEntry,
    LockFile,
    copy_of,
    write_lock,
)
from p4d.versioning.dvc.pipeline_file import PIPELINE_FILE, folder_of, out_path
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import Digest
from p4d.versioning.ledger.anchor import anchor, anchored_lock
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import Workspace

logger = logging.getLogger(__name__)


class LockRecorder(ABC):
    """Who records a published version in dvc.lock.

    Attributes:
        fails_on_checks: whether a command that made an artifact fails when the artifact failed a
            blocking check.
    """

    fails_on_checks: bool

    @abstractmethod
    def write_pipeline_files(self, project: Project, texts: Mapping[str, str]) -> None:
        """Replace pipeline files, which differ from `texts`.

        Args:
            project: where.
            texts: by path, the new content.

        Raises:
            PublishError: DVC has read the old ones.
        """

    @abstractmethod
    def write_links(self, project: Project, code: Mapping[str, Iterable[str]]) -> None:
        """Replace links to code, which differ from `code`.

        Args:
            project: where.
            code: by stage, the files.

        Raises:
            PublishError: DVC has read the old ones.
        """

    @abstractmethod
    def restore_torn_lock(self, project: Project, folder: str = "") -> str | None:
        """Restore a dvc.lock from its copy if it is damaged; returns a notice, or None.

        Args:
            project: where.
            folder: of the lock, relative to the project.

        Raises:
            PublishError: there is no copy.
        """

    @abstractmethod
    def write_lock(self, project: Project, folder: str, text: str) -> None:
        """Replace a dvc.lock by one that says the same in another form. Call it in `exclusive`.

        Args:
            project: where.
            folder: of the lock, relative to the project.
            text: the new content.
        """

    @abstractmethod
    def exclusive(
        self, root: Path, writes: Path, reads: Sequence[Path], wait_s: float
    ) -> AbstractContextManager[None]:
        """Keep other DVC commands away from dvc.lock and from the paths.

        Raises:
            PublishError: one of them works for longer than `wait_s`.
        """

    @abstractmethod
    def entry_text(self, key: ArtifactKey, entry: LockEntry) -> str | None:
        """The block of dvc.lock that publishing has to write, or None."""

    @abstractmethod
    def keep_replaced(self, project: Project, replaced: ArtifactVersion) -> None:
        """Make sure that git names the version that is about to be replaced, for `dvc gc`.

        Raises:
            HistoryError: the ledger or its branch was rewritten.
        """

    @abstractmethod
    def current_md5(self, workspace: Workspace, key: ArtifactKey) -> str | None:
        """Hash of the current version of an artifact, or None."""


class WriteToLock(LockRecorder):
    """Publishing writes the entry: a person, a script or Dagster runs the stage."""

    fails_on_checks = True

    def write_pipeline_files(self, project: Project, texts: Mapping[str, str]) -> None:
        """Replace them; the one at the root last, as it is the whole pipeline until then."""
        for path in sorted(texts, key=lambda path: (path == PIPELINE_FILE, path)):
            target = project.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, texts[path].encode())
            logger.info("%s is written again: stages, imports or shards changed", path)

    def write_links(self, project: Project, code: Mapping[str, Iterable[str]]) -> None:
        """Replace them."""
        for stage, files in code.items():
            code_folder.write(project.root, stage, files)
        logger.info("links to the code are written again: %s", ", ".join(code))

    def restore_torn_lock(self, project: Project, folder: str = "") -> str | None:
        """Restore a dvc.lock from its copy; a DVC command that was killed may have cut it."""
        root, backup = project.root, copy_of(project.state, folder)
        home, name = root / folder, f"{folder}{'/' * bool(folder)}{LOCK_FILE}"
        if LockFile.read_as_is(home).damage() is None:
            return None
        with dvc_store.repository_lock(root):  # DVC may be writing it at this moment
            damage = LockFile.read_as_is(home).damage()
            if damage is None:
                return None
            if not backup.exists():
                raise PublishError(
                    f"{name} is damaged ({damage}) and there is no copy in "
                    f"{project.state}; `git show p4d-ledger:{name} > {name}` takes the last "
                    "anchored one"
                )
            damaged = backup.with_suffix(".damaged")
            (home / LOCK_FILE).replace(damaged)
            write_durably(home / LOCK_FILE, backup.read_bytes())
            return f"restored {name} from its copy ({damage}; kept as {damaged})"

    def write_lock(self, project: Project, folder: str, text: str) -> None:
        """Replace it, and keep a copy."""
        write_lock(project.root, folder, text, project.state)

    @contextlib.contextmanager
    def exclusive(
        self, root: Path, writes: Path, reads: Sequence[Path], wait_s: float
    ) -> Iterator[None]:
        """Wait for a running `dvc repro` that uses the paths, then hold DVC's repository lock."""
        dvc_store.wait_until_idle(root, writes, list(reads), wait_s)
        with dvc_store.repository_lock(root, wait_s):
            yield

    def entry_text(self, key: ArtifactKey, entry: LockEntry) -> str | None:
        """The block, as DVC would write it."""
        return entry.to_text(str(key))

    def keep_replaced(self, project: Project, replaced: ArtifactVersion) -> None:
        """Anchor the replaced version, unless git has it: bringing everything up to date does."""
        key = replaced.key
        try:
            lock = LockFile(anchored_lock(project, folder_of(key.shard)))
            entry = lock.entry(str(key))
            if entry is None or entry.outs.get(out_path(key)) != Digest(replaced.md5):
                anchor(project, f"{key} is about to be replaced")
        except HistoryError:
            raise  # nothing is published upon a ledger that was rewritten
        except (LedgerError, PublishError, OSError) as error:
            logger.warning("the replaced version of %s is not anchored in git: %s", key, error)

    def current_md5(self, workspace: Workspace, key: ArtifactKey) -> str | None:
        """The hash in dvc.lock."""
        return workspace.recorded_md5(key)


class LeaveToDvc(LockRecorder):
    """A command of `dvc repro`: DVC writes the entry when the command ends.

    Failed checks do not make the command fail: the version is published, and the stages that would
    read it refuse it. After a failed command DVC would drop its entry of a published version.
    """

    fails_on_checks = False

    def write_pipeline_files(self, project: Project, texts: Mapping[str, str]) -> None:
        """Refuse: DVC has read the old ones."""
        del project, texts
        raise PublishError(
            f"{PIPELINE_FILE} is older than the code; run `p4d dvc-yaml`, then `dvc repro`"
        )

    def write_links(self, project: Project, code: Mapping[str, Iterable[str]]) -> None:
        """Refuse: DVC has read the old ones."""
        del project
        raise PublishError(
            f"the links below {code_folder.HOME} are older than the imports of {', '.join(code)}; "
            "run `p4d dvc-yaml`, then `dvc repro`"
        )

    def restore_torn_lock(self, project: Project, folder: str = "") -> str | None:
        """Leave dvc.lock alone: DVC holds its lock and may be writing it."""
        del project, folder
        return None

    def write_lock(self, project: Project, folder: str, text: str) -> None:
        """Leave it: DVC writes each entry in today's form when its command ends."""
        del project, folder, text

    def exclusive(
        self, root: Path, writes: Path, reads: Sequence[Path], wait_s: float
    ) -> AbstractContextManager[None]:
        """Hold nothing: the DVC command around this process holds its locks."""
        del root, writes, reads, wait_s
        return contextlib.nullcontext()

    def entry_text(self, key: ArtifactKey, entry: LockEntry) -> str | None:
        """None: DVC writes it."""
        del key, entry
        return None

    def keep_replaced(self, project: Project, replaced: ArtifactVersion) -> None:
        """Anchor nothing: the anchor would hold a dvc.lock that DVC is about to replace."""
        del project, replaced

    def current_md5(self, workspace: Workspace, key: ArtifactKey) -> str | None:
        """The hash in the ledger; dvc.lock has it only when the command has ended."""
        record = Ledger(workspace.project).index().latest(key)
        return None if record is None else str(record["md5"])


def lock_recorder() -> LockRecorder:
    """Who writes dvc.lock for this process."""
    return LeaveToDvc() if "DVC_STAGE" in os.environ else WriteToLock()
