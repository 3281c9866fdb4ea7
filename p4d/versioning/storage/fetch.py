"""Brings versions from the remote when they are read, for a checkout whose folders are absent.

A clone has git's files alone: dvc.lock, lists of shards, and the ledger after `p4d audit fetch`.
What a command reads comes by hash from DVC's default remote into the cache, and each object is
hashed where it arrives. A checkout with any of these artifacts in place is no such clone: there a
folder that is gone was deleted, and nothing hides that. What a command put in place here, because
it reads whole tables (`.p4d/brought.json` lists it), does not count as such.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from p4d.atomic import write_durably
from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc.config import default_remote
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.files.hashes import Digest, Tree, tree_of
from p4d.versioning.files.project_lock import project_lock
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import Workspace
from p4d.versioning.storage.push import WORKERS, clients_errors, open_remote

Note = Callable[[str], None]
"""Takes one line for the user."""
BROUGHT = "brought.json"
"""File of the project's state: artifacts that `Fetcher.bring` put in place, with their hashes."""
_SHOWN = 3


def is_without_artifacts(workspace: Workspace, stages: Collection[str] | None = None) -> bool:
    """Whether dvc.lock records artifacts, none of them was made here, and there is a remote.

    Args:
        workspace: of the project.
        stages: look at the artifacts of these alone.
    """
    if default_remote(workspace.project.root) is None:
        return False
    keys = [key for key in workspace.all_keys() if stages is None or key.stage in stages]
    recorded = [key for key in keys if workspace.recorded_md5(key)]
    root, brought = workspace.project.root, _brought(workspace.project)
    return bool(recorded) and not any(
        (root / out_path(key)).exists() for key in recorded if out_path(key) not in brought
    )


def bring_what_is_read(project: Project, stages: Collection[str], note: Note) -> None:
    """In a clone without artifacts of these stages: put them in place; elsewhere do nothing.

    Several processes may call it at once.

    Raises:
        PublishError: the remote cannot be used, lacks an object, or gave other bytes.
    """
    if default_remote(project.root) is None:
        return
    with project_lock(project), Workspace(project) as workspace:
        elsewhere = is_without_artifacts(workspace, stages)
    if elsewhere:
        with Fetcher(project, note) as fetcher:
            fetcher.bring(stages)


