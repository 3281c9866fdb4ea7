"""A working day of a project in minutes: real webserver and daemon, sensors on, a live inbox.

Videos land while students train; a person starts trainings, cancels one, and looks at the UI. The
stages are those of the toy (see `toy`); landing, ledger, sensors, queue and UI are the product's.
Sensors tick every `TICK_S` seconds instead of every 30 or 60, so a second here stands for at least
`30 / TICK_S` seconds of life.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from tests.durability.toy import Toy
from tests.durability.ui import Ui, until

TICK_S = 2
SECONDS_OF_LIFE = 30 / TICK_S


def write_video(path: Path, seed: int) -> None:
    """Two seconds of a square that moves; complete and at rest when it gets its name."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 200, (64, 64, 3), dtype=np.uint8)
    hidden = path.with_name(f".{path.name}")
    with av.open(str(hidden), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(24):
            picture = ground.copy()
            picture[10:20, number : number + 10] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    past = time.time() - 60
    os.utime(hidden, (past, past))
    hidden.rename(path)


@dataclass
class Life:
    """What happened.

    Attributes:
        landed: files that were dropped into the inbox.
        trainings: ids of the runs of `retrain`, in the order of their launch.
        cancelled: ids of those that were cancelled while they waited.
        cancel_s: seconds from each click to the state CANCELED.
        queued_processes: processes that belonged to a run that waited; none should exist.
    """

    toy: Toy
    ui: Ui
    pause: Path
    landed: int = 0
    trainings: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    cancel_s: list[float] = field(default_factory=list)
    queued_processes: list[str] = field(default_factory=list)

    def land(self) -> None:
        """Drop one video."""
        self.landed += 1
        inbox = self.toy.root / "inbox"
        inbox.mkdir(exist_ok=True)
        write_video(inbox / f"{self.landed:03d}.mp4", self.landed)

    def train(self) -> str:
        """Click on `retrain`."""
        self.trainings.append(self.ui.launch("retrain"))
        return self.trainings[-1]

    def cancel(self, run: str) -> None:
        """Cancel a run that waits, and note whether anything ran for it."""
        assert self.ui.state(run) == "QUEUED"
        self.queued_processes += processes_of(run)
        started = time.monotonic()
        self.ui.terminate(run)
        until(lambda: self.ui.state(run) == "CANCELED", pause_s=0.05)
        self.cancel_s.append(time.monotonic() - started)
        self.cancelled.append(run)

    def training_began(self) -> bool:
        """Whether a training computes."""
        return (self.pause / "began").exists()

    def finish_training(self, run: str) -> None:
        """Let the training that computes end, and wait for its run."""
        (self.pause / "go").touch()
        self.ui.reaches(run, "SUCCESS")
        for name in ("began", "go"):
            (self.pause / name).unlink()

    def labelled(self) -> int:
        """Shards of landed videos that are labelled."""
        index, shards = Ledger(self.toy.project).index(), self.toy.project.shards()
        return sum(index.latest(ArtifactKey("labels", shard)) is not None for shard in shards)

    def story(self) -> dict[str, Any]:
        """How often each artifact was made, and what each champion was trained on."""
        made: Counter[str] = Counter()
        releases, champions = [], []
        for record in Ledger(self.toy.project).records("materialization"):
            key = ArtifactKey.of_record(record)
            made[str(key)] += 1
            if key.stage == "release":
                releases.append(record["md5"])
            if key.stage == "champion":
                champions.append(record["upstream"]["release"].removeprefix("md5:"))
        return {"made": made, "releases": releases, "champions": champions}

    def failed_ticks(self) -> list[str]:
        """Errors of all ticks of sensors."""
        repository = (
            '{repositoryName: "__repository__", '
            'repositoryLocationName: "dagster_project.definitions"}'
        )
        ticks = "ticks(limit: 1000, statuses: [FAILURE]) { error { message } }"
        data = self.ui.ask(
            f"{{ sensorsOrError(repositorySelector: {repository}) {{ ... on Sensors {{ results "
            f"{{ name sensorState {{ {ticks} }} }} }} }} }}"
        )["sensorsOrError"]["results"]
        return [
            f"{each['name']}: {tick['error']['message']}"
            for each in data
            for tick in each["sensorState"]["ticks"]
        ]


def processes_of(run: str) -> list[str]:
    """Command lines that name a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if run in text:
            found.append(text)
    return found


def open_life(toy: Toy, home: Path) -> Life:
    """The UI with the recommended sensors, while a training computes."""
    home.mkdir(exist_ok=True)
    toy.edit("p4d/toy/release.py", "VERSION = 1", "VERSION = 2")
    toy.run("python", "-m", "dagster_project", "sensors", "--recommended")
    ui = Ui(toy, home / "log.txt", TOY_PAUSE=f"champion:{home}", P4D_TICK_S=str(TICK_S))
    life = Life(toy, ui, home)
    life.train()
    until(life.training_began)
    return life
