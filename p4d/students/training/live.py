"""Live metrics of a run: a growing CSV, TensorBoard events, and a summary of times.

These files are scratch beside the checkpoints, because they hold wall times; the artifact's
`curve.csv` has the same losses without them. `dvc plots show live.csv` and `tensorboard --logdir`
read them.
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
        wall_s: from the first requested batch to the end of the last step.
        waited_s: part of `wall_s` spent waiting for data.
        clips: clips computed by this process.
        tokens: tokens computed by this process, without padding.
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
        """Share of the time spent waiting for data."""
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
    """Accumulates `Times`."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._steps = self._clips = self._tokens = 0

    def step(self, clips: int, tokens: int) -> None:
        """Count one optimizer step."""
        self._steps += 1
        self._clips += clips
        self._tokens += tokens

    def times(self, waited_s: float) -> Times:
        """The times so far."""
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
    """Writes live metrics into `folder`; does nothing if it is None."""

    def __init__(self, folder: Path | None, *, first_step: int) -> None:
        """Continue after `first_step` steps; later rows, of a killed run, are removed."""
        self._folder = folder
        self._writer: Any = None
        self._names: list[str] = []
        self._first_step = first_step
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / CURVE
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as stream:
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
        with (self._folder / CURVE).open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self._names, lineterminator="\n").writerow(values)
        if self._writer is None:
            # An expensive import, which only runs with live metrics need.
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=self._first_step + 1)
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(values["step"]))
        self._writer.flush()

    def close(self, times: Times) -> None:
        """Write the summary of times."""
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
