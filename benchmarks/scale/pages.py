"""Dagster's pages of a project of many shards, in a real browser on the product's webserver.

The instance is filled by `benchmarks.synthetic.dagster_history`; what the events show is read from
a finished project. Webserver and code server run as `make ui` starts them, without the daemon. A
page counts as usable when what a person looks for is in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import CHECKOUT
from benchmarks.ports import free_port
from benchmarks.scale.growth import CACHE
from benchmarks.synthetic import dagster_history
from dagster_project.dagster_internals import CodeLocation, code_server
from dagster_project.home import DEFINITIONS, open_instance
from dagster_project.metadata import version_metadata
from dagster_project.reconcile import published
from p4d.pipeline import STAGES
from p4d.project import Project
from p4d.starter.new_project import make_project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import Workspace
from tests.browser import Browser

ROUNDS = 2
_PATIENCE_S = 60

_TEXT = "(document.body?.innerText ?? '').replaceAll(',', '')"
"""What the page shows, with numbers as they are."""


CLICK = """(text => {
    const found = [...document.querySelectorAll('button')].filter(
        each => each.innerText.trim() === text && !each.disabled);
    found.at(-1)?.click();
    return found.length > 0;
})"""
"""Clicks the last button with a text; returns whether there is one."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and what it shows when it can be used.

    Attributes:
        path: with `{shard}` for the latest shard.
        shows: an expression of the page; `{count}` stands for the number of shards.
        clicks: texts of the buttons to press for it, in order.
    """

    path: str
    shows: str
    clicks: tuple[str, ...] = ()


PAGES: Mapping[str, Page] = {
    "assets": Page(path="/assets", shows=f"{_TEXT}.includes('questions')"),
    "graph": Page(path="/asset-groups", shows=f"{_TEXT}.includes('4_models')"),
    "asset": Page(
        path="/assets/questions",
        shows=f"{_TEXT}.includes('{{shard}}') && {_TEXT}.includes('restore')",
    ),
    "partitions": Page(
        path="/assets/questions?view=partitions",
        shows=f"{_TEXT}.includes('Materialized ({{count}})')",
    ),
    "one partition": Page(
        path="/assets/questions?view=partitions&partition={shard}",
        shows=f"{_TEXT}.includes('Materialized ({{count}})') && {_TEXT}.includes('restore')",
    ),
    "events": Page(path="/assets/questions?view=events", shows=f"{_TEXT}.includes('{{shard}}')"),
    "checks": Page(
        path="/assets/questions?view=checks",
        shows=f"{_TEXT}.includes('Latest execution') && {_TEXT}.includes('Succeeded')",
    ),
    "backfill dialog": Page(
        path="/assets/questions",
        # What "All" chooses, as the dialog counts it.
        shows=f"{_TEXT}.includes('{{count}} partitions') && !{_TEXT}.includes('Loading')",
        clicks=("Materialize…", "All"),
    ),
    "runs": Page(path="/runs", shows=f"{_TEXT}.includes('Success')"),
}


def measure(finished: Path, shards: int) -> dict[str, object]:
    """Return seconds until each page is usable, and the memory of the webserver.

    Args:
        finished: a project whose events are the patterns.
        shards: how many.
    """
    with tempfile.TemporaryDirectory(prefix="p4d-pages-") as scratch:
        folder = Path(scratch)
        root, names = _filled(shards, _patterns(finished))
        with _served(Project(root), folder) as (address, process):
            return {"pages": _look(address, process, names, folder)}


def _filled(count: int, patterns: dagster_history.Metadata) -> tuple[Path, list[str]]:
    """A project with a filled instance, made once."""
    form = repr(
        [sorted(patterns.items()), Path(dagster_history.__file__).read_text(encoding="utf-8")]
    )
    root = CACHE / f"pages-{count}-{hashlib.sha256(form.encode()).hexdigest()[:8]}" / "project"
    done = root.parent / "done"
    if not done.exists():
        shutil.rmtree(root.parent, ignore_errors=True)
        names, project = _make(root, count), Project(root)
        with open_instance(project) as instance:
            dagster_history.fill(project, instance, names, patterns)
        done.touch()
    return root, Project(root).shards()


def _make(root: Path, count: int) -> list[str]:
    root.mkdir(parents=True)
    # A repository of its own, as it lies inside of this one.
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    make_project(root)
    names = [f"{n:05d}-{hashlib.sha256(str(n).encode()).hexdigest()[:8]}" for n in range(count)]
    lines = "".join(f"- {name}\n" for name in names)
    (root / "shards" / "index.yaml").write_text(f"shards:\n{lines}", encoding="utf-8")
    return names


def _patterns(finished: Path) -> dict[str, dict[str, Any]]:
    """By per-shard stage, what the event of the last shard of a finished project shows."""
    project = Project(finished)
    ledger, shard = Ledger(project), project.shards()[-1]
    with Workspace(project) as workspace:
        return {
            stage.name: version_metadata(
                project, published(workspace, ledger, ArtifactKey(stage.name, shard))
            )
            for stage in STAGES
            if stage.per_shard
        }


@contextmanager
def _served(project: Project, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The webserver of a project, as `make ui` starts it."""
    port = free_port()
    os.environ.update(P4D_ROOT=str(project.root), PYTHONPATH=str(CHECKOUT))
    with (
        open_instance(project) as instance,
        code_server(instance, CodeLocation(DEFINITIONS, project.root), folder) as workspace,
    ):
        server = subprocess.Popen(
            [
                sys.executable, "-m", "dagster_project.ui.webserver",
                "--port", str(port), "--workspace", str(workspace),
            ],
            cwd=project.root,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            end = time.monotonic() + _PATIENCE_S
            while not _answers(address):
                assert server.poll() is None and time.monotonic() < end
                time.sleep(0.1)
            yield address, server
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _look(
    address: str, server: subprocess.Popen[bytes], names: list[str], folder: Path
) -> dict[str, object]:
    """Open every page some times, the first time in a webserver and browser that saw no other."""
    seconds: dict[str, list[float]] = {name: [] for name in PAGES}
    started_mb = _memory_mb(server.pid)
    browser = Browser(folder / "chromium")
    try:
        for _ in range(ROUNDS):
            for name, page in PAGES.items():
                seconds[name].append(_open(browser, address, page, names))
                click.echo(
                    f"{name}: {seconds[name][-1]:.2f} s, {_memory_mb(server.pid)} MB", err=True
                )
        assert not browser.messages, browser.messages[:5]
    finally:
        browser.close()
    return {
        "shards": len(names),
        "first_s": {name: round(each[0], 2) for name, each in seconds.items()},
        "later_s": {name: round(min(each[1:]), 2) for name, each in seconds.items()},
        "webserver_mb": {"started": started_mb, "after": _memory_mb(server.pid)},
    }


def _open(browser: Browser, address: str, page: Page, names: list[str]) -> float:
    """Seconds until a page is usable."""
    browser.call("Page.navigate", url="about:blank")
    path = page.path.replace("{shard}", names[-1])
    shows = page.shows.replace("{shard}", names[-1]).replace("{count}", str(len(names)))
    started = time.monotonic()
    browser.call("Page.navigate", url=address + path)
    for text in page.clicks:
        browser.until(f"{CLICK}({text!r})", _PATIENCE_S)
    try:
        browser.until(shows, _PATIENCE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; the page shows: {browser.run(_TEXT)}") from error
    return time.monotonic() - started


def _memory_mb(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (resident,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(resident) * 1024 / 1e6)
