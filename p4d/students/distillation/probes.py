"""Pictures of how a student comes to see: its maps over the steps beside its teacher's.

A look decodes what the student holds of a clip with the expert's own heads (as the paper's figure
of predicted depth over training steps). An arm that distils leaves its looks in
`looks.safetensors`: one frame of a few fixed clips, of the train split and of the others, in
float16.

| array | |
|---|---|
| `{clip}.rgb_hw3` | the frame, u8 |
| `{clip}.teacher.{map}` | what the teacher says; NaN where it does not know |
| `{clip}.step0000010.{map}` | what the student said after step 10 |

with maps `depth` [M, M], `flow` [M, M, 2] in px of the map, `motion` [M, M] in 0..1 and `rays`
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

LOOKS_FILE = "looks.safetensors"
MAPS = ("depth", "flow", "motion", "rays")
FRAME = -1
"""Which frame of a clip is looked at; the first one has no flow."""
LEAST_MOMENT_M = 0.25
"""Full blue in the picture of rays, unless the teacher's moments are longer."""


def chosen(clip_ids: Iterable[str], count: int) -> list[str]:
    """The first few by hash: fixed, and not the first of the corpus."""
    return sorted(clip_ids, key=lambda clip_id: hashlib.sha256(clip_id.encode()).digest())[:count]


def taught(labels: Mapping[str, NDArray]) -> dict[str, NDArray[np.float16]]:
    """The looked-at frame of a teacher's labels, NaN where they are not valid."""
    depth, flow = labels["depth_thw"][FRAME], labels["flow_px_thw2"][FRAME]
    known, tracked = labels["valid_thw"][FRAME] > 0, labels["flow_valid_thw"][FRAME] > 0
    maps = {
        "depth": np.where(known, depth, np.nan),
        "flow": np.where(tracked[..., None], flow, np.nan),
        "motion": np.where(known, labels["motion_thw"][FRAME], np.nan),
        "rays": labels["rays_thw6"][FRAME],
    }
    return {name: values.astype(np.float16) for name, values in maps.items()}


def clips_of(looks: Arrays) -> list[str]:
    """Ids of the clips, in the order they were chosen."""
    clips: list[str] = looks.meta["clips"]
    return clips


def steps_of(looks: Arrays) -> list[int]:
    """Steps that were looked at."""
    names = {name.split(".")[1] for name in looks if ".step" in name}
    return sorted(int(name.removeprefix("step")) for name in names)


def looks_picture(
    folder: Path,
    *,
    clips: int = 4,
    split: str | None = None,
    steps: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Per clip a row of the teacher and one of each step; columns are frame and maps.

    Args:
        folder: of an arm that distils.
        clips: how many.
        split: clips of this one alone, as "test"; default: of all.
        steps: which; default: all that were kept.

    Returns:
        u8 [H, W, 3].

    Raises:
        ContractError: the arm kept no looks, or not these steps.
    """
    if not (folder / LOOKS_FILE).is_file():
        raise ContractError(f"{folder} holds no looks; set distillation.look_steps and train again")
    looks = Arrays(folder / LOOKS_FILE)
    kept = steps_of(looks)
    wanted = kept if steps is None else list(steps)
    if missing := sorted(set(wanted) - set(kept)):
        raise ContractError(f"{folder}: no looks at steps {missing}; there are {kept}")
    rows, captions = [], []
    splits: Mapping[str, str] = looks.meta["splits"]
    for clip_id in [c for c in clips_of(looks) if split in (None, splits[c])][:clips]:
        rgb = looks[f"{clip_id}.rgb_hw3"]
        said = {
            "teacher": _maps(looks, clip_id, "teacher"),
            **{f"step {step}": _maps(looks, clip_id, f"step{step:07d}") for step in wanted},
        }
        for name, maps in said.items():
            first = rgb if name == "teacher" else np.full_like(rgb, 255)
            rows.append([first, *_drawn(maps, said["teacher"])])
            said_of = f"{clip_id} ({splits[clip_id]})  teacher"
            captions.append(said_of if name == "teacher" else name)
    return sheet(rows, captions=captions, titles=("frame", *MAPS), tile_px=96)


def rays_rgb(rays_hw6: NDArray, like_hw6: NDArray) -> NDArray[np.uint8]:
    """Rays as colours: direction right red, down green; size of the moment blue.

    Scaled by the rays of `like_hw6`, so that two pictures on one scale can be compared; the moments
    of a camera that stands are noise, which `LEAST_MOMENT_M` keeps dark.
    """
    across = max(float(np.abs(like_hw6[..., :2]).max()), 1e-3)
    moment = max(float(np.linalg.norm(like_hw6[..., 3:], axis=-1).max()), LEAST_MOMENT_M)
    red_green = 0.5 + 0.5 * rays_hw6[..., :2] / across
    blue = np.linalg.norm(rays_hw6[..., 3:], axis=-1, keepdims=True) / moment
    shown = np.clip(np.concatenate([red_green, blue], axis=-1), 0, 1)
    return np.rint(255 * shown).astype(np.uint8)


def _maps(looks: Arrays, clip_id: str, who: str) -> dict[str, NDArray[np.float32]]:
    return {name: looks[f"{clip_id}.{who}.{name}"].astype(np.float32) for name in MAPS}


def _drawn(maps: Mapping[str, NDArray], teacher: Mapping[str, NDArray]) -> list[NDArray[np.uint8]]:
    """The four maps as colours, on the scales of the teacher's."""
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
