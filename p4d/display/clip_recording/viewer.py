"""Opens a recording in Rerun's viewer, or serves it to a browser, on loopback alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from p4d.display.clip_recording.recording import rerun_module
from p4d.errors import OrchestrationError
from p4d.loopback import HOST


def viewer_command(recording: Path, *, serve: bool, port: int, web_port: int) -> list[str]:
    """The command of Rerun's viewer.

    Args:
        recording: the file to show.
        serve: serve it to a browser; otherwise a window opens.
        port: of the data.
        web_port: of the page.
    """
    command = [sys.executable, "-m", "rerun", str(recording), "--bind", HOST, "--port", str(port)]
    if serve:
        command += ["--serve-web", "--web-viewer-port", str(web_port)]
    return command


def page_address(*, port: int, web_port: int) -> str:
    """Where a browser finds a served recording."""
    return f"http://{HOST}:{web_port}/?url=rerun%2Bhttp%3A%2F%2F{HOST}%3A{port}%2Fproxy"


def show(command: Sequence[str]) -> None:
    """Run the viewer until it is closed.

    Raises:
        OrchestrationError: it ended with an error.
    """
    rerun_module()
    try:
        done = subprocess.run(command, check=False)
    except KeyboardInterrupt:
        return
    if done.returncode not in (0, -2, 130):
        raise OrchestrationError(
            f"Rerun's viewer ended with {done.returncode}; without a screen use --serve or --save"
        )
