"""Tiny videos written with PyAV; each frame carries its own number in black and white bars."""

from __future__ import annotations

import hashlib
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import yaml

from p4d.config import Params
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project

ROOT = Path(__file__).resolve().parents[2]
BITS = 8


def marked_frame(number: int, width: int, height: int) -> np.ndarray:
    """Left to right: the bits of `number` in Gray code, lowest first, as bright or dark bars.

    One bar changes from frame to frame, so that no step looks like a cut.
    """
    code = number ^ number >> 1
    bars = np.array([230 if code >> bit & 1 else 25 for bit in range(BITS)], np.uint8)
    row = np.repeat(bars, -(-width // BITS))[:width]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def read_mark(rgb_hw3: np.ndarray) -> int:
    """The number a frame carries, at any size."""
    bars = np.array_split(rgb_hw3[rgb_hw3.shape[0] // 2].mean(axis=-1), BITS)
    code = sum(
        int(bar[len(bar) // 4 : -len(bar) // 4].mean() > 128) << i for i, bar in enumerate(bars)
    )
    number = 0
    while code:
        number, code = number ^ code, code >> 1
    return number


def write_video(
    path: Path,
    *,
    frames: int = 48,
    fps: int = 12,
    ticks: list[int] | None = None,
    time_base: Fraction | None = None,
    start_ticks: int = 0,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    draw=marked_frame,
    faststart: bool = False,
) -> Path:
    """Encode `frames` pictures of `draw(number, width, height)`; times are ticks of `time_base`."""
    width, height = size
    time_base = time_base or Fraction(1, fps)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path.absolute()), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = time_base
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, width, height), format="rgb24")
            frame.pts = (ticks[number] if ticks else number) + start_ticks
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Overwrite the display matrix in an MP4's track header (ISO/IEC 14496-12, 8.3.2)."""
    payload = bytearray(path.read_bytes())
    at = payload.index(b"tkhd") + 4
    at += 40 if payload[at] == 0 else 52
    one = 1 << 16
    payload[at : at + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(payload)


def params(**sections) -> Params:
    """The repository's parameters with some keys changed."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, values in sections.items():
        raw[name].update(values)
    return Params.from_mapping(raw)


def make_project(root: Path, **sections) -> Project:
    """An empty project with an inbox."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, values in sections.items():
        raw[name].update(values)
    (root / "inbox").mkdir(parents=True)
    (root / "shards").mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump(raw))
    (root / "dvc.yaml").write_text("stages: {}\n")
    return Project(root)


def inputs(project: Project, stage: str, shard: str, **changed) -> StageInputs:
    """What the runner would give a stage of this project."""
    from p4d.artifacts import read_json

    found = stage_named(stage)
    return StageInputs(
        stage=found,
        all_params=project.params,
        folders={name: project.data / name / shard for name in found.inputs},
        shard=shard,
        manifest=read_json(project.shards_dir / f"{shard}.json") if found.manifest else None,
        inbox=project.inbox,
        **changed,
    )


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
