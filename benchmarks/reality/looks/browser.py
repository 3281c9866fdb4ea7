"""Renders scenes with a library for WebGL in a headless Chromium.

A page fetches the scene and its poses, draws every picture twice, with light and with flat colours
that say which thing a pixel shows and how far it is, and posts both.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import CHECKOUT
from benchmarks.reality.looks.rendering import FAR_M, HoldsNothing, Picture

MODULES = CHECKOUT / "node_modules"
MOST_S = 600
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-background-networking", "--no-first-run",
    "--use-angle=swiftshader", "--use-gl=angle", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])


class PageRenderer(HoldsNothing):
    """Renders one scene."""

    def __init__(
        self,
        described: Callable[[Sequence[float]], dict[str, object]],
        size_px: tuple[int, int],
        page: Path,
        scripts: Mapping[str, Path],
        folder: Path,
    ) -> None:
        """Render a scene.

        Args:
            described: what the page needs of it, as JSON has it, at some times.
            size_px: width and height.
            page: that draws it.
            scripts: files that the page asks for, by name; the library's own first.
            folder: for files of the browser.

        Raises:
            FileNotFoundError: Chromium or a script is not installed.
        """
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        lacks = [str(path) for path in scripts.values() if not path.is_file()]
        if program is None or lacks:
            raise FileNotFoundError(
                f"no Chromium, or no {lacks}: apt install chromium; npm install the versions that "
                "benchmarks/reality/looks/__init__.py names"
            )
        self._described, self._size_px, self._page = described, size_px, page
        self._scripts, self._folder, self._program = scripts, folder, program

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        return self.pictures([at_s])[0]

    def pictures(self, at_s: Sequence[float]) -> list[Picture]:
        """Render the scene at some times, in one run of the browser."""
        scene = json.dumps(self._described(at_s)).encode()
        server = _Server(scene, self._page, self._scripts, 2 * len(at_s))
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            with TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as profile:
                address = f"http://127.0.0.1:{server.server_port}/"
                shown = subprocess.Popen(
                    [self._program, *OPTIONS, f"--user-data-dir={profile}", address],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                try:
                    if not server.complete.wait(MOST_S) or server.failure:
                        raise RuntimeError(f"the page has not drawn all: {server.failure}")
                finally:
                    shown.terminate()
                    shown.wait(60)
        finally:
            server.shutdown()
            server.server_close()
        width, height = self._size_px
        layers = [
            np.frombuffer(server.posted[k], np.uint8).reshape(height, width, 4)[::-1]
            for k in range(2 * len(at_s))
        ]
        return [_picture(lit, flat) for lit, flat in zip(layers[::2], layers[1::2], strict=True)]


class _Server(ThreadingHTTPServer):
    """Serves the page to one browser and keeps what it posts."""

    daemon_threads = True

    def __init__(
        self, scene: bytes, page: Path, scripts: Mapping[str, Path], pictures: int
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scene, self.page, self.scripts, self.expected = scene, page, scripts, pictures
        self.posted: dict[int, bytes] = {}
        self.failure = ""
        self.complete = Event()

    def keep(self, name: str, content: bytes) -> None:
        """Keep a posted picture, or the page's error."""
        if name == "error":
            self.failure = content.decode("utf-8", "replace")
        else:
            self.posted[int(name)] = content
        if self.failure or len(self.posted) == self.expected:
            self.complete.set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with the page, the scene, or a script."""
        name = self.path.lstrip("/")
        if name == "scene.json":
            content, kind = self.server.scene, "application/json"
        elif name in self.server.scripts:
            content, kind = self.server.scripts[name].read_bytes(), "text/javascript"
        elif not name:
            content, kind = self.server.page.read_bytes(), "text/html; charset=utf-8"
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        """Keep a picture."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.keep(self.path.lstrip("/"), content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def columns(pose_44: NDArray[np.float64]) -> list[float]:
    """A matrix by column, as WebGL has it."""
    return [float(value) for value in pose_44.T.ravel()]


def _picture(lit_hw4: NDArray[np.uint8], flat_hw4: NDArray[np.uint8]) -> Picture:
    number_hw = np.ascontiguousarray(flat_hw4[..., 0])
    steps_hw = flat_hw4[..., 1].astype(np.float32) * 256 + flat_hw4[..., 2]
    depth_hw = (steps_hw / 65535 * FAR_M).astype(np.float32)
    return Picture(np.ascontiguousarray(lit_hw4[..., :3]), depth_hw, number_hw)
