"""Computes the fingerprint that an artifact should have now, and compares it with what is recorded.

A fingerprint is the command, the parameters, the code and the inputs, by content. `status` compares
it with dvc.lock and with the working files, as `dvc status` does, in milliseconds and without
importing DVC.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

from p4d.errors import ConfigError, ContractError, LedgerError
from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.lock_file import PARAMS_FILE, LockEntry, LockFile, load_yaml
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.code_closure import code_files, import_closure
from p4d.versioning.files.hashes import Digest, HashCache, Tree
from p4d.versioning.ledger.code_lists import kept_code_list
from p4d.versioning.state.blocked import EMPTY_DIGEST
from p4d.versioning.state.fingerprint import Fingerprint, digest_of
from p4d.versioning.state.reasons import grouped

BLOCKED_MISSING = f"input missing: {dvc_yaml.BLOCKED_LIST}"
"""Why a stage that reads all shards is stale while the list of blocked shards is missing."""

State = Literal["fresh", "missing", "stale", "blocked"]


@dataclass(frozen=True)
class ArtifactStatus:
    """The state of one artifact.

    Attributes:
        key: which artifact.
        state: `fresh` (nothing to do), `missing` (no intact output), `stale` (made of something
            else than now), `blocked` (cannot be made: code or an input is missing).
        reasons: why it is not fresh, in words.
        md5: hash of the recorded output, or None.
    """

    key: ArtifactKey
    state: State
    reasons: tuple[str, ...]
    md5: str | None

    @property
    def summary(self) -> str:
        """The reasons in few words: at most three names of each kind, and their number."""
        return grouped(self.reasons)


class Workspace:
    """A snapshot of the project: every file is read and hashed at most once.

    A new one sees changes. Use as a context manager, so that the hash cache is closed.
    """

    def __init__(self, project: Project) -> None:
        """Open a snapshot of `project`."""
        self.project = project
        self.stages = project.stages
        self.by_name = project.by_name
        self.cache = HashCache(project.root, project.state / "hashes.sqlite")
        self._digests: dict[str, Digest | None] = {}
        self._code: dict[str, Mapping[str, Digest | None]] = {}
        self._code_trees: dict[str, Tree] = {}
        self._code_lists: dict[str, Mapping[str, Digest] | None] = {}
        self._locks: dict[str, LockFile] = {}

    def __enter__(self) -> Self:
        """The workspace itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the hash cache."""
        self.cache.__exit__()

    def lock(self, key: ArtifactKey) -> LockFile:
        """The dvc.lock that holds an artifact.

        One of an earlier version holds all shards in the lock at the root, until the next run moves
        them.
        """
        folder = dvc_yaml.folder_of(key.shard)
        lock = self._lock_in(folder)
        if folder and lock.block(str(key)) is None:
            return self._lock_in("")
        return lock

    def _lock_in(self, folder: str) -> LockFile:
        if folder not in self._locks:
            self._locks[folder] = LockFile.read(self.project.root / folder)
        return self._locks[folder]

    @cached_property
    def raw_params(self) -> Mapping[str, Any]:
        """params.yaml as DVC reads it.

        Raises:
            ConfigError: the file is missing or holds no sections.
        """
        path = self.project.root / PARAMS_FILE
        try:
            loaded = load_yaml(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"{path} does not exist") from error
        except Exception as error:
            raise ConfigError(f"{path} is not valid YAML: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"{path} must hold sections")
        return loaded

    @cached_property
    def shards(self) -> list[str]:
        """Ids of the closed shards, in landing order."""
        index = self.project.shards_dir / "index.yaml"
        stat = index.stat() if index.is_file() else None
        return _shards(self.project, stat and (stat.st_size, stat.st_mtime_ns, stat.st_ino))

    def stage(self, name: str) -> Stage:
        """Look a stage up; an unknown name raises with the known ones."""
        return self.project.stage(name)

    def check_key(self, key: ArtifactKey) -> None:
        """Refuse an artifact that the pipeline does not have.

        Raises:
            ContractError: the stage or the shard is unknown, a shard is missing, or the stage has
                none.
        """
        stage = self.stage(key.stage)
        if stage.per_shard != (key.shard is not None):
            closed = ", ".join(self.shards) or "none; `p4d land` closes one"
            need = f"needs a shard; closed shards: {closed}" if stage.per_shard else "has no shards"
            raise ContractError(f"stage {stage.name} {need}")
        if key.shard is not None and key.shard not in self.shards:
            raise ContractError(
                f"no shard {key.shard!r}; closed shards: {', '.join(self.shards) or 'none'}"
            )

    def digest(self, path: str) -> Digest | None:
        """Hash of a file or folder of the project, or None where nothing is."""
        if path not in self._digests:
            self._digests[path] = self.cache.digest(self.project.root / path)
        return self._digests[path]

    def tree(self, path: str) -> Tree:
        """Hashes of the files below a folder of the project."""
        return self.cache.tree(self.project.root / path)

    def code(self, stage: Stage) -> Mapping[str, Digest | None]:
        """Hashes of the code that shapes a stage's result."""
        if stage.name not in self._code:
            files = code_files(stage, self.project.root, self.cache)
            self._code[stage.name] = {path: self.digest(path) for path in files}
        return self._code[stage.name]

    def code_tree(self, stage: Stage) -> Tree:
        """The code of a stage as the folder that dvc.lock names."""
        if stage.name not in self._code_trees:
            self._code_trees[stage.name] = code_folder.tree_of_code(self.code(stage))
        return self._code_trees[stage.name]

    def code_digest(self, entry: str, extra: Sequence[str] = ()) -> str:
        """16 hex digits over all code behind an entry point `module:function`."""
        files = import_closure(entry, self.project.root, self.cache, extra)
        return digest_of({path: (found := self.digest(path)) and found.md5 for path in files})

    def params_of(self, stage: Stage) -> dict[str, Any]:
        """The sections of params.yaml that a stage declares."""
        return {s: self.raw_params[s] for s in sorted(stage.params) if s in self.raw_params}

    def code_version(self, stage: Stage) -> str:
        """16 hex digits over command, parameters and code; equal for all shards of a stage."""
        code = {path: digest and digest.md5 for path, digest in self.code(stage).items()}
        return digest_of([dvc_yaml.command(ArtifactKey(stage.name)), self.params_of(stage), code])

    def required(self, key: ArtifactKey) -> Fingerprint:
        """What the artifact should be made of now."""
        stage, shard = self.stage(key.stage), key.shard
        deps: dict[str, Digest | None] = {}
        if stage.manifest and shard is not None:
            path = dvc_yaml.manifest_path(shard)
            deps[path] = self.digest(path)
        deps.update({path: self.digest(path) for path in stage.tracked})
        if dvc_yaml.reads_all_shards(stage, self.by_name):
            deps[dvc_yaml.SHARD_LIST] = self.digest(dvc_yaml.SHARD_LIST)
            # A project of an earlier version has no such file: nothing is blocked, by its rules.
            deps[dvc_yaml.BLOCKED_LIST] = self.digest(dvc_yaml.BLOCKED_LIST) or EMPTY_DIGEST
        for name in stage.inputs:
            path = dvc_yaml.input_path(stage, self.stage(name), shard)
            deps[path] = self.digest(path)
        return Fingerprint(
            stage=stage.name,
            cmd=dvc_yaml.command(key),
            params=self.params_of(stage),
            code=self.code(stage),
            code_tree=self.code_tree(stage),
            deps=deps,
        )

    def recorded(self, key: ArtifactKey) -> LockEntry | None:
        """What dvc.lock records of an artifact, or None; in today's form, whatever is written."""
        lock = self.lock(key)
        block, entry = lock.block(str(key)), lock.entry(str(key))
        if entry is None or block is None or not code_folder.is_earlier_form(key.stage, block):
            return entry
        return code_folder.as_folder(key.stage, entry)

    def recorded_code(self, key: ArtifactKey) -> Mapping[str, Digest] | None:
        """The files of code that made an artifact; None if no intact list of them is kept."""
        entry = self.lock(key).entry(str(key))
        if entry is None:
            return None
        if code_folder.is_earlier_form(key.stage, self.lock(key).block(str(key)) or ""):
            return code_folder.code_of(entry)
        md5 = entry.deps[code_folder.path_of(key.stage)].md5
        if md5 not in self._code_lists:
            try:
                self._code_lists[md5] = kept_code_list(self.project, md5)
            except LedgerError:  # `p4d audit verify` reports it; reasons then name the folder
                self._code_lists[md5] = None
        return self._code_lists[md5]

    def recorded_md5(self, key: ArtifactKey) -> str | None:
        """Hash of an artifact's recorded output, or None."""
        return self.lock(key).output_md5(str(key), dvc_yaml.out_path(key))

    def keys_of(self, stage: Stage) -> list[ArtifactKey]:
        """The artifacts of one stage, shards in landing order."""
        if not stage.per_shard:
            return [ArtifactKey(stage.name)]
        return [ArtifactKey(stage.name, shard) for shard in self.shards]

    def all_keys(self) -> Iterator[ArtifactKey]:
        """Every artifact: stages in pipeline order, shards in landing order."""
        for stage in self.stages:
            yield from self.keys_of(stage)

    def status(self, key: ArtifactKey) -> ArtifactStatus:
        """The state of one artifact."""
        required, out = self.required(key), dvc_yaml.out_path(key)
        present = self.digest(out)
        lost_list = dvc_yaml.BLOCKED_LIST in required.deps and not self.digest(
            dvc_yaml.BLOCKED_LIST
        )
        if present is not None and not required.missing and not lost_list:
            # To compare texts is ten times as fast as to parse an entry.
            expected = required.to_entry({out: present}).to_text(str(key))
            if self.lock(key).block(str(key)) == expected:
                return ArtifactStatus(key, "fresh", (), present.md5)
        recorded, entry = self.recorded_md5(key), self.recorded(key)
        reasons: list[str] = []
        state: State = "fresh"
        if entry is None or recorded is None:
            state, reasons = "missing", ["never made"]
        else:
            changes = required.differences(entry, self.recorded_code(key))
            if self._lost_blocked_list(entry):
                of_list = f"input changed: {dvc_yaml.BLOCKED_LIST}"
                changes = [BLOCKED_MISSING, *(each for each in changes if each != of_list)]
            if changes:
                state, reasons = "stale", changes
            if present is None:
                state, reasons = "missing", ["output missing", *reasons]
            elif present.md5 != recorded:
                state, reasons = "stale", ["output edited", *reasons]
        if state != "fresh" and required.missing:
            waiting = [f"waits for {path}" for path in required.missing]
            state, reasons = "blocked", [*reasons, *(w for w in waiting if w not in reasons)]
        return ArtifactStatus(key, state, tuple(reasons), recorded)

    def _lost_blocked_list(self, entry: LockEntry) -> bool:
        """Whether the list of blocked shards was read once and is gone; the next run writes it."""
        return dvc_yaml.BLOCKED_LIST in entry.deps and self.digest(dvc_yaml.BLOCKED_LIST) is None


def code_versions(project: Project) -> dict[str, str]:
    """`code_version` of every stage, for Dagster."""
    with Workspace(project) as workspace:
        return {stage.name: workspace.code_version(stage) for stage in project.stages}


def status(project: Project) -> list[ArtifactStatus]:
    """The state of every artifact. Agrees with `dvc status`."""
    with Workspace(project) as workspace:
        return [workspace.status(key) for key in workspace.all_keys()]


@functools.lru_cache(maxsize=4)
def _shards(project: Project, identity: tuple[int, int, int] | None) -> list[str]:
    del identity  # a key of the cache: hundreds of shards take a tenth of a second to parse
    return project.shards()
