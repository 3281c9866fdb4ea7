"""The Dagster UI in figures: `python -m benchmarks.speed.ui [--shards 40] [--minutes 20]`.

A real webserver and daemon run on the trivial stages of `tests/durability/toy.py`, so the figures
are those of the orchestration: stages of seconds or hours come on top, equally on both sides.
Results are merged into benchmarks/results/ui.json. `explorer_ms` in the same file is from
`benchmarks.speed.explorer`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from tests.durability.life import SECONDS_OF_LIFE, Life, open_life
from tests.durability.toy import Toy, build
from tests.durability.ui import Ui, until

PER_SHARD = ("videos", "labels")
TICK = os.sysconf("SC_CLK_TCK")


def measure_backfill(folder: Path, shards: int) -> dict[str, Any]:
    """Seconds for each shard, of `make up` and of a backfill, on two equal copies."""
    names = [f"{n:04d}-{n:08x}" for n in range(1, shards + 1)]
    by_ui = build(folder / "ui", names)
    by_ui.run("python", "-m", "dagster_project", "up", "--only", "expert")
    by_up = by_ui.copy_to(folder / "up")
    started = time.monotonic()
    only = [word for name in PER_SHARD for word in ("--only", name)]
    by_up.run("python", "-m", "dagster_project", "up", *only)
    up_s = time.monotonic() - started
    ui = Ui(by_ui, folder / "log.txt")
    try:
        until(lambda: len(ui.partitions("labels")["unmaterialized"]) == shards)
        started = time.monotonic()
        backfill = ui.backfill(PER_SHARD, names)
        until(lambda: ui.backfill_state(backfill) not in ("REQUESTED", "FAILING"))
        ui_s = time.monotonic() - started
        runs = ui.runs(dagster__backfill=backfill)
        assert {run["status"] for run in runs} == {"SUCCESS"}, runs
        assert len(ui.partitions("labels")["materialized"]) == shards
    finally:
        ui.stop()
    in_runs_s = sum(run["endTime"] - run["startTime"] for run in runs)
    return {
        "shards": shards,
        "runs": len(runs),
        "ui": round(ui_s / shards, 3),
        "ui_in_its_runs": round(in_runs_s / shards, 3),
        "make_up": round(up_s / shards, 3),
    }


def cpu_s(processes: Sequence[int]) -> float:
    """CPU seconds of processes so far."""
    total = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
        except OSError:
            continue
        total += sum(map(int, text.rpartition(")")[2].split()[11:13]))
    return total / TICK


def descendants(process: int) -> list[int]:
    """A process and all below it, also those that left its session."""
    found = [process]
    for each in found:
        for path in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, path.read_text(encoding="utf-8").split())
    return found


def share(ui: Ui, seconds: float, without: Sequence[int]) -> float:
    """Share of one core that the UI's processes use, except those of a training."""
    processes = [p for p in descendants(ui.process.pid) if p not in without]
    before, started = cpu_s(processes), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(processes) - before) / (time.monotonic() - started)


def measure_waiting(life: Life, seconds: float) -> dict[str, Any]:
    """CPU of a run that waits for its slot, and seconds until a click ended it."""
    without = [p for p in descendants(life.ui.process.pid) if life.trainings[0] in command(p)]
    idle = share(life.ui, seconds, without)
    waiting = life.train()
    busy = share(life.ui, seconds, without)
    life.cancel(waiting)
    running = life.trainings[0]
    started = time.monotonic()
    life.ui.terminate(running)
    until(lambda: life.ui.state(running) == "CANCELED", pause_s=0.05)
    return {
        "waiting_cpu_share": round(max(0.0, busy - idle), 3),
        "ui_cpu_share": {"nothing_waits": round(idle, 3), "a_run_waits": round(busy, 3)},
        "processes_of_the_waiting_run": len(life.queued_processes),
        "cancel_s": round(life.cancel_s[-1], 2),
        "cancel_running_s": round(time.monotonic() - started, 2),
    }


