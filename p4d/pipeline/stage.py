"""What a stage declares, what it may read, and what it reports.

A stage is a function `(StageInputs, Path) -> StageReport`. It can read only what its `Stage`
declares: an undeclared upstream folder or parameter raises an error, so the recorded provenance is
complete by construction.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from p4d.config import Params
from p4d.errors import ContractError


@dataclass(frozen=True, kw_only=True)
class DvcPlot:
    """How `dvc plots show` draws a file of a stage's output.

    Attributes:
        file: a CSV file of the output.
        x: column on the horizontal axis.
        y: columns on the vertical axis.
        title, x_label, y_label: texts, with units.
        template: one of DVC's, or a file in `.dvc/plots/` without its ending.
    """

    file: str
    x: str
    y: tuple[str, ...]
    title: str
    x_label: str
    y_label: str
    template: str = "simple"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a stage takes of a machine while it runs; changes no result.

    Attributes:
        cores: processors that it keeps busy.
        memory_mib: memory at its peak, libraries included.
        gpu: whether it uses a GPU where the machine has one to give.
    """

    cores: int = 1
    memory_mib: int = 1024
    gpu: bool = False


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """An earlier version of another stage, which a stage's own last version names.

    It is opened from the cache and stays in no artifact of the reader: once it is purged, nobody
    has it any more.

    Attributes:
        stage: whose version.
        file: JSON file of the reader's own last version.
        key: of that file, with the data version (`md5:...`) or null.
    """

    stage: str
    file: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of the pipeline.

    Attributes:
        name: stage in dvc.yaml, asset in Dagster, folder under data/.
        group: part of the flow; the groups of the UI are made of these.
        entry: `module:function` of signature `(StageInputs, Path) -> StageReport`.
        description: what is stored, in a sentence.
        inputs: names of upstream stages.
        params: sections of params.yaml the function may read.
        per_shard: one artifact per shard; an upstream per-shard stage is then read shard by shard.
        manifest: reads `shards/<shard>.json`.
        tracked: folders of the repository that the function reads, versioned by git.
        extra_code: files or folders beside the entry's import closure that shape the result.
        metrics: files of the output that DVC shows as metrics.
        plots: files of the output that DVC plots, and how.
        pins: file of the output that names, by shard, the versions which the stage froze:
            `{"shards": [{"shard": ID, "versions": {STAGE: "md5:..."}}], "stages": {STAGE: ...}}`.
        pinned: stages that are read at exactly the versions that the pinning input names. They are
            no inputs of their own: whatever else lands, is labelled again or is blocked changes
            nothing for this stage until the pinning input is made again.
        previous: whether the function may read the stage's own last version; if it is required (an
            append-only ledger), the stage does not start over when that version is lost.
        reopens: an earlier version that the function may read beside its inputs.
        needs: what it takes of a machine, so that as many run side by side as fit.
    """

    name: str
    group: str
    entry: str
    description: str
    inputs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    per_shard: bool = False
    manifest: bool = False
    tracked: tuple[str, ...] = ()
    extra_code: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    plots: tuple[DvcPlot, ...] = ()
    pins: str = ""
    pinned: tuple[str, ...] = ()
    previous: Literal["unread", "optional", "required"] = "unread"
    reopens: Reopened | None = None
    needs: Needs = Needs()

    @property
    def reads(self) -> tuple[str, ...]:
        """All stages whose artifacts the function may read: inputs and pinned ones."""
        return (*self.inputs, *self.pinned)

    def load(self) -> Callable[[StageInputs, Path], StageReport]:
        """Import and return the function; heavy libraries are imported only now."""
        module, _, name = self.entry.partition(":")
        function: Callable[[StageInputs, Path], StageReport] = getattr(
            importlib.import_module(module), name
        )
        return function


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """What a stage reports about its own run.

    Attributes:
        rows: number of rows by outcome; keys among ok, filtered, rejected, failed.
        metrics: flat numbers or short texts for the UI and the ledger.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float | int | str] = field(default_factory=dict)


