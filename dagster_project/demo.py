"""What `demo` does around `up`: it fills the inbox before, and prints a summary after."""

from __future__ import annotations

import shutil
from pathlib import Path

from p4d.cli.echo import echo
from p4d.config import Params
from p4d.progress import bar
from p4d.project import Project
from p4d.versioning.files.git import has_repository, start_history

PERCEIVED = "reports/perceived.png"
"""Picture of what each arm perceives, in the project."""


def prepare(project: Project, *, real_videos: bool) -> None:
    """Fill the inbox (simulated, real and damaged videos) and land what is new."""
    from p4d.video.landing import land

    ensure_history(project.root)
    if not project.shards():
        from p4d.video.sources import add_damaged_videos, add_real_videos
        from p4d.worlds.corpus import write_corpus

        echo(f"Rendering {project.params.worlds.videos} simulated videos into inbox/", err=True)
        with bar("worlds", unit="video") as progress:
            made = write_corpus(project.inbox, project.params.worlds, progress=progress)
        add_damaged_videos(project.inbox, made[0])
        if real_videos:
            for notice in add_real_videos(project.inbox, project.state / "downloads"):
                echo(notice, err=True)
    echo(land(project).summary(), err=True)


def apply_settings(project: Project, preset: Path) -> None:
    """Write the settings of a preset into params.yaml, once: before anything has landed.

    Raises:
        ConfigError: the preset names keys that params.yaml does not have, or wrong values.
    """
    from p4d.artifacts import write_bytes
    from p4d.config import Params
    from p4d.config.presets import edited, read_preset, with_preset

    if project.shards():
        return
    values = read_preset(preset)
    Params.from_mapping(with_preset(project.raw_params, values))
    file = project.root / "params.yaml"
    write_bytes(file, edited(file.read_text(encoding="utf-8"), values).encode())
    echo(f"The settings of {preset} are in params.yaml", err=True)


def show(project: Project, *, wall_s: float, failed: bool) -> None:
    """Write reports/summary.json and print its short form."""
    from p4d.artifacts import write_json
    from p4d.display.summary import build_summary, render

    summary = build_summary(project)
    path = project.root / "reports" / "summary.json"
    perceived = None if failed else _perceived(project)
    write_json(path, summary | ({"perceived": perceived} if perceived else {}))
    echo(render(summary))
    if not failed:
        echo(how_arms_differ(project.params))
        _show_perceived(perceived)
        _ask_one(project)
    echo(f"\nWall time {wall_s:.0f} s. Summary: {path.relative_to(project.root)}")
    if not failed:
        echo(
            "Next:\n"
            "  make ui                        the graph, partitions, checks and previews\n"
            "  .venv/bin/p4d why evaluation   what stands behind the score\n"
            "  .venv/bin/p4d audit verify     re-hash everything the ledger names\n"
            "  git add dvc.lock shards && git commit -m 'first release'\n"
            "                                 `dvc metrics diff` compares later runs with it"
        )


def how_arms_differ(params: Params) -> str:
    """One sentence under the table of accuracies: what P4D had and SFT had not."""
    distillation = params.distillation
    same = "arms       All have the same questions, each as often, and start from one base"
    if not distillation.perception_steps:
        return f"{same}; P4D also learned what {distillation.teacher} perceives in their clips."
    encoder = "an untrained encoder" if distillation.encoder == "new" else "its encoder"
    views = distillation.perception_views
    seen = f" in {views} views of each" if views > 1 else ""
    return (
        f"{same}.\n           Before the first one {encoder} of P4D learned, in "
        f"{distillation.perception_steps} steps,\n           what {distillation.teacher} perceives "
        f"in all training clips{seen}."
    )


def _perceived(project: Project) -> dict[str, dict[str, float]] | None:
    """Errors of what each arm perceives; the picture is written to reports/perceived.png."""
    from p4d.artifacts import write_bytes
    from p4d.display.perceived import perceive
    from p4d.drawing import png

    found = perceive(project)
    if found is None:
        return None
    write_bytes(project.root / PERCEIVED, png(found.picture_hw3))
    return {arm: dict(errors) for arm, errors in found.errors.items()}


def _show_perceived(perceived: dict[str, dict[str, float]] | None) -> None:
    for arm, errors in (perceived or {}).items():
        echo(
            f"perceives  {arm.removeprefix('student_')}: "
            f"depth AbsRel {errors['depth_absrel']:.3f}, "
            f"flow error {errors['flow_of_zero']:.2f} of that of no flow, "
            f"motion IoU {errors['motion_iou']:.2f}"
        )
    if perceived:
        echo(f"           read linearly from visual tokens of held-out clips; {PERCEIVED}")


def _ask_one(project: Project) -> None:
    """Ask the champion, or the last P4D student, a held-out question about a video of the inbox."""
    from p4d.students.use import ask
    from p4d.students.use.held_out_example import held_out_example

    example = held_out_example(project, project.root / "reports" / "example")
    if example is None:
        return
    student, folder = ask.load_asked(None, echo)
    clips = ask.sampling_of(folder, project.params.clips)
    reply = ask.ask_video(student, example.video, example.asked, clips)
    ask.save_picture(project.root / "reports" / "example" / "regions.png", reply.picture_hw3)
    outcome = "correct" if reply.text == example.answer else f"wrong: {example.answer}"
    echo(
        f"\n{example.command(project.root)}\n"
        f"  {reply.text} ({reply.ranked[0][1]:.0%}; {outcome})\n"
        f"Held-out questions that p4d answers correctly and sft does not: {example.better}; "
        f"the opposite: {example.worse}"
    )


def ensure_history(root: Path) -> None:
    """Make a source tree without git (a downloaded archive) a repository with one commit."""
    if shutil.which("git") is None:
        echo(
            "git is not installed: versions are recorded, but the ledger is not anchored",
            err=True,
        )
        return
    if has_repository(root):
        return
    echo("No git repository here: making one, so that every version can be traced", err=True)
    start_history(root, "Source tree as downloaded")
