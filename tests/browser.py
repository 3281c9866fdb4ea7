"""A real Chromium, driven by the DevTools protocol, for tests of pages.

It needs the program `chromium` (or `google-chrome`) and no other package than `websockets`, which
the UI's webserver brings. Without the program, tests that need it are skipped.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE_S = 60


class Browser:
    """One headless browser with one page.

    Attributes:
        requests: addresses that pages asked for.
        messages: errors that pages reported: exceptions, failed loads, refusals by a policy.
    """

    def __init__(self, folder: Path, width=1600, height=1000):
        self.requests, self.messages = [], []
        self._number, self._folder = 0, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
                "--disable-background-networking", "--disable-component-update", "--no-first-run",
                "--remote-debugging-port=0", f"--user-data-dir={folder}",
                f"--window-size={width},{height}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        port_file = folder / "DevToolsActivePort"
        self.until(lambda: port_file.is_file() and port_file.read_text().count("\n") >= 1)
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            page = next(each for each in json.load(answer) if each["type"] == "page")
        self._socket = connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def call(self, method, **parameters):
        """One command of the protocol; returns its result."""
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message):
        kind, found = message.get("method"), message.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.messages.append(str(found["exceptionDetails"].get("exception", found)))
        elif kind == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.messages.append(f"{found['entry']['text']} {found['entry'].get('url', '')}")

    def run(self, script):
        """The value of an expression in the page, JSON; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, address):
        """Open a page and wait until it and its pictures are loaded."""
        self.call("Page.navigate", url=address)
        self.until(
            lambda: self.run(
                "document.readyState === 'complete' && location.href !== 'about:blank'"
            )
        )

    def until(self, condition, patience_s=PATIENCE_S):
        """Wait for a condition: a function, or an expression in the page."""
        end = time.monotonic() + patience_s
        holds = condition if callable(condition) else lambda: self.run(condition)
        while not holds():
            assert time.monotonic() < end, f"waited too long for {condition}"
            time.sleep(0.05)

    def press(self, key, code):
        """Press a key, as a keyboard does."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=code,
                text=key if kind == "keyDown" and len(key) == 1 else "",
                windowsVirtualKeyCode={" ": 32, "ArrowLeft": 37, "ArrowRight": 39}.get(key, 0),
            )  # fmt: skip

    def move(self, x, y):
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, path, whole=False):
        """A PNG of what is visible, or of the whole page."""
        more = {"captureBeyondViewport": True} if whole else {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            more["clip"] = {
                "x": 0, "y": 0, "scale": 1, "width": size["width"], "height": size["height"]
            }  # fmt: skip
        data = self.call("Page.captureScreenshot", format="png", **more)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        self._socket.close()
        # Its helpers are in its process group.
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
