"""The `p4d` command: worlds, landing, single stages, and the audit. Needs no Dagster."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from p4d.config import Project
from p4d.errors import P4DError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="p4d")
def cli() -> None:
    """From raw 4D videos to an audited 4D video-language model."""


@cli.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The scene; same seed, same bytes."
)
def world(path: Path, seed: int) -> None:
    """Render one simulated 4D scene to PATH (MP4) with its truth sidecar beside it."""
    from p4d.worlds.corpus import write_world

    sidecar = write_world(path, seed, Project.find().params.worlds)
    click.echo(f"{path}\n{sidecar}")


@cli.command()
def land() -> None:
    """Close a shard of what is new in the inbox."""
    from p4d.video.landing import land as land_inbox

    click.echo(land_inbox(Project.find()).summary())


@cli.command()
def status() -> None:
    """Say of every stage instance whether it is fresh, and if not, why."""
    from p4d.versioning.fingerprint import status as instances

    not_fresh = [s for s in instances(Project.find()) if s.state != "fresh"]
    for item in not_fresh:
        name = f"{item.stage}@{item.shard}" if item.shard else item.stage
        click.echo(f"{name}: {item.state}: {'; '.join(item.reasons)}")
    if not not_fresh:
        click.echo("Everything is fresh.")


@cli.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for stages that have one instance per shard.")
@click.option("--force", is_flag=True, help="Compute even when nothing changed.")
def stage(name: str, shard: str | None, force: bool) -> None:
    """Run one stage instance and its gates, without Dagster."""
    import uuid

    from p4d.pipeline import stage_named
    from p4d.quality.gates import blocking_gates
    from p4d.versioning.judging import judge_published
    from p4d.versioning.runner import run_instance

    project, run_id = Project.find(), f"cli-{uuid.uuid4()}"
    made = run_instance(
        project, stage_named(name).name, shard, run_id=run_id, force=force, gates=blocking_gates()
    )
    _, results = judge_published(project, name, shard, run_id=run_id)
    click.echo(f"{made.data_version}{' (unchanged, skipped)' if made.skipped else ''}")
    for result in results:
        click.echo(f"  {'ok  ' if result.passed else 'FAIL'} {result.name}: {result.description}")
    if any(r.blocking and not r.passed for r in results):
        sys.exit(1)


@cli.command()
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def why(identifier: str, as_json: bool) -> None:
    """Print what stands behind a question, fact, clip, video, stage or number, down to sources."""
    from p4d.versioning import audit

    node = audit.why(Project.find(), identifier)
    click.echo(json.dumps(node.to_json(), indent=2) if as_json else node.render_text())


@cli.group(name="audit")
def audit_group() -> None:
    """Prove that artifacts are what the ledger says."""


@audit_group.command()
def verify() -> None:
    """Re-hash everything the ledger names; exit 1 if anything is missing or altered."""
    from p4d.versioning import audit

    report = audit.verify(Project.find())
    click.echo(report.render_text())
    if not report.ok:
        sys.exit(1)


@audit_group.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for stages that have one instance per shard.")
def replay(name: str, shard: str | None) -> None:
    """Make a published version again and compare the bytes; exit 1 if they differ."""
    from p4d.quality.gates import blocking_gates
    from p4d.versioning import audit

    done = audit.replay(Project.find(), name, shard, gates=blocking_gates())
    click.echo(done.render_text())
    if not done.ok:
        sys.exit(1)


@cli.command()
@click.argument("identifier")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--at", help="First digits of the md5 of the version wanted; default: the latest.")
def restore(identifier: str, dest: Path, at: str | None) -> None:
    """Bring a version of STAGE or STAGE@SHARD, current or superseded, back to DEST."""
    from p4d.versioning import audit

    click.echo(audit.restore(Project.find(), identifier, dest, at=at))


@cli.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A query parameter.")
def sql(name: str, settings: tuple[str, ...]) -> None:
    """Run sql/marts/NAME.sql or sql/audit/NAME.sql over the artifacts."""
    import polars as pl

    from p4d.warehouse import Warehouse

    if wrong := [setting for setting in settings if "=" not in setting]:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--set")
    parameters = dict(setting.split("=", 1) for setting in settings)
    with pl.Config(tbl_rows=200, tbl_cols=30, fmt_str_lengths=60):
        click.echo(Warehouse(Project.find()).query(name, **parameters))


@cli.command()
def summary() -> None:
    """Print the summary of everything that is published."""
    from p4d.summary import build_summary, render

    click.echo(render(build_summary(Project.find())))


@cli.command(name="dvc-yaml")
@click.option("--check", is_flag=True, help="Only compare; exit 1 if dvc.yaml is out of date.")
def dvc_yaml(check: bool) -> None:
    """Write dvc.yaml from the stage table (after a stage or an import changed)."""
    from p4d.pipeline import STAGES
    from p4d.versioning.dvc_yaml import render as render_dvc_yaml

    root = Path(__file__).resolve().parent.parent
    path, text = root / "dvc.yaml", render_dvc_yaml(STAGES, root)
    if check:
        if not path.exists() or path.read_text() != text:
            click.echo("dvc.yaml is out of date; run: p4d dvc-yaml", err=True)
            sys.exit(1)
        return
    path.write_text(text)
    click.echo(f"wrote {path.name}")


def main() -> None:
    """Entry point: errors of ours end with their message and status 1."""
    try:
        cli()
    except P4DError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
