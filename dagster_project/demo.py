"""What `demo` does around `up`: it fills the inbox before, and prints a summary after."""

from __future__ import annotations

import shutil
from pathlib import Path

from p4d.cli.echo import echo
from p4d.progress import bar
from p4d.project import Project
from p4d.versioning.files.git import has_repository, start_history


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


def show(project: Project, *, wall_s: float, failed: bool) -> None:
    """Write reports/summary.json and print its short form."""
    from p4d.artifacts import write_json
    from p4d.display.summary import build_summary, render

    summary = build_summary(project)
    path = project.root / "reports" / "summary.json"
    write_json(path, summary)
    echo(render(summary))
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
