"""The command `p4d view`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from p4d.cli.echo import echo
from p4d.project import Project

_PORT = click.IntRange(1, 65535)


@click.command()
@click.argument("clip")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the recording (.rrd) and open nothing.",
)
@click.option("--serve", is_flag=True, help="Serve it to a browser on 127.0.0.1.")
@click.option("--port", type=_PORT, default=9876, show_default=True, help="Of the data.")
@click.option("--web-port", type=_PORT, default=9090, show_default=True, help="Of the page.")
def view(clip: str, save: Path | None, serve: bool, port: int, web_port: int) -> None:
    """Look at CLIP in 3D: frames, depth, points, camera, flow, motion, regions, facts, questions.

    Needs the extra view: pip install 'p4d[view]'.
    """
    from p4d.display.clip_recording.contents import clip_contents
    from p4d.display.clip_recording.recording import rerun_module, write_recording
    from p4d.display.clip_recording.viewer import page_address, show, viewer_command

    rerun_module()
    contents = clip_contents(Project.find(), clip)
    if save is not None:
        write_recording(contents, save)
        echo(f"wrote {save}; `rerun {save}` opens it")
        if not serve:
            return
    with tempfile.TemporaryDirectory(prefix="p4d-view-") as folder:
        recording = save or Path(folder) / f"{clip}.rrd"
        if save is None:
            write_recording(contents, recording)
        if serve:
            echo(f"{page_address(port=port, web_port=web_port)} (Ctrl-C ends it)")
        show(viewer_command(recording, serve=serve, port=port, web_port=web_port))


COMMANDS = (view,)
