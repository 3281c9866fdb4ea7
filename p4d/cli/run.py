"""Commands that make a project and run its pipeline: init, status, stage, land, dvc-yaml."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p4d.cli.echo import echo
from p4d.cli.settings import settings_of
from p4d.foreign_text import one_line
from p4d.project import Project

if TYPE_CHECKING:
    from p4d.quality.results import CheckResult
    from p4d.versioning.state.workspace import Workspace


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a project in FOLDER, for a corpus of your own; its code is the installed package."""
    from p4d.starter.new_project import make_project

    written = make_project(folder)
    echo(f"{folder}: {len(written)} files; README.md names the commands. Next:")
    echo(f"  cd {folder}\n  make setup   # or activate this environment\n  make up")


@click.command()
@click.option(
    "--all", "every", is_flag=True, help="List every reason, and the rows that failed checks."
)
def status(every: bool) -> None:
    """List every artifact that is not fresh, with the reasons, and what a failed check holds back.

    Lines before the list name a ledger that does not continue what was anchored of it, and what an
    update or an edit of the package means for this project.
    """
    from p4d.quality.finding import HOW_TO_LIST
    from p4d.versioning.dvc.config import default_remote
    from p4d.versioning.ledger.adopt import left_behind
    from p4d.versioning.ledger.continuity import broken_continuity
    from p4d.versioning.state.held_back import held_back
    from p4d.versioning.state.package_notices import package_notices
    from p4d.versioning.state.workspace import Workspace

    project = Project.find()
    _ = project.params  # with parameters that no stage accepts, nothing else matters
    broken = "; ".join(broken_continuity(project))
    if broken:
        echo(f"ledger: rewritten: {broken}")
    if missing := left_behind(project):
        echo(f"ledger: {missing}")
    with Workspace(project) as plain, ExitStack() as stack:
        workspace = _of_the_remote(plain, stack) if default_remote(project.root) else plain
        every_status = map(workspace.status, workspace.all_keys())
        not_fresh = [item for item in every_status if item.state != "fresh"]
        for notice in package_notices(workspace, not_fresh):
            echo(one_line(notice))
    for item in not_fresh:
        reasons = "; ".join(item.reasons) if every else item.summary
        echo(f"{item.key}: {item.state}: {one_line(reasons)}")
    held = held_back(project)
    for each in held:
        echo(f"held back: {each.key}: {one_line(each.summary)}")
        if every:
            echo("\n".join(f"held back:   {one_line(row)}" for row in each.rows))
    if held and not every:
        echo(f"held back: rows at fault: {HOW_TO_LIST}")
    if not not_fresh and not broken and not held:
        echo("Everything is fresh.")


def _of_the_remote(workspace: Workspace, stack: ExitStack) -> Workspace:
    """The workspace; in a clone that has no artifact yet, one that takes them as recorded."""
    from p4d.versioning.storage.fetch import Fetcher, RecordedWorkspace, is_without_artifacts

    if not is_without_artifacts(workspace):
        return workspace
    recorded = stack.enter_context(RecordedWorkspace(workspace.project))
    with Fetcher(workspace.project, lambda line: echo(line, err=True)) as fetcher:
        recorded.fetch_lists(fetcher)
    echo("no artifact is here; below is the state of what the remote has. `dvc pull` brings it")
    return recorded