class Fetcher:
    """Fetches objects from the default remote into the cache; opens the remote when it is needed.

    Use as a context manager. Without a default remote it fetches nothing.
    """

    def __init__(self, project: Project, note: Note) -> None:
        """Fetch for `project`; `note` is called once, before the first object."""
        self.project = project
        self._note = note
        self._has_remote = default_remote(project.root) is not None
        self._stack = ExitStack()
        self._opened: tuple[str, Any] | None = None

    def __enter__(self) -> Fetcher:
        """The fetcher itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the remote."""
        self._stack.close()

    def objects(self, wanted: Mapping[str, str]) -> int:
        """Fetch what the cache lacks of some objects; returns their number.

        Args:
            wanted: by hash, the name of a file with this content.

        Raises:
            PublishError: the remote cannot be used, lacks an object, or gave other bytes.
        """
        root = self.project.root
        lacking = [oid for oid in wanted if not dvc_store.object_path(root, oid).is_file()]
        if not lacking or not self._has_remote:
            return 0
        name, odb = self._remote()

        def one(oid: str) -> str | None:
            path = odb.oid_to_path(oid)
            try:
                with clients_errors(name), suppress(FileNotFoundError):
                    dvc_store.store_object(root, oid, lambda: odb.fs.open(path, "rb"), wanted[oid])
                    return None
                return wanted[oid]
            except PublishError as error:
                if isinstance(error.__cause__, Exception):  # of the client
                    raise
                raise PublishError(
                    f"{name} gave other bytes than {oid} for {wanted[oid]}; `p4d push --rehash` in "
                    "the project that made it names all such objects"
                ) from error

        with ThreadPoolExecutor(WORKERS) as pool:
            missing = [found for found in pool.map(one, lacking) if found is not None]
        if missing:
            few = ", ".join(sorted(missing)[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
            raise PublishError(
                f"{name} lacks {len(missing)} objects ({few}); `p4d push` in the project that made "
                "them sends them"
            )
        return len(lacking)

    def file(self, version: ArtifactVersion, path: str | None) -> None:
        """Fetch the list of files of a version, and one of its files; nothing if it has no such.

        Raises:
            PublishError: as `objects`.
        """
        self.objects({version.md5: str(version.key)})
        if path is not None and dvc_store.object_path(self.project.root, version.md5).is_file():
            digest = dvc_store.read_tree(self.project.root, version.md5).files.get(path)
            if digest is not None:
                self.objects({digest.md5: f"{version.key}/{path}"})

    def version(self, md5: str, name: str) -> None:
        """Fetch a version as a whole; `name` is for messages.

        Raises:
            PublishError: as `objects`.
        """
        self.objects({md5: name})
        self.objects(
            {oid: f"{name}/{file}" for file, oid in dvc_store.objects_of(self.project.root, md5)}
        )

    def lists(self) -> None:
        """Fetch the list of files of every version that the ledger names.

        Raises:
            PublishError: as `objects`.
        """
        records = Ledger(self.project).records("materialization")
        self.objects({record["md5"]: record["path"] for record in records})

    def bring(self, stages: Collection[str]) -> list[ArtifactKey]:
        """Put the recorded artifacts of some stages that are absent in place; returns them.

        One that was brought when dvc.lock named another version, and was not altered, is replaced.

        Raises:
            PublishError: as `objects`.
        """
        root = self.project.root
        with project_lock(self.project), Workspace(self.project) as workspace:
            brought = _brought(self.project)
            absent = {
                key: md5
                for key in workspace.all_keys()
                if key.stage in stages
                if (md5 := workspace.recorded_md5(key))
                if _is_absent(root / out_path(key), brought.get(out_path(key)), md5)
            }
            if not absent or not self._has_remote:
                return []
            self.objects({md5: out_path(key) for key, md5 in absent.items()})
            self.objects(
                {
                    oid: f"{out_path(key)}/{file}" if file else out_path(key)
                    for key, md5 in absent.items()
                    for file, oid in dvc_store.objects_of(root, md5)
                }
            )
            brought |= {out_path(key): md5 for key, md5 in absent.items()}
            path = self.project.state / BROUGHT
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(brought, indent=1, sort_keys=True).encode())
            for key, md5 in absent.items():
                place = root / out_path(key)
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                dvc_store.checkout(root, md5, place)
        return list(absent)

    def _remote(self) -> tuple[str, Any]:
        if self._opened is None:
            self._opened = self._stack.enter_context(open_remote(self.project, None))
            name, odb = self._opened
            url = odb.fs.unstrip_protocol(odb.path)
            self._note(f"artifacts that are not here are read from {name} ({url})")
        return self._opened


def _brought(project: Project) -> dict[str, str]:
    """Hash by path of what was put in place; empty if the list is missing or damaged."""
    try:
        found = json.loads((project.state / BROUGHT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_absent(place: Path, brought: str | None, md5: str) -> bool:
    """Whether nothing is at `place`, or an unaltered version that was brought and is not `md5`."""
    if not place.is_dir():
        return not place.exists()
    return brought not in (None, md5) and tree_of(place).digest.md5 == brought


class RecordedWorkspace(Workspace):
    """A snapshot in which an absent artifact counts as the version that dvc.lock records.

    Only the lists of files are read, from the cache; `fetch_lists` brings them there.
    """

    def fetch_lists(self, fetcher: Fetcher) -> None:
        """Fetch the list of files of every recorded artifact.

        Raises:
            PublishError: as `Fetcher.objects`.
        """
        fetcher.objects(
            {md5: out_path(key) for key in self.all_keys() if (md5 := self.recorded_md5(key))}
        )

    def digest(self, path: str) -> Digest | None:
        """Hash of a file or folder of the project; of an absent artifact the recorded one."""
        found = super().digest(path)
        if found is not None or not path.startswith("data/"):
            return found
        stage, _, shard = path.removeprefix("data/").partition("/")
        if stage not in self.by_name:
            return None
        keys = self.keys_of(self.by_name[stage])
        if self.by_name[stage].per_shard and not shard:
            return self._of_all_shards(keys)
        key = ArtifactKey(stage, shard or None)
        md5 = self.recorded_md5(key) if key in keys else None
        return None if md5 is None else dvc_store.read_tree(self.project.root, md5).digest

    def _of_all_shards(self, keys: Iterable[ArtifactKey]) -> Digest | None:
        files: dict[str, Digest] = {}
        for key in keys:
            if md5 := self.recorded_md5(key):
                tree = dvc_store.read_tree(self.project.root, md5)
                files |= {f"{key.shard}/{name}": digest for name, digest in tree.files.items()}
        return Tree.of(files).digest if files else None
