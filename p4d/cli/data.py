"""Commands about data and storage: world, sql, summary, push, gc."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from p4d.cli.echo import echo, name_missing_ledger
from p4d.cli.renamed import RenamedOptions
from p4d.cli.settings import settings_of
from p4d.project import Project


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The scene; same seed, same bytes."
)
def world(path: Path, seed: int) -> None:
    """Render one simulated 4D scene to PATH (MP4), with its truth sidecar beside it."""
    from p4d.worlds import sidecar
    from p4d.worlds.corpus import write_world

    written = write_world(path, seed, Project.find_or_here().params.worlds)
    echo(f"{written}\n{sidecar.path_for(written)}")


@click.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A query parameter.")
@click.option("--json", "as_json", is_flag=True, help="All rows, each a line of JSON.")
def sql(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Run sql/marts/NAME.sql or sql/audit/NAME.sql over the artifacts.

    A table that is wider than the terminal is printed with one value to a line.
    """
    from p4d.cli.table import rendered, terminal_width
    from p4d.sql_files import stages_read
    from p4d.versioning.storage.fetch import bring_what_is_read
    from p4d.warehouse import Warehouse, text_of

    parameters, project = settings_of(settings), Project.find()
    name_missing_ledger(project)
    stages = stages_read(text_of(name)) - {"ledger"}
    bring_what_is_read(project, stages, lambda line: echo(line, err=True))
    found = Warehouse(project).query(name, **parameters)
    echo(found.write_ndjson().rstrip("\n") if as_json else rendered(found, terminal_width()))


@click.command()
def summary() -> None:
    """Print a summary of everything that is published."""
    from p4d.display.summary import build_summary, render

    project = Project.find()
    name_missing_ledger(project)
    echo(render(build_summary(project)))


@click.command()
@click.option("--remote", metavar="NAME", help="A DVC remote; default: DVC's default remote.")
@click.option("--rehash", is_flag=True, help="Read every object back and hash it.")
@click.option(
    "--private",
    is_flag=True,
    help="Mark the remote: only people read it who accepted the terms of all datasets.",
)
def push(remote: str | None, rehash: bool, private: bool) -> None:
    """Upload all recorded versions to a remote without locking the project, then verify them.

    A remote that is not marked as private gets no pictures of videos whose terms forbid
    redistribution. The mark is kept in .dvc/private_remotes.yaml.
    """
    from p4d.audit.withheld import withheld_objects
    from p4d.progress import bar
    from p4d.versioning.storage.private_remotes import mark_private
    from p4d.versioning.storage.push import push as push_versions

    project = Project.find()
    if private:
        remote = mark_private(project.root, remote)
    withheld = withheld_objects(project)
    with bar("push", unit="object") as progress:
        report = push_versions(project, remote, rehash=rehash, withheld=withheld, progress=progress)
    echo(report.render_text())
    if not report.ok:
        sys.exit(1)


@click.command(cls=RenamedOptions, renamed={"--dry": "--dry-run"})
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@click.option(
    "--project",
    "others",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another project that uses the same cache; repeatable.",
)
@click.option("--no-others", is_flag=True, help="None uses the cache beside those that registered.")
def gc(dry_run: bool, others: tuple[Path, ...], no_others: bool) -> None:
    """Remove cache objects that no recorded version needs: a safe `dvc gc --all-commits`.

    What the other projects of a shared cache need stays.
    """
    from p4d.versioning.storage.gc import collect_garbage

    echo(collect_garbage(Project.find(), dry=dry_run, others=others, alone=no_others))


COMMANDS = (world, sql, summary, push, gc)
