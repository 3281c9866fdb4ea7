"""The resources of this code location: how an asset reaches the publisher, and a sensor the inbox.

Each carries the root of the project and reads the project again for every call, so that an edited
params.yaml counts without a restart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dagster_project.arms import companions, side_by_side
from dagster_project.dead_runs import PROCESS_TAG, process_identity
from dagster_project.metadata import version_metadata
from p4d.compute.ahead import Ahead
from p4d.compute.engine import Engine, ThisProcess
from p4d.compute.local import LocalWorkers
from p4d.compute.settings import read_settings
from p4d.compute.side_by_side import Later
from p4d.errors import P4DError
from p4d.foreign_text import one_line
from p4d.progress import Pace, Progress
from p4d.project import Project
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.remote.engine import open_engine
from p4d.versioning.run.check_published import check_published
from p4d.versioning.run.jobs import make_job
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.run.run_stage import Materialization

if TYPE_CHECKING:
    from p4d.video.landing import LandingReport

# Seconds between two lines of progress.
_PROGRESS_S = 5.0


def _at_once(call: Callable[[], None]) -> None:
    call()


class StageConfig(dg.Config):
    """Run config of every op that makes assets.

    Attributes:
        force: compute the stage although nothing changed.
    """

    force: bool = False


class StageRunner(dg.ConfigurableResource):
    """Runs stages, and the checks of what they published.

    Attributes:
        root: folder of the project.
        progress_to_terminal: also write progress to standard error.
    """

    root: str
    progress_to_terminal: bool = False
    _arms: Ahead | None = None

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Begin a run: nothing trains yet."""
        del context
        self._arms = None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End a run, and the arms that were trained ahead of their steps, if it was stopped."""
        del context
        if self._arms is not None:
            self._arms.close()
            self._arms = None

    @property
    def project(self) -> Project:
        """The project as it is now."""
        return Project(Path(self.root))

    def mark_process(self, context: dg.AssetExecutionContext) -> None:
        """Name this process on the run, so that a dead run is found."""
        context.instance.add_run_tags(context.run_id, {PROCESS_TAG: process_identity()})

    def make(
        self,
        context: dg.AssetExecutionContext,
        key: ArtifactKey,
        *,
        force: bool,
        engine: Engine | None = None,
        later: Later = _at_once,
    ) -> Materialization:
        """Run the stage of an artifact, with progress in the log of the run.

        Args:
            context: of the step.
            key: which artifact.
            force: compute although nothing changed.
            engine: runs it; default: this process.
            later: runs a function in the thread of the step.

        Raises:
            P4DError: of the library.
        """
        report = self._progress(context, key)
        job = make_job(self.project, key, run_id=context.run_id, force=force)
        return (engine or ThisProcess()).run(
            job, lambda done, total, note: later(lambda: report(done, total, note))
        )

    def materialize(
        self, context: dg.AssetExecutionContext, config: StageConfig
    ) -> dg.MaterializeResult:
        """Run the stage of an asset without shards and describe the published version.

        Raises:
            dagster.Failure: the library raised an error; the description is its message.
        """
        self.mark_process(context)
        key = ArtifactKey(context.asset_key.to_user_string())
        try:
            made = self._made(context, key, force=config.force)
        except P4DError as error:
            raise dg.Failure(
                description=f"{type(error).__name__}: {error}", allow_retries=False
            ) from error
        # Metadata of the asset: that of the result is stored with the output once more.
        context.add_asset_metadata(version_metadata(self.project, made), asset_key=key.stage)
        return dg.MaterializeResult(data_version=dg.DataVersion(made.data_version))

    def _made(
        self, context: dg.AssetExecutionContext, key: ArtifactKey, *, force: bool
    ) -> Materialization:
        """Run the stage of an asset; of an arm, with other arms of the run side by side."""
        if not force:
            self._start_arms(context, key)
        if self._arms is None or not self._arms.has(str(key)):
            with self._engine() as engine:
                return self.make(context, key, force=force, engine=engine)
        reports: dict[str, Progress] = {}

        def report(name: str, done: int, total: int, note: str) -> None:
            if name not in reports:
                reports[name] = self._progress(context, ArtifactKey.parse(name))
            reports[name](done, total, note)

        made: Materialization = self._arms.result(str(key), report)
        return made

    def _start_arms(self, context: dg.AssetExecutionContext, key: ArtifactKey) -> None:
        """Start an arm and those that can start with it, if the machine has cores for several."""
        selected = {asset.to_user_string() for asset in context.run.asset_selection or ()}
        others = companions(key.stage, selected)
        if not others:
            return
        settings = read_settings(self.project.root)
        width = side_by_side(self.project.params.training, settings)
        if width == 1:
            return
        if self._arms is None:
            self._arms = Ahead(LocalWorkers(replace(settings, workers=width)))
        for name in (key.stage, *others):
            self._arms.start(
                make_job(self.project, ArtifactKey(name), run_id=context.run_id, force=False)
            )

    def _engine(self) -> Engine:
        """Of one stage: the cluster, if `compute.yaml` names one, else this process."""
        settings = read_settings(self.project.root)
        on_cluster = settings.engine == "ray"
        return open_engine(self.project.root, settings) if on_cluster else ThisProcess()

    def check(self, key: ArtifactKey, run_id: str) -> tuple[ArtifactVersion, Sequence[CheckResult]]:
        """Run the gates of a stage on its published version; the ledger records the results.

        Args:
            key: whose version.
            run_id: of the run.

        Raises:
            P4DError: of the library.
        """
        return check_published(self.project, key, run_id=run_id)

    def tell(self, context: dg.AssetExecutionContext, line: str) -> None:
        """Write a line of progress to the log of the run, and to the terminal."""
        context.log.info(line)
        self._print(line)

    def _print(self, line: str) -> None:
        if self.progress_to_terminal:
            sys.stderr.write(f"      {line}\n")

    def _progress(
        self, context: dg.AssetExecutionContext, key: ArtifactKey
    ) -> Callable[[int, int, str], None]:
        """Lines of progress, every few seconds; what takes less has none in the log of the run."""
        pace = Pace()
        began = last = time.monotonic()

        def report(done: int, total: int, note: str) -> None:
            nonlocal last
            now = time.monotonic()
            left = pace.left(done, total, now)
            if now - last < _PROGRESS_S and done < total:
                return
            last = now
            text = f"{key}: {done} of {total} {one_line(note)}".rstrip()
            text = f"{text}; {left}" if left else text
            if now - began < _PROGRESS_S:
                self._print(text)
            else:
                self.tell(context, text)

        return report


class Inbox(dg.ConfigurableResource):
    """The folder in which new videos arrive.

    Attributes:
        root: folder of the project.
        settle_s: seconds for which a file must not have changed before it is landed; a file that
            is still being copied grows.
    """

    root: str
    settle_s: float = 10.0

    def land(self) -> LandingReport:
        """Close a shard of the files that are new and at rest, if there are any."""
        from p4d.video.landing import land

        report = land(Project(Path(self.root)), settle_s=self.settle_s)
        refresh_pipeline_files(Project(Path(self.root)))
        return report
