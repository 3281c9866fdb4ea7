"""Commands that train and use students: train, ask."""

from __future__ import annotations

from pathlib import Path

import click

from p4d.cli.echo import echo
from p4d.project import Project


@click.command()
@click.argument("arm", type=click.Choice(["sft", "p4d", "blind", "labels"]))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="Overrides params.yaml."
)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Default: data/.")
@click.option(
    "--preset",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Such as configs/paper.yaml; --set comes after it.",
)
@click.option(
    "--store",
    is_flag=False,
    flag_value="",
    metavar="[REMOTE]",
    help="Keep checkpoints and the student in this DVC remote (default: the default remote), for "
    "processes on machines without a common folder, and to resume elsewhere.",
)
@click.option("--run", metavar="NAME", help="With --store: its name there; default: that of OUT.")
@click.option("--dry-run", is_flag=True, help="Count memory and run steps of a cut; no data.")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True),
    help="With --dry-run: a config.json or its folder; default: student.checkpoint.",
)
def train(
    arm: str,
    out: Path | None,
    settings: tuple[str, ...],
    data: Path | None,
    preset: Path | None,
    store: str | None,
    run: str | None,
    dry_run: bool,
    model: Path | None,
) -> None:
    """Train ARM on the pipeline's folders without publishing it; torchrun can start this, too.

    In a clone without artifacts the inputs come from DVC's default remote first. With --dry-run
    nothing is trained or written: the memory of the real network is counted, and three steps of a
    cut of it are run.
    """
    from p4d.config.presets import read_preset, with_preset
    from p4d.progress import bar
    from p4d.students.training.launch import bring_inputs, with_settings
    from p4d.students.training.launch import train as train_student
    from p4d.versioning.remote.object_store import StoreAddress
    from p4d.versioning.remote.run_folder import RunFolder

    project = Project.find_or_here() if dry_run else Project.find()
    raw = with_preset(project.raw_params, read_preset(preset)) if preset else project.raw_params
    params = with_settings(raw, settings)
    if dry_run:
        from p4d.students.training.dry_run import dry_run as run_dry
        from p4d.students.training.dry_run_report import lines

        for line in lines(run_dry(model or Path(params.student.checkpoint), params)):
            echo(line)
        return
    if out is None:
        raise click.UsageError("--out DIR is needed to train")
    shared = None
    if store is not None:
        shared = RunFolder(StoreAddress.of_project(project.root, store or None), run or out.name)
    if data is None:
        bring_inputs(project, arm, lambda line: echo(line, err=True))
    with bar(arm) as progress:
        train_student(
            arm,
            out,
            data=data or project.data,
            params=params,
            progress=progress,
            shared=shared,
        )


@click.command()
@click.argument("video", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--question", required=True, help="Names regions <obj_1>, <obj_2> ... in order.")
@click.option("--region", "regions", multiple=True, help="x0,y0,x1,y1 in pixels, or a mask.")
@click.option("--option", "options", multiple=True, help="An answer to choose; none: free text.")
@click.option("--start", "start_s", type=float, default=0.0, help="Start of the clip, seconds.")
@click.option(
    "--student",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a student; default: the champion, or the last student_p4d.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Save the marked regions here.")
def ask(
    video: Path,
    question: str,
    regions: tuple[str, ...],
    options: tuple[str, ...],
    start_s: float,
    student: Path | None,
    picture: Path | None,
) -> None:
    """Ask a student about regions of any VIDEO."""
    from p4d.students.use import ask as asking

    loaded, folder = asking.load_asked(student, lambda line: echo(line, err=True))
    answer = asking.ask_video(
        loaded,
        video,
        asking.VideoQuestion(text=question, options=options, regions=regions, start_s=start_s),
        asking.sampling_of(folder, Project.find_or_here().params.clips),
    )
    echo(answer.text)
    for text, chance in answer.ranked:
        echo(f"  {chance:6.1%}  {text}")
    if picture:
        asking.save_picture(picture, answer.picture_hw3)
        echo(f"regions are drawn in {picture}", err=True)
    echo(f"{video}: {answer.seen()}", err=True)
    echo(f"answered by {folder}", err=True)


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def preset(path: Path) -> None:
    """Write the settings of PATH (configs/paper.yaml, configs/release.yaml) into params.yaml."""
    from p4d.artifacts import write_bytes
    from p4d.config.presets import edited, read_preset, with_preset
    from p4d.students.training.launch import with_settings

    project, values = Project.find(), read_preset(path)
    with_settings(with_preset(project.raw_params, values), ())  # checks before it writes
    file = project.root / "params.yaml"
    write_bytes(file, edited(file.read_text(encoding="utf-8"), values).encode())
    count = sum(len(keys) for keys in values.values())
    echo(f"{count} settings of {path.name} are in params.yaml; `p4d status` names what is stale")


COMMANDS = (train, ask, preset)
