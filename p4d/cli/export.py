"""Commands that write for other tools: `p4d export ...`."""

from __future__ import annotations

from pathlib import Path

import click

from p4d.cli.echo import echo
from p4d.project import Project


@click.group()
def export() -> None:
    """Write a student, a release or the recorded runs in forms that other tools read."""


@export.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--namespace", help="Of jobs and datasets; default: p4d://FOLDER.")
def openlineage(output: Path, namespace: str | None) -> None:
    """Write all recorded runs as OpenLineage events, one JSON object per line."""
    from p4d.exports.openlineage import export_openlineage

    echo(f"{output}: {export_openlineage(Project.find(), output, namespace)} events")


@export.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--release", default="release", help="A rel_ id or md5; default: the current one.")
@click.option("--base-url", help="Where the files are published; default: data/release.")
def croissant(output: Path, release: str, base_url: str | None) -> None:
    """Describe a release in Croissant."""
    from p4d.exports.croissant import export_croissant

    done = export_croissant(Project.find(), output, release, base_url=base_url)
    echo(f"{output}: {done}")


@export.command()
@click.argument("student", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("dest", type=click.Path(path_type=Path))
def student(student: Path, dest: Path) -> None:
    """Copy STUDENT to DEST as a folder that transformers loads, with a script that runs it."""
    from p4d.students.use.export import export_student

    echo(export_student(student, dest, Project.find_or_here().params.clips))


@export.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--release", default="release", help="A rel_ id or md5; default: the current one.")
@click.option(
    "--size-px",
    default=448,
    show_default=True,
    help="Longer side of clips and pictures; 0: that of the source.",
)
@click.option(
    "--with-held-out-answers",
    is_flag=True,
    help="Also write answers, facts and tracks of the test split.",
)
@click.option("--webdataset", is_flag=True, help="Also write the clips as tar archives.")
def training(
    dest: Path, release: str, size_px: int, with_held_out_answers: bool, webdataset: bool
) -> None:
    """Write a release to DEST for any trainer: clips, marked pictures, questions, card.

    DEST must not exist. The same command continues an export that was interrupted.
    """
    from p4d.exports.training.export import TrainingOptions, export_training
    from p4d.progress import bar

    options = TrainingOptions(
        size_px=size_px, held_out_answers=with_held_out_answers, webdataset=webdataset
    )
    with bar("export", unit="video") as progress:
        done = export_training(Project.find(), dest, options, release=release, progress=progress)
    echo(done)


@export.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--release", default="release", help="A rel_ id or md5; default: the current one.")
def answers(output: Path, release: str) -> None:
    """Write the answers of the test split, for those who evaluate an export without them."""
    from p4d.exports.training.export import write_answers

    echo(f"{output}: {write_answers(Project.find(), output, release=release)} answers")


@export.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--release", default="release", help="A rel_ id or md5; default: the current one.")
@click.option("--with-held-out", is_flag=True, help="Also labels of the test split.")
def labels(dest: Path, release: str, with_held_out: bool) -> None:
    """Write the teachers' labels of a release to DEST, with units and validity."""
    from p4d.exports.labels.export import export_labels
    from p4d.progress import bar

    with bar("export", unit="label") as progress:
        done = export_labels(
            Project.find(), dest, release=release, held_out=with_held_out, progress=progress
        )
    echo(done)


@export.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("dest", type=click.Path(path_type=Path))
def benchmark(folder: Path, dest: Path) -> None:
    """Write R4D-World, or a benchmark in R4D-Bench's layout, to DEST as an lmms-eval task."""
    from p4d.exports.harness.benchmark import export_benchmark

    echo(export_benchmark(folder, dest))


COMMANDS = (export,)
