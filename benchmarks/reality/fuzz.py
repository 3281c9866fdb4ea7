"""Counts damaged files that crash, hang, raise without a name, or pass unseen.

    python -m benchmarks.reality.fuzz [--mutants 2000] [--from 0]

Every mutant is opened and read as landing and stage `videos` do it, in the same workers with the
same limits. `silent` counts accepted mutants whose frames differ from those of the good file in
number, time or pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reality import record
from benchmarks.reality.mutants import FORMATS, Format, Mutant, good_file, mutants
from p4d.config import ClipsParams, ShotsParams
from p4d.project import Project
from p4d.video.decoding.budget import FileBudget, ProcessBudget
from p4d.video.decoding.decode import decode
from p4d.video.decoding.per_video import FileFault, per_video
from p4d.video.decoding.probe import probe
from p4d.video.one_pass import read_video

MUTANTS = 2000
BATCH = 200
LIMITS = ProcessBudget(max_cpu_s=20.0, max_memory_bytes=2**30)
BUDGET = FileBudget(max_duration_s=600.0, max_frames=10_000, max_decoded_px=10**10)


@dataclass(frozen=True)
class ReadJob:
    """A file, and what stage `videos` reads it with."""

    path: Path
    clips: ClipsParams
    shots: ShotsParams


def read_fully(job: ReadJob) -> str:
    """Read a file as landing and ingest do; return a digest of all its frames."""
    probe(job.path, BUDGET)
    read_video(job.path, BUDGET, job.clips, job.shots)
    digest = hashlib.sha256()
    for frame in decode(job.path, BUDGET):
        digest.update(f"{frame.pts_ns} {frame.size_px}".encode())
        digest.update(frame.rgb().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant: `kind` is one of `KINDS`."""

    mutant: Mutant
    kind: str
    reason: str


KINDS = ("rejected", "harmless", "silent", "crash", "hang", "nameless", "reasonless")


def judge(mutant: Mutant, outcome: str | FileFault, good: str) -> Verdict:
    """Classify an outcome; `good` is the digest of the file that was damaged."""
    if isinstance(outcome, str):
        return Verdict(mutant, "harmless" if outcome == good else "silent", "")
    reason = outcome.reason
    if reason.startswith("the decoder crashed"):
        kind = "crash"
    elif "max_cpu_s" in reason:
        kind = "hang"
    elif reason.startswith("cannot be read ("):
        kind = "nameless"
    else:
        kind = "rejected" if reason.strip() else "reasonless"
    return Verdict(mutant, kind, reason)


def run(batch: Sequence[Mutant], good: dict[Format, str], folder: Path) -> list[Verdict]:
    """Read a batch of mutants in workers."""
    params = Project.find().params
    jobs = []
    for mutant in batch:
        path = folder / f"{mutant.number}.{mutant.kind.suffix}"
        path.write_bytes(mutant.payload)
        jobs.append(ReadJob(path, params.clips, params.shots))
    outcomes = list(per_video(read_fully, jobs, LIMITS))
    for job in jobs:
        job.path.unlink()
    return [judge(m, o, good[m.kind]) for m, o in zip(batch, outcomes, strict=True)]


def digests_of(good: dict[Format, bytes], folder: Path) -> dict[Format, str]:
    """The digest of each good file."""
    params = Project.find().params
    found = {}
    for kind, payload in good.items():
        path = folder / f"good.{kind.suffix}"
        path.write_bytes(payload)
        found[kind] = read_fully(ReadJob(path, params.clips, params.shots))
    return found


def main() -> None:
    """Fuzz, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--show", action="store_true", help="print reasons; record nothing")
    wanted = parser.parse_args()
    started = time.perf_counter()
    good = {kind: good_file(kind) for kind in FORMATS}
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digests = digests_of(good, folder)
        made = [m for m in mutants(wanted.first + wanted.mutants, good) if m.number >= wanted.first]
        for start in range(0, len(made), BATCH):
            verdicts += run(made[start : start + BATCH], digests, folder)
            print(start + BATCH, dict(Counter(verdict.kind for verdict in verdicts)), flush=True)
    for verdict in verdicts:
        if verdict.kind not in ("rejected", "harmless", "silent"):
            mutant = verdict.mutant
            print(verdict.kind, mutant.number, mutant.kind.name, mutant.mutation, verdict.reason)
    if wanted.show:
        for reason, count in Counter(verdict.reason for verdict in verdicts).most_common(60):
            print(count, reason)
        return
    counts = Counter(verdict.kind for verdict in verdicts)
    silent: dict[str, list[int]] = {}
    for verdict in verdicts:
        tried = silent.setdefault(verdict.mutant.kind.name, [0, 0])
        tried[0] += verdict.kind == "silent"
        tried[1] += 1
    record(
        "fuzz",
        {
            "mutants": len(verdicts),
            "rejected": counts["rejected"],
            "harmless": counts["harmless"],
            "crashes": counts["crash"],
            "hangs": counts["hang"],
            "nameless": counts["nameless"],
            "reasonless": counts["reasonless"],
            "silent": {name: f"{n} of {of}" for name, (n, of) in sorted(silent.items())},
            "seconds": round(time.perf_counter() - started, 1),
        },
        f"python -m benchmarks.reality.fuzz --mutants {wanted.mutants} --from {wanted.first}",
    )


if __name__ == "__main__":
    main()
