"""Finds planted cuts and fades between rendered worlds, and counts false ones.

    python -m benchmarks.reality.cuts [--pairs 40]

Two worlds of p4d's own renderer are joined at a known frame and encoded; rates, sizes and
compression vary; fades and dissolves are planted likewise. What must not be found:
the worlds alone, with every frame doubled, with a bright frame in the middle (a flash), and a pan
over a wide picture, fast and slow.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from benchmarks.reality import record
from p4d.config import ShotsParams
from p4d.ids import seed_for
from p4d.project import Project
from p4d.video.decoding.decode import decode
from p4d.video.shots import ShotRecorder, Transition, find_transitions
from p4d.workers import spawn_pool
from p4d.worlds.renderer import render
from p4d.worlds.sampling import spec_for

PAIRS = 40
SIDE_PX = 128
WORLD_S = 2.5
RATES = (12, 24, 30)


@dataclass(frozen=True)
class Planted:
    """A video of frames, and what was planted in it.

    Attributes:
        kind: what the video shows, the key of the figures.
        span: first and end frame of the planted transition, or None.
    """

    kind: str
    rgb_thw3: np.ndarray
    span: tuple[int, int] | None


def world(seed: int, rate: int) -> np.ndarray:
    """A rendered world, u8 [T, S, S, 3]."""
    look = ("default", "heldout")[seed % 2]
    spec = spec_for(seed, WORLD_S, appearance=look)
    times_ns = [round(i * 1e9 / rate) for i in range(round(WORLD_S * rate))]
    return render(spec, times_ns, SIDE_PX).rgb_thw3


def planted(number: int) -> list[Planted]:
    """All videos of one pair of worlds."""
    rng = np.random.default_rng(seed_for("cuts", number))
    rate = RATES[number % len(RATES)]
    first, second = (world(seed_for("cuts", number, side), rate) for side in ("a", "b"))
    at = int(rng.integers(rate // 2, len(first) - rate // 2))
    start = int(rng.integers(rate // 2, len(second) - rate))
    soft = int(rng.integers(max(4, rate // 3), rate))
    head, tail = first[:at], second[start:]
    videos = [Planted("cut", np.concatenate([head, tail]), (at, at))]
    for name, level in (("fade_black", 0.0), ("fade_white", 255.0)):
        out_of = _blend(first[at - soft // 2 : at], level)
        into = _blend(second[start : start + soft // 2][::-1], level)[::-1]
        parts = [first[: at - soft // 2], out_of, into, second[start + soft // 2 :]]
        begin = at - soft // 2
        videos.append(
            Planted(name, np.concatenate(parts), (begin, begin + len(out_of) + len(into)))
        )
    length = min(soft, len(first) - at, len(second) - start)
    share = np.linspace(0, 1, length + 2)[1:-1, None, None, None]
    mixed = (1 - share) * first[at : at + length] + share * second[start : start + length]
    parts = [head, mixed.round().astype(np.uint8), second[start + length :]]
    videos.append(Planted("dissolve", np.concatenate(parts), (at, at + length)))
    flash = first.copy()
    flash[at] = (128 + flash[at] // 2).astype(np.uint8)
    wide = np.concatenate([first[0], second[0], first[-1]], axis=1)
    step = max(1, 2 * SIDE_PX // len(first))
    pan = [wide[:, i * step : i * step + SIDE_PX] for i in range(2 * SIDE_PX // step)]
    slow_pan = [wide[:, i : i + SIDE_PX] for i in range(2 * SIDE_PX)]
    return [
        *videos,
        Planted("world", first, None),
        Planted("doubled_frames", np.repeat(second, 2, axis=0), None),
        Planted("flash", flash, None),
        Planted("pan", np.stack(pan), None),
        Planted("slow_pan", np.stack(slow_pan), None),
    ]


def _blend(frames: np.ndarray, level: float) -> np.ndarray:
    """Frames that go over into one level."""
    share = np.linspace(0, 1, len(frames) + 1)[1:, None, None, None]
    return ((1 - share) * frames + share * level).round().astype(np.uint8)


def encode(path: Path, video: Planted, number: int) -> None:
    """Write a video as H.264 of varying quality."""
    rate = RATES[number % len(RATES)]
    with av.open(str(path), "w") as container:
        assert isinstance(container, OutputContainer)
        crf = (18, 28, 35)[number % 3]
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = SIDE_PX, SIDE_PX, "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(video.rgb_thw3):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@dataclass(frozen=True)
class Seen:
    """What was found in one planted video.

    Attributes:
        found: whether a transition lies at the planted one; None if none was planted.
        false: number of transitions elsewhere.
        rate: frames per second.
    """

    kind: str
    found: bool | None
    false: int


def measure(number: int) -> list[Seen]:
    """Encode, decode and look for transitions in all videos of one pair."""
    params = Project.find().params.shots
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for video in planted(number):
            path = Path(folder, f"{video.kind}.mp4")
            encode(path, video, number)
            results.append(compare(video, transitions_of(path, params)))
    return results


def transitions_of(path: Path, params: ShotsParams) -> list[Transition]:
    """The transitions that ingest finds in a file."""
    recorder = ShotRecorder(params)
    for frame in decode(path):
        recorder.add(frame)
    return find_transitions(recorder.grey_thw, params)


def compare(video: Planted, found: Sequence[Transition]) -> Seen:
    """A cut counts as found at its very frame, a fade or dissolve if a transition overlaps it."""
    if video.span is None:
        return Seen(video.kind, None, len(found))
    first, end = video.span
    at = [each for each in found if each.first <= end and each.end >= first]
    return Seen(video.kind, bool(at), len(found) - len(at))


def summary(seen: Sequence[Seen]) -> dict[str, object]:
    """Shares found and numbers of false transitions, by kind of video."""
    tried, found, false = Counter[str](), Counter[str](), Counter[str]()
    for each in seen:
        tried[each.kind] += 1
        found[each.kind] += bool(each.found)
        false[each.kind] += each.false
    planted_kinds = sorted({each.kind for each in seen if each.found is not None})
    return {
        "found": {kind: f"{found[kind]} of {tried[kind]}" for kind in planted_kinds},
        "false": {kind: f"{false[kind]} in {tried[kind]} videos" for kind in sorted(tried)},
        "false_total": sum(false.values()),
    }


def _all(pool: ProcessPoolExecutor, pairs: int) -> Iterator[Seen]:
    for done, results in enumerate(pool.map(measure, range(pairs)), 1):
        print(f"{done} of {pairs}", flush=True)
        yield from results


def main() -> None:
    """Measure, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    pairs = parser.parse_args().pairs
    with spawn_pool(2) as pool:
        seen = list(_all(pool, pairs))
    record("cuts", summary(seen), f"python -m benchmarks.reality.cuts --pairs {pairs}")


if __name__ == "__main__":
    main()
