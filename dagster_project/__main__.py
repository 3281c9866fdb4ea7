"""Command line of the orchestration: `python -m dagster_project demo | up | run`.

`run` is the command behind every stage of dvc.yaml; `up` brings everything up to date; `demo` does
so from an empty checkout.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p4d.config import Project
from p4d.errors import P4DError

if TYPE_CHECKING:
    from dagster_project.batches import Failed


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Materialize p4d's assets through Dagster."""
    home = Project.find().root / ".dagster"
    home.mkdir(exist_ok=True)
    settings, ours = home / "dagster.yaml", (Path(__file__).parent / "dagster.yaml").read_text()
    if not settings.exists() or settings.read_text() != ours:
        settings.write_text(ours)
    os.environ["DAGSTER_HOME"] = str(home)  # one instance for `make ui`, `dvc repro` and this


@main.command()
@click.argument("stage")
@click.option("--shard", help="Shard id, for stages that have one instance per shard.")
@click.option("--force", is_flag=True, help="Compute even when nothing changed.")
def run(stage: str, shard: str | None, force: bool) -> None:
    """Materialize one stage instance and judge it. The command of every dvc.yaml stage."""
    import dagster as dg

    from dagster_project.batches import materialize
    from p4d.pipeline import stage_named
    from p4d.versioning.run.publish import inside_dvc
    from p4d.versioning.state.plan import Batch

    declared = stage_named(stage)
    if declared.per_shard != (shard is not None):
        need = "needs --shard ID" if declared.per_shard else "takes no --shard"
        raise click.UsageError(f"stage {stage} {need}")
    with dg.DagsterInstance.get() as instance:
        failures = materialize([Batch(shard=shard, stages=(stage,))], instance, force=force)
    if inside_dvc():
        # The version is made, and what reads it refuses it. A failing command would make DVC
        # drop its record of a version that is published.
        for refused in [failure for failure in failures if failure.by_gate]:
            click.echo(f"{refused.step}: {refused.reason}", err=True)
        failures = [failure for failure in failures if not failure.by_gate]
    _end(failures)


@main.command()
@click.option("--only", multiple=True, help="Restrict to these stages.")
def up(only: tuple[str, ...]) -> None:
    """Land what is in the inbox and materialize whatever is not fresh."""
    from p4d.video.landing import land

    click.echo(land(Project.find()).summary(), err=True)
    failures = _bring_up_to_date(only or None)
    _end(failures)


@main.command()
@click.option("--without-real-videos", is_flag=True, help="Do not fetch the real sample videos.")
def demo(without_real_videos: bool) -> None:
    """From an empty checkout to a promoted student: corpus, landing, all assets, summary."""
    from dagster_project.demo import prepare, show

    started = time.monotonic()
    prepare(Project.find(), real_videos=not without_real_videos)
    failures = _bring_up_to_date(None)
    show(Project.find(), wall_s=time.monotonic() - started, failed=bool(failures))
    _end(failures)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(port: int) -> None:
    """Serve the Dagster UI on loopback, with its daemon (schedules, sensors, automation)."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(f"port {port} is in use; try: make ui PORT={port + 1}")
    click.echo(f"Dagster UI: http://127.0.0.1:{port} (stop with Ctrl-C)")
    command = ["dev", "-h", "127.0.0.1", "-p", str(port), "-m", "dagster_project.definitions"]
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execv(dagster, [dagster, *command])


def _bring_up_to_date(only: tuple[str, ...] | None) -> list[Failed]:
    import dagster as dg

    from dagster_project.batches import Failed
    from dagster_project.dead_runs import end_dead_runs
    from dagster_project.reconcile import unreported
    from p4d.quality.gates import blocking_gates
    from p4d.versioning.ledger.anchor import anchor, is_anchored
    from p4d.versioning.run.publish import recover
    from p4d.versioning.state.plan import in_order, judge_version, make_plan

    project = Project.find()
    recover(project)  # also where nothing is to be made
    plan = make_plan(project, gates=blocking_gates(), judge=judge_version(project))
    held = [Failed(step=str(key), reason=f"held back: {why}") for key, why in plan.held.items()]
    with dg.DagsterInstance.get() as instance:
        unheard = unreported(instance, project) - plan.wanted
        if unheard:
            click.echo(f"New to Dagster: {len(unheard)} published version(s)", err=True)
        wanted = {each for each in plan.wanted | unheard if only is None or each.stage in only}
        if not wanted and not held:
            click.echo("Nothing to do: every artifact matches its code, parameters and inputs.")
        failures: list[Failed] = []
        if wanted:
            from dagster_project.batches import materialize

            failures = materialize(in_order(project, wanted), instance)
        else:
            end_dead_runs(instance)
            if is_anchored(project):
                return held
    try:
        anchor(project, "bring artifacts up to date")
    except (P4DError, OSError) as error:
        click.echo(f"The ledger is not anchored in git: {error}", err=True)
    return [*held, *failures]


def _end(failures: Sequence[Failed]) -> None:
    if failures:
        click.echo("\nFailed:", err=True)
        for failure in failures:
            where = f"{failure.step} ({failure.shard})" if failure.shard else failure.step
            click.echo(f"  {where}: {failure.reason}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except P4DError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)
