"""Renders the scenes of the look `nursery` with three.js in a headless Chromium.

The page fetches the scene and its poses, draws every picture twice, with light and with flat
colours that say which toy a pixel shows and how far it is, and posts both.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import CHECKOUT
from benchmarks.reality.looks.nursery.room import Nursery, Toy
from benchmarks.reality.looks.rendering import FAR_M, HoldsNothing, Picture

PAGE = Path(__file__).with_name("page.html")
THREE = CHECKOUT / "node_modules/three/build"
MOST_S = 600
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-background-networking", "--no-first-run",
    "--use-angle=swiftshader", "--use-gl=angle", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)  # fmt: skip
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])


class Browser(HoldsNothing):
    """Renders one scene."""

    def __init__(self, scene: Nursery, folder: Path) -> None:
        """Render a scene.

        Raises:
            FileNotFoundError: Chromium or three.js is not installed.
        """
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None or not (THREE / "three.module.js").is_file():
            raise FileNotFoundError(
                f"no Chromium, or no {THREE}: apt install chromium; npm install three@0.187.0"
            )
        self._scene, self._folder, self._program = scene, folder, program

    def picture(self, at_s: float) -> Picture:
        """Render the scene at a time."""
        return self.pictures([at_s])[0]

    def pictures(self, at_s: Sequence[float]) -> list[Picture]:
        """Render the scene at some times, in one run of the browser."""
        server = _Server(json.dumps(_described(self._scene, at_s)).encode(), 2 * len(at_s))
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
        width, height = self._scene.size_px
        layers = [
            np.frombuffer(server.posted[k], np.uint8).reshape(height, width, 4)[::-1]
            for k in range(2 * len(at_s))
        ]
        return [_picture(lit, flat) for lit, flat in zip(layers[::2], layers[1::2], strict=True)]


class _Server(ThreadingHTTPServer):
    """Serves the page to one browser and keeps what it posts."""

    daemon_threads = True

    def __init__(self, scene: bytes, pictures: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scene, self.expected = scene, pictures
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
        """Answer with the page, the scene, or a module of three.js."""
        name = self.path.lstrip("/")
        if name == "scene.json":
            content, kind = self.server.scene, "application/json"
        elif name in ("three.module.js", "three.core.js"):
            content, kind = (THREE / name).read_bytes(), "text/javascript"
        elif not name:
            content, kind = PAGE.read_bytes(), "text/html; charset=utf-8"
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


def _described(scene: Nursery, at_s: Sequence[float]) -> dict[str, object]:
    """What the page needs, with matrices by column as WebGL has them."""
    toys = [thing for thing in scene.things if isinstance(thing, Toy)]
    return {
        "size_px": scene.size_px,
        "fov_deg": float(np.rad2deg(2 * np.arctan(scene.size_px[1] / 2 / scene.focal_px))),
        "far_m": FAR_M,
        "sun": scene.light_3,
        "ambient": scene.ambient,
        "sky": scene.sky_rgb,
        "fog": scene.fog_per_m,
        "furniture": [vars(part) for part in scene.furniture],
        "toys": [[vars(part) for part in toy.parts] for toy in toys],
        "frames": [
            {
                "brightness": scene.brightness(at),
                "camera": _columns(scene.camera.pose(at) @ GL_FROM_CV),
                "toys": [_columns(toy.motion.pose(at)) for toy in toys],
            }
            for at in at_s
        ],
        "facing": scene.camera.bearing_rad,
    }


def _columns(pose_44: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in pose_44.T.ravel()]


def _picture(lit_hw4: NDArray[np.uint8], flat_hw4: NDArray[np.uint8]) -> Picture:
    number_hw = np.ascontiguousarray(flat_hw4[..., 0])
    steps_hw = flat_hw4[..., 1].astype(np.float32) * 256 + flat_hw4[..., 2]
    depth_hw = (steps_hw / 65535 * FAR_M).astype(np.float32)
    return Picture(np.ascontiguousarray(lit_hw4[..., :3]), depth_hw, number_hw)