def command(process: int) -> str:
    """Command line of a process; empty if it ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def measure_stale(ui: Ui, toy: Toy) -> dict[str, Any]:
    """Seconds from a change on disk until the UI shows it, with the intervals users have."""
    shutil.rmtree(toy.root / "data" / "champion")
    deleted_s = waited(lambda: staleness(ui, "champion") == "STALE")
    toy.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")
    edited_s = waited(lambda: "Reload definitions" in observation(ui, "videos"))
    return {"output deleted": round(deleted_s, 1), "params.yaml edited": round(edited_s, 1)}


def waited(condition: Any) -> float:
    """Seconds until a condition holds."""
    started = time.monotonic()
    until(condition)
    return time.monotonic() - started


def staleness(ui: Ui, asset: str) -> str:
    """What the UI calls an asset."""
    node = ui.ask(
        f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) '
        "{ ... on AssetNode { staleStatus } } }"
    )
    return str(node["assetNodeOrError"]["staleStatus"])


def observation(ui: Ui, asset: str) -> str:
    """Text of the latest observation on an asset's page."""
    node = ui.ask(
        f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) '
        "{ ... on AssetNode { assetObservations(limit: 1) { description } } } }"
    )["assetNodeOrError"]["assetObservations"]
    return str(node[0]["description"]) if node else ""


def measure_location() -> float:
    """Seconds in which a new process loads the definitions of this repository; median of three."""
    walls = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", "import dagster_project.definitions"],
            cwd=CHECKOUT, check=True, capture_output=True,
        )  # fmt: skip
        walls.append(time.monotonic() - started)
    return round(statistics.median(walls), 2)


def live(life: Life, minutes: float) -> dict[str, Any]:
    """Videos land all the time, trainings follow each other; what was made, and how often."""
    started, end = time.monotonic(), time.monotonic() + minutes * 60 / SECONDS_OF_LIFE
    before = len(life.toy.project.shards())
    while time.monotonic() < end or life.landed < 3:
        life.land()
        until(lambda: life.labelled() == before + life.landed)
        following = life.train()
        life.finish_training(life.trainings[-2])
        assert life.trainings[-1] == following
        until(life.training_began)
    life.finish_training(life.trainings[-1])
    lived_s = time.monotonic() - started
    story = life.story()
    shards = life.toy.project.shards()
    once = [story["made"][f"{name}@{shard}"] == 1 for name in PER_SHARD for shard in shards]
    return {
        "minutes_of_life": round(lived_s * SECONDS_OF_LIFE / 60, 1),
        "wall_s": round(lived_s),
        "videos_landed_while_a_student_trained": life.landed,
        "trainings_published": len(life.trainings),
        "each_shard_labelled_once": all(once),
        "each_release_trained_once_in_order": story["champions"] == story["releases"]
        and len(set(story["releases"])) == len(story["releases"]),
        "runs_of_landing": len(life.ui.runs(dagster__sensor_name="landing_sensor")),
        "failed_ticks": len(life.failed_ticks()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=20, help="of simulated life")
    parser.add_argument("--write", action="store_true", help="merge into results/ui.json")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"code_location_s": measure_location()}
    with tempfile.TemporaryDirectory(prefix="p4d-ui-") as scratch:
        folder = Path(scratch)
        (folder / "backfill").mkdir()
        figures["backfill_s_per_shard"] = measure_backfill(folder / "backfill", arguments.shards)
        print(figures, flush=True)
        made = build(folder / "made")
        made.run("python", "-m", "dagster_project", "up")
        life = open_life(made.copy_to(folder / "life"), folder / "home")
        try:
            figures["life"] = live(life, arguments.minutes)
            print(figures["life"], flush=True)
        finally:
            life.ui.stop()
        waits = open_life(made.copy_to(folder / "waits"), folder / "home2")
        try:
            figures |= measure_waiting(waits, 20.0)
        finally:
            waits.ui.stop()
        stale = made.copy_to(folder / "stale")
        started = time.monotonic()
        ui = Ui(stale, folder / "stale.txt")
        figures["ui_start_s"] = round(time.monotonic() - started, 1)
        try:
            figures["stale_latency_s"] = measure_stale(ui, stale)
        finally:
            ui.stop()
    for name, value in figures.items():
        print(name, value)
    if arguments.write:
        machine = {"ui_machine": {"load": os.getloadavg()[2], **describe(CHECKOUT)}}
        merge_results(RESULTS / "ui.json", {**figures, **machine})


if __name__ == "__main__":
    main()
