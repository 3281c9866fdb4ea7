"""Probes: the maps that a student predicts over the steps of its training, beside its teacher's.

A probe decodes hidden states of a clip with the expert's own heads, as in the paper's figure of
predicted depth over training steps. An arm that distils stores its probes in `probes.safetensors`:
one frame of a few fixed clips, of the train split and of the others, in float16.

| array | |
|---|---|
| `{clip}.rgb_hw3` | the frame, u8 |
| `{clip}.teacher.{map}` | the teacher's map; NaN where it is not valid |
| `{clip}.step0000010.{map}` | the student's map after step 10 |

The maps are `depth` [M, M], `flow` [M, M, 2] in px of the map, `motion` [M, M] in 0..1 and `rays`
[h, w, 6].
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import Arrays
from p4d.drawing import depth_rgb, flow_rgb, motion_rgb, sheet
from p4d.errors import ContractError

PROBES_FILE = "probes.safetensors"
FORMER_PROBES_FILE = "looks.safetensors"
"""Name of the file in students that were made before it was renamed; the content is the same."""
MAPS = ("depth", "flow", "motion", "rays")
FRAME = -1
"""The frame that is probed; the first frame has no flow."""
LEAST_MOMENT_M = 0.25
"""Length of a moment that is drawn in full blue, unless the teacher's moments are longer."""


def probes_file(folder: Path) -> Path | None:
    """The file of probes in the folder of an arm, under its present or its former name."""
    for name in (PROBES_FILE, FORMER_PROBES_FILE):
        if (folder / name).is_file():
            return folder / name
    return None


def chosen(clip_ids: Iterable[str], count: int) -> list[str]:
    """The first `count` clips by hash: a fixed choice that does not prefer early clips."""
    return sorted(clip_ids, key=lambda clip_id: hashlib.sha256(clip_id.encode()).digest())[:count]


def teacher_maps(labels: Mapping[str, NDArray]) -> dict[str, NDArray[np.float16]]:
    """The probed frame of a teacher's labels, NaN where they are not valid."""
    depth, flow = labels["depth_thw"][FRAME], labels["flow_px_thw2"][FRAME]
    known, tracked = labels["valid_thw"][FRAME] > 0, labels["flow_valid_thw"][FRAME] > 0
    maps = {
        "depth": np.where(known, depth, np.nan),
        "flow": np.where(tracked[..., None], flow, np.nan),
        "motion": np.where(known, labels["motion_thw"][FRAME], np.nan),
        "rays": labels["rays_thw6"][FRAME],
    }
    return {name: values.astype(np.float16) for name, values in maps.items()}


def probed_clips(probes: Arrays) -> list[str]:
    """Ids of the clips, in the order they were chosen."""
    clips: list[str] = probes.meta["clips"]
    return clips


def probed_steps(probes: Arrays) -> list[int]:
    """Steps after which maps were kept."""
    names = {name.split(".")[1] for name in probes if ".step" in name}
    return sorted(int(name.removeprefix("step")) for name in names)


def probes_picture(
    folder: Path,
    *,
    clips: int = 4,
    split: str | None = None,
    steps: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Per clip one row of the teacher and one of each step; columns are frame and maps.

    Args:
        folder: of an arm that distils.
        clips: how many.
        split: only clips of this split, such as "test"; default: of all.
        steps: which; default: all that were kept.

    Returns:
        u8 [H, W, 3].

    Raises:
        ContractError: the arm stored no probes, or not these steps.
    """
    path = probes_file(folder)
    if path is None:
        raise ContractError(
            f"{folder} holds no probes; set distillation.probe_steps and train again"
        )
    probes = Arrays(path)
    kept = probed_steps(probes)
    wanted = kept if steps is None else list(steps)
    if missing := sorted(set(wanted) - set(kept)):
        raise ContractError(f"{folder}: no probes at steps {missing}; there are {kept}")
    rows, captions = [], []
    splits: Mapping[str, str] = probes.meta["splits"]
    for clip_id in [c for c in probed_clips(probes) if split in (None, splits[c])][:clips]:
        rgb = probes[f"{clip_id}.rgb_hw3"]
        teacher = _maps(probes, clip_id, "teacher")
        rows.append([rgb, *_drawn(teacher, teacher)])
        captions.append(f"{clip_id} ({splits[clip_id]})  teacher")
        for step in wanted:
            predicted = _maps(probes, clip_id, f"step{step:07d}")
            rows.append([np.full_like(rgb, 255), *_drawn(predicted, teacher)])
            captions.append(f"step {step}")
    return sheet(rows, captions=captions, titles=("frame", *MAPS), tile_px=96)


def rays_rgb(rays_hw6: NDArray, like_hw6: NDArray) -> NDArray[np.uint8]:
    """Rays as colours: direction right red, down green; length of the moment blue.

    Scaled by the rays of `like_hw6`, so that pictures on one scale can be compared. The moments of
    a static camera are noise, which `LEAST_MOMENT_M` keeps dark.
    """
    across = max(float(np.abs(like_hw6[..., :2]).max()), 1e-3)
    moment = max(float(np.linalg.norm(like_hw6[..., 3:], axis=-1).max()), LEAST_MOMENT_M)
    red_green = 0.5 + 0.5 * rays_hw6[..., :2] / across
    blue = np.linalg.norm(rays_hw6[..., 3:], axis=-1, keepdims=True) / moment
    shown = np.clip(np.concatenate([red_green, blue], axis=-1), 0, 1)
    return np.rint(255 * shown).astype(np.uint8)


def _maps(probes: Arrays, clip_id: str, source: str) -> dict[str, NDArray[np.float32]]:
    return {name: probes[f"{clip_id}.{source}.{name}"].astype(np.float32) for name in MAPS}


def _drawn(maps: Mapping[str, NDArray], teacher: Mapping[str, NDArray]) -> list[NDArray[np.uint8]]:
    """The four maps as colours, on the scales of the teacher's maps."""
    depths = teacher["depth"][np.isfinite(teacher["depth"])]
    near, far = np.percentile(depths, [2, 98]) if depths.size else (1.0, 2.0)
    lengths = np.linalg.norm(teacher["flow"], axis=-1)
    longest = float(np.nanmax(lengths)) if np.isfinite(lengths).any() else 0.0
    return [
        depth_rgb(maps["depth"], near=float(near), far=float(far)),
        flow_rgb(maps["flow"], longest_px=max(longest, 0.25)),
        motion_rgb(maps["motion"]),
        rays_rgb(maps["rays"], teacher["rays"]),
    ]