class SharedFolder(Protocol):
    """A folder of one run that outlives every machine: files, and a record that says which count.

    `p4d/versioning/remote/run_folder.py` keeps it in the object store. All methods raise StoreError
    if the store does not answer or refuses.
    """

    @property
    def url(self) -> str:
        """Where it is, for messages."""
        ...

    def read(self) -> dict[str, Any] | None:
        """What the record says; None if there is none."""
        ...

    def send(self, folder: Path, *, without: str | None = None) -> dict[str, str]:
        """Upload all files below a folder but one in it; returns their hashes by name."""
        ...

    def write(self, files: Mapping[str, str], about: Mapping[str, Any]) -> None:
        """Make sent files those that count; the earlier ones are removed."""
        ...

    def fetch(self, folder: Path) -> None:
        """Download the files that count; the folder appears once all are there, verified."""
        ...


def _ignore_progress(done: int, total: int, note: str) -> None:
    del done, total, note


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """What a stage may read.

    Attributes:
        stage: the declaration that the methods hold every access to.
        all_params: all sections; `params` reads a declared one.
        folders: per upstream stage, its folder, or its folders by shard; see `folder` and
            `shard_folders`.
        shard: the shard of this run, or None.
        manifest: the parsed `shards/<shard>.json`, if declared.
        inbox: the drop folder, for the stage that takes videos from it.
        tracked_folders: the declared folders of the repository, by name; `tracked` reads one.
        versions: data version (`md5:...`) of every upstream artifact, keyed `stage` or
            `stage@shard`; safe to write into an artifact, as it is content.
        excluded: upstream shards that a fan-in leaves out, with the reason.
        previous: the stage's own last version, if declared and there is one.
        reopened: folder of the earlier version that `Stage.reopens` declares; None if none is named
            or the cache no longer has it.
        work: work directory that survives a kill of the process and is removed when the result is
            published; never an artifact. None if no work directory is kept.
        shared: outlives the machine, too: a stage that resumes keeps there what another machine
            needs for it. None if there is no object store.
        progress: call it as `(done, total, note)` from time to time.
    """

    stage: Stage
    all_params: Params
    folders: Mapping[str, Path | Mapping[str, Path]]
    shard: str | None = None
    manifest: Mapping[str, Any] | None = None
    inbox: Path | None = None
    tracked_folders: Mapping[str, Path] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    previous: Path | None = None
    reopened: Path | None = None
    work: Path | None = None
    shared: SharedFolder | None = None
    progress: Callable[[int, int, str], None] = _ignore_progress

    def params(self, section: str) -> Any:  # noqa: ANN401 - one dataclass per section
        """A declared section of the parameters.

        Raises:
            ContractError: the stage does not declare this section.
        """
        if section not in self.stage.params:
            raise ContractError(
                f"stage {self.stage.name} reads params.{section} without declaring it"
            )
        return getattr(self.all_params, section)

    def folder(self, upstream: str) -> Path:
        """The folder of an upstream stage: of the same shard, or of an unpartitioned stage."""
        found = self._declared(upstream)
        if not isinstance(found, Path):
            raise ContractError(f"{upstream} has one folder per shard: use shard_folders()")
        return found

    def shard_folders(self, upstream: str) -> Mapping[str, Path]:
        """All shards' folders of an upstream stage, in shard order (fan-in)."""
        found = self._declared(upstream)
        if isinstance(found, Path):
            raise ContractError(f"{upstream} has a single folder: use folder()")
        return found

    def tracked(self, name: str) -> Path | None:
        """A declared folder of the repository; None if the stage runs outside of a repository.

        Raises:
            ContractError: the stage does not declare this folder.
        """
        if name not in self.stage.tracked:
            raise ContractError(f"stage {self.stage.name} reads {name}/ without declaring it")
        return self.tracked_folders.get(name)

    def _declared(self, upstream: str) -> Path | Mapping[str, Path]:
        if upstream not in self.stage.reads:
            raise ContractError(f"stage {self.stage.name} reads {upstream} without declaring it")
        return self.folders[upstream]
