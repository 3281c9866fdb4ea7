"""What a running training shows: a CSV that grows, TensorBoard events, and where the time went.

All of it is scratch beside the checkpoints, as it holds wall times; the artifact's `curve.csv` has
the same losses without them. `dvc plots show live.csv` and `tensorboard --logdir` read it.
"""

from __future__ import annotations

import csv
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p4d.artifacts import write_bytes, write_json

CURVE, TIMES = "live.csv", "times.json"


@dataclass(frozen=True, kw_only=True)
class Times:
    """Where the time of a run went, since its start or its last resume.

    Attributes:
        steps: optimizer steps.
        wall_s: from the first batch asked for to the end of the last step.
        waited_s: of these, spent in waiting for data.
        clips: computed by this process.
        tokens: computed by this process, padding apart.
        peak_rss_bytes: largest resident memory of the process so far.
    """

    steps: int
    wall_s: float
    waited_s: float
    clips: int
    tokens: int
    peak_rss_bytes: int

    @property
    def data_wait(self) -> float:
        """Share of the time spent in waiting for data."""
        return self.waited_s / self.wall_s if self.wall_s else 0.0

    def text(self) -> str:
        """One line for the log."""
        wall_s = max(self.wall_s, 1e-9)
        return (
            f"{self.steps} steps in {self.wall_s:.1f} s: {self.clips / wall_s:.1f} clips/s, "
            f"{self.tokens / wall_s:.0f} tokens/s, {100 * self.data_wait:.2f} % waiting for data, "
            f"peak {self.peak_rss_bytes / 2**20:.0f} MiB"
        )


class Clock:
    """Adds up what `Times` tells."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._steps = self._clips = self._tokens = 0

    def step(self, clips: int, tokens: int) -> None:
        """Count one optimizer step."""
        self._steps += 1
        self._clips += clips
        self._tokens += tokens

    def times(self, waited_s: float) -> Times:
        """So far."""
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Times(
            steps=self._steps,
            wall_s=time.perf_counter() - self._started,
            waited_s=waited_s,
            clips=self._clips,
            tokens=self._tokens,
            peak_rss_bytes=used if sys.platform == "darwin" else used * 1024,
        )


class LiveMetrics:
    """Writes what a run shows into `folder`; with None it does nothing."""

    def __init__(self, folder: Path | None, *, first_step: int) -> None:
        """Go on after `first_step` steps; later rows are of a run that was killed."""
        self._folder = folder
        self._writer: Any = None
        self._names: list[str] = []
        self._first_step = first_step
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / CURVE
        if path.is_file():
            with path.open(newline="") as stream:
                reader = csv.DictReader(stream)
                kept = [row for row in reader if int(row["step"]) <= first_step]
                self._names = list(reader.fieldnames or [])
            self._rewrite(kept)

    def row(self, values: Mapping[str, float]) -> None:
        """Append one step; `step` is among the values."""
        if self._folder is None:
            return
        if not self._names:
            self._names = list(values)
            self._rewrite([])
        with (self._folder / CURVE).open("a", newline="") as stream:
            csv.DictWriter(stream, self._names, lineterminator="\n").writerow(values)
        if self._writer is None:
            # Imports torch and more: only a run that is watched pays for it.
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=self._first_step + 1)
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(values["step"]))
        self._writer.flush()

    def close(self, times: Times) -> None:
        """Write where the time went."""
        if self._writer is not None:
            self._writer.close()
        if self._folder is not None:
            rounded = {name: round(value, 4) for name, value in asdict(times).items()}
            share = {"data_wait": round(times.data_wait, 5)}
            write_json(self._folder / TIMES, rounded | share)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        assert self._folder is not None
        lines = [",".join(self._names), *(",".join(row.values()) for row in rows)]
        write_bytes(self._folder / CURVE, ("\n".join(lines) + "\n").encode())
