"""Commands for the review of questions by people: `p4d review ...`."""

from __future__ import annotations

from pathlib import Path

import click

from p4d.cli.echo import echo
from p4d.project import Project

_RELEASE = click.option(
    "--release",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a release, beside the folders of its stages. Default: data/release.",
)
_SAMPLE = click.option(
    "--sample", type=click.IntRange(min=1), help="How many questions; families in turn."
)
_BOUND = click.option(
    "--bound", is_flag=True,
    help="Also pictures that their dataset's terms bind to this project.",
)  # fmt: skip


@click.group()
def review() -> None:
    """Review questions: export to Label Studio, import verdicts, or write a gallery page."""


@review.command()
@_RELEASE
@_SAMPLE
@_BOUND
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def export(release: Path | None, sample: int | None, bound: bool, folder: Path) -> None:
    """Write tasks, pictures and the labeling interface for Label Studio to FOLDER."""
    from p4d.review.label_studio import export_tasks

    found = release or Project.find().data / "release"
    done = export_tasks(found, folder, sample=sample, bound=bound)
    _say_left_out(done.left_out)
    echo(f"{done.questions} questions in {done.folder}; next: {done.folder}/README.md")


@review.command(name="import")
@click.argument("export", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_(export: Path) -> None:
    """Import Label Studio's JSON export into reviews/; the next release applies it."""
    from p4d.review.label_studio import import_into

    echo(import_into(Project.find(), export).summary())


@review.command()
@_RELEASE
@_SAMPLE
@_BOUND
@click.option("--category", "categories", multiple=True, help="Only this one; may be repeated.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def gallery(
    release: Path | None, sample: int | None, bound: bool, categories: tuple[str, ...], path: Path
) -> None:
    """Write one offline HTML page of questions with clip, marks, facts and derivation to PATH."""
    from p4d.review.gallery import write_gallery

    found = release or Project.find().data / "release"
    page = write_gallery(found, path, sample=sample or 60, categories=categories, bound=bound)
    _say_left_out(page.left_out)
    echo(f"{page.questions} questions in {page.path} ({page.nbytes / 1e6:.1f} MB)")


def _say_left_out(questions: int) -> None:
    if questions:
        echo(
            f"{questions} questions are left out: the terms of their videos bind the pictures to "
            "this project; --bound shows them to people whom these terms allow it"
        )


COMMANDS = (review,)