@click.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for a stage that has one artifact per shard.")
@click.option("--force", is_flag=True, help="Compute even if nothing changed.")
def stage(name: str, shard: str | None, force: bool) -> None:
    """Run one stage and its checks, without Dagster. The command of every stage in dvc.yaml.

    Exits with 1 if a blocking check failed, except under `dvc repro`. Such a check is printed as
    FAIL, another that failed as warn.
    """
    import uuid

    from p4d.versioning.files.artifact_key import ArtifactKey
    from p4d.versioning.remote.engine import compute_of
    from p4d.versioning.run.check_published import check_published
    from p4d.versioning.run.lock_recorder import lock_recorder
    from p4d.versioning.run.run_stage import run_stage

    if "@" in name:
        written = ArtifactKey.parse(name)
        raise click.UsageError(
            f"{name} is an artifact; write: p4d stage {written.stage} --shard {written.shard}"
        )
    project, run_id, key = Project.find(), f"cli-{uuid.uuid4()}", ArtifactKey(name, shard)
    made = run_stage(project, key, run_id=run_id, force=force, compute=compute_of(project.root))
    _, results = check_published(project, key, run_id=run_id)
    echo(f"{made.data_version}{' (unchanged, skipped)' if made.skipped else ''}")
    for result in results:
        echo(f"  {_verdict(result)} {result.name}: {result.description}")
    if any(r.blocking and not r.passed for r in results) and lock_recorder().fails_on_checks:
        sys.exit(1)


def _verdict(result: CheckResult) -> str:
    if result.passed:
        return "ok  "
    return "FAIL" if result.blocking else "warn"


@click.command()
@click.option("--dataset", "format_name", metavar="FORMAT", help="FOLDER is of this layout.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="What the folder does not state."
)
@click.option("--formats", is_flag=True, help="List the layouts and what may be set.")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True))
def land(
    format_name: str | None, settings: tuple[str, ...], formats: bool, folder: Path | None
) -> None:
    """Close a shard over the new files of the inbox.

    With --dataset, the sequences of FOLDER become videos of the inbox first, with their truth and
    terms. A dataset's folder in the inbox is recognised by itself.
    """
    from p4d.progress import bar
    from p4d.versioning.run.pipeline_files import refresh_pipeline_files
    from p4d.video.dataset_folders import convert_named
    from p4d.video.landing import land as land_inbox

    if formats:
        echo(_formats())
        return
    if (format_name is None) != (folder is None):
        raise click.UsageError(
            "--dataset FORMAT and FOLDER go together, and --formats lists them; videos of your own "
            "land from inbox/: put them there and run `p4d land`"
        )
    options = settings_of(settings)
    if options and format_name is None:
        raise click.UsageError("--set needs --dataset")
    project = Project.find()
    if format_name is not None and folder is not None:
        with bar("convert", unit="sequence") as progress:
            notices = convert_named(project, format_name, folder, options, progress)
        for notice in notices:
            echo(f"  {one_line(notice)}")
    with bar("land", unit="file") as progress:
        report = land_inbox(project, progress=progress)
    refresh_pipeline_files(project)
    echo(report.summary())


def _formats() -> str:
    from p4d.datasets.registry import READERS

    lines = []
    for reader in READERS:
        lines.append(f"{reader.format}: {reader.title}")
        lines += [f"  --set {each.name}: {each.meaning}" for each in reader.options]
    return "\n".join(lines)


@click.command(name="dvc-yaml")
@click.option("--check", is_flag=True, help="Only compare; exit 1 if dvc.yaml is out of date.")
def dvc_yaml(check: bool) -> None:
    """Write dvc.yaml and .code, after a stage or an import changed or a shard landed."""
    from p4d.pipeline import STAGES
    from p4d.versioning.run.pipeline_files import refresh_pipeline_files
    from p4d.versioning.state.blocked import ensure_file, ensure_tracked
    from p4d.versioning.state.package_notices import outdated_files
    from p4d.versioning.state.workspace import Workspace

    project = Project.find()
    if check:
        with Workspace(project) as workspace:
            path = next(outdated_files(workspace), None)
        if path is not None:
            echo(f"{path} is out of date; run: p4d dvc-yaml", err=True)
            sys.exit(1)
        return
    written = refresh_pipeline_files(project)
    ensure_file(project.root)
    ensure_tracked(project.root, STAGES)
    echo(f"wrote {', '.join(written)}" if written else "dvc.yaml is up to date")


COMMANDS = (init, status, stage, land, dvc_yaml)
