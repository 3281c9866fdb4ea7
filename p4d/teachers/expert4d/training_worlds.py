"""Stage `expert_worlds`: simulated worlds with exact truth, on which the expert is trained.

Every world is rendered on the clip grid at clip size, for T + T / 2 frames, so that a training clip
can begin at several of its frames. Explicit targets are on the map grid (p4d/geometry/map_grid.py).
World seeds come from `seed_for("expert", ...)`, so no world of the corpus is among them.

`worlds.safetensors` holds, for the splits `train` and `holdout`, N worlds of F frames:

| name | |
|---|---|
| `{split}.rgb_nfhw3` | u8, S x S |
| `{split}.depth_nfhw` | f16, planar, metres, M x M; 0 where unknown |
| `{split}.flow_px_nfhw2` | f16, backward, px of the M grid |
| `{split}.flow_valid_nfhw` | u8 |
| `{split}.moved_nfhw` | u8, moved since the frame before |
| `{split}.will_move_nshw` | u8, moves until the next frame, by clip start |
| `{split}.world_T_cam_nf44`, `{split}.K_nf33` | f64, K at S |

`index.parquet` lists the worlds: world_id, split, row, seed, start_ns, step_ns, moving_share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from p4d.artifacts import Arrays, read_table, write_arrays, write_table
from p4d.config import ClipsParams, ExpertParams
from p4d.geometry.map_grid import sample_flow, sample_map
from p4d.geometry.rays import rays_from_cameras
from p4d.ids import content_id, seed_for
from p4d.pipeline import StageInputs, StageReport
from p4d.workers import spawn_pool

SPLITS = ("train", "holdout")


@dataclass(frozen=True, kw_only=True)
class WorldTask:
    """One world to render: `frames` at `start_ns + i * step_ns`; clips begin at `starts` frames."""

    world_id: str
    split: str
    row: int
    seed: int
    start_ns: int
    step_ns: int
    frames: int
    starts: int
    duration_s: float
    size_px: int
    map_px: int


@dataclass(frozen=True, kw_only=True)
class ClipBatch:
    """Clips cut from worlds, with their targets (B clips, T frames; shapes as in DenseMaps).

    Depth is 0 where unknown. `world_ids` are the worlds of the clips, in order.
    """

    world_ids: tuple[str, ...]
    rgb_bthw3: NDArray[np.uint8]
    depth_bthw: NDArray[np.float32]
    flow_px_bthw2: NDArray[np.float32]
    flow_valid_bthw: NDArray[np.bool_]
    moving_bthw: NDArray[np.bool_]
    rays_bthw6: NDArray[np.float32]
    world_T_cam_bt44: NDArray[np.float64]
    K_bt33: NDArray[np.float64]


def build_expert_worlds(inputs: StageInputs, out: Path) -> StageReport:
    """Render the training and held-out worlds with two processes."""
    tasks = plan_worlds(inputs.params("clips"), inputs.params("expert"))
    columns: dict[str, list[NDArray]] = {}
    shares = []
    for done, (task, arrays) in enumerate(zip(tasks, _render_all(tasks), strict=True), start=1):
        for name, values in arrays.items():
            columns.setdefault(f"{task.split}.{name}", []).append(values)
        shares.append(round(float(arrays["moved_fhw"][1:].mean()), 6))
        if done % 16 == 0 or done == len(tasks):
            inputs.progress(done, len(tasks), "worlds rendered")
    stacked = {_stacked_name(name): np.stack(values) for name, values in columns.items()}
    write_arrays(out / "worlds.safetensors", stacked)
    index = pl.DataFrame(
        {
            "world_id": [task.world_id for task in tasks],
            "split": [task.split for task in tasks],
            "row": [task.row for task in tasks],
            "seed": [task.seed for task in tasks],
            "start_ns": [task.start_ns for task in tasks],
            "step_ns": [task.step_ns for task in tasks],
            "moving_share": shares,
        }
    )
    write_table(out / "index.parquet", index, sort_by=["split", "row"])
    return StageReport(
        rows={"ok": len(tasks)},
        metrics={"worlds": len(tasks), "moving_share": round(float(np.mean(shares)), 4)},
    )


def plan_worlds(clips: ClipsParams, expert: ExpertParams) -> list[WorldTask]:
    """The worlds to render, in file order."""
    step_ns = round(1e9 / clips.grid_hz)
    tasks = []
    trained = 0 if expert.checkpoint else expert.worlds
    counts = {"train": trained, "holdout": expert.holdout_worlds}
    for split in SPLITS:
        for row in range(counts[split]):
            seed = seed_for("expert", expert.seed, split, row)
            rng = np.random.default_rng(seed_for(seed, "start"))
            task = WorldTask(
                world_id=content_id("wld", "expert", seed),
                split=split,
                row=row,
                seed=seed,
                # A corpus video has two clips in sequence: begin anywhere in that interval.
                start_ns=int(rng.integers(0, clips.frames // 2 + 1)) * step_ns,
                step_ns=step_ns,
                frames=clips.frames + clips.frames // 2,
                starts=clips.frames // 2 + 1,
                duration_s=2 * clips.frames * step_ns * 1e-9,
                size_px=expert.size_px or clips.size_px,
                map_px=expert.map_px,
            )
            tasks.append(task)
    return tasks


def render_world(task: WorldTask) -> dict[str, NDArray]:
    """Pictures and targets of one world, by array name without the split."""
    # Rendering opens OpenGL, which a process that only trains must not need.
    from p4d.worlds.renderer import render
    from p4d.worlds.sampling import spec_for

    times_ns = [task.start_ns + i * task.step_ns for i in range(task.frames)]
    video = render(spec_for(task.seed, task.duration_s), times_ns, task.size_px)
    truth = video.truth.resample(range(task.frames), task.size_px)
    will_move = [
        video.truth.resample([start, start + 1], task.size_px).moving_thw[0]
        for start in range(task.starts)
    ]
    return {
        "rgb_fhw3": video.rgb_thw3,
        "depth_fhw": sample_map(truth.z_depth_m_thw * truth.valid_thw, task.map_px).astype(
            np.float16
        ),
        "flow_px_fhw2": sample_flow(truth.flow_px_thw2, task.map_px).astype(np.float16),
        "flow_valid_fhw": sample_map(truth.flow_valid_thw, task.map_px),
        "moved_fhw": sample_map(truth.moving_thw, task.map_px),
        "will_move_shw": sample_map(np.stack(will_move), task.map_px),
        "world_T_cam_f44": truth.world_T_cam_t44,
        "K_f33": truth.K_t33,
    }


class WorldsFile:
    """The arrays of one split, cut into clips."""

    def __init__(self, folder: Path, split: str) -> None:
        """Read a split of `worlds.safetensors` and `index.parquet` in `folder`."""
        arrays = Arrays(folder / "worlds.safetensors")
        names = [name for name in arrays if name.startswith(f"{split}.")]
        self._arrays = {name.removeprefix(f"{split}."): arrays[name] for name in names}
        index = read_table(folder / "index.parquet")
        rows = index.filter(pl.col("split") == split).sort("row")
        self.world_ids: tuple[str, ...] = tuple(rows["world_id"])

    def __len__(self) -> int:
        """Number of worlds."""
        return len(self.world_ids)

    @property
    def starts(self) -> int:
        """Number of frames of a world at which a clip can begin."""
        return int(self._arrays["will_move_nshw"].shape[1])

    def cut(
        self, rows: NDArray[np.integer], starts: NDArray[np.integer], frames: int, tokens_hw: int
    ) -> ClipBatch:
        """Cut clips of `frames` frames from the given worlds and start frames."""
        frame_bt = np.asarray(starts)[:, None] + np.arange(frames)
        row_b1 = np.asarray(rows)[:, None]
        taken = {
            name: values[row_b1, frame_bt]
            for name, values in self._arrays.items()
            if name != "will_move_nshw"
        }
        moving = taken["moved_nfhw"].astype(bool)
        moving[:, 0] = self._arrays["will_move_nshw"][rows, starts]  # frame 0 looks forward
        flow_valid = taken["flow_valid_nfhw"].astype(bool)
        flow_valid[:, 0] = False
        flow = taken["flow_px_nfhw2"].astype(np.float32)
        flow[:, 0] = 0
        rgb = taken["rgb_nfhw3"]
        return ClipBatch(
            world_ids=tuple(self.world_ids[row] for row in rows),
            rgb_bthw3=rgb,
            depth_bthw=taken["depth_nfhw"].astype(np.float32),
            flow_px_bthw2=flow,
            flow_valid_bthw=flow_valid,
            moving_bthw=moving,
            rays_bthw6=_rays(taken["K_nf33"], taken["world_T_cam_nf44"], rgb.shape[2], tokens_hw),
            world_T_cam_bt44=taken["world_T_cam_nf44"],
            K_bt33=taken["K_nf33"],
        )


def mirrored(batch: ClipBatch) -> ClipBatch:
    """The same clips mirrored (left and right swapped), with exact targets.

    If S / M is even, the sampled pixels are not symmetric in the picture, so the mirrored picture
    is shifted by the difference (one px for S = 2 M), and the principal point with it.
    """
    size, side = batch.rgb_bthw3.shape[2], batch.depth_bthw.shape[2]
    tokens = batch.rays_bthw6.shape[2]
    shift = 1 if (size // side) % 2 == 0 else 0
    rgb = batch.rgb_bthw3[:, :, :, ::-1]
    rgb = np.concatenate([rgb[:, :, :, :shift], rgb[:, :, :, : size - shift]], axis=3)
    K = batch.K_bt33.copy()
    K[..., 0, 2] = size - K[..., 0, 2] + shift
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    poses = flip @ batch.world_T_cam_bt44 @ flip
    return ClipBatch(
        world_ids=batch.world_ids,
        rgb_bthw3=rgb,
        depth_bthw=batch.depth_bthw[:, :, :, ::-1].copy(),
        flow_px_bthw2=batch.flow_px_bthw2[:, :, :, ::-1] * np.array([-1, 1], np.float32),
        flow_valid_bthw=batch.flow_valid_bthw[:, :, :, ::-1].copy(),
        moving_bthw=batch.moving_bthw[:, :, :, ::-1].copy(),
        rays_bthw6=_rays(K, poses, size, tokens),
        world_T_cam_bt44=poses,
        K_bt33=K,
    )


def recoloured(
    batch: ClipBatch, rng: np.random.Generator, gamma_range: float, gain_range: float
) -> ClipBatch:
    """The same clips under another light and white balance: one curve per clip and channel.

    The logarithms of gamma (per clip) and gain (per channel) are uniform in +- the given range.
    """
    values = np.arange(256) / 255
    count = len(batch.rgb_bthw3)
    gamma = np.exp(rng.uniform(-gamma_range, gamma_range, (count, 1, 1)))
    gain = np.exp(rng.uniform(-gain_range, gain_range, (count, 3, 1)))
    curves = np.rint(255 * np.clip(gain * values**gamma, 0, 1)).astype(np.uint8)
    clip, channel = np.arange(count)[:, None, None, None, None], np.arange(3)
    recoloured_rgb = curves[clip, channel, batch.rgb_bthw3]
    return ClipBatch(**{**vars(batch), "rgb_bthw3": recoloured_rgb})


def _rays(K: NDArray, poses: NDArray, size_px: int, tokens_hw: int) -> NDArray[np.float32]:
    grid = (tokens_hw, tokens_hw)
    rays = [
        rays_from_cameras(k, p, (size_px, size_px), grid) for k, p in zip(K, poses, strict=True)
    ]
    return np.stack(rays).astype(np.float32)


def _stacked_name(name: str) -> str:
    split, _, array = name.partition(".")
    stem, _, axes = array.rpartition("_")
    return f"{split}.{stem}_n{axes}"


def _render_all(tasks: list[WorldTask]) -> Iterator[dict[str, NDArray]]:
    with spawn_pool(2) as pool:
        yield from pool.map(render_world, tasks, chunksize=4)
