"""What could tell how a region rotates? `python -m benchmarks.distillation.rotation WORK`.

Linear probes of `rotation` over whole clips (clockwise, counter-clockwise, tumbles over, does not
rotate), from what stands at the region: exact and predicted flow, motion, the expert's latents, and
tokens of students. A probe is a ridge regression to the four classes, weighted so that each class
counts as much, on folds by shard; the figure is the mean of the four recalls (chance 0.25). Prints
a table and writes benchmarks/results/rotation.json; a few minutes of one core for 480 worlds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from benchmarks.distillation.corpus import shards_of
from benchmarks.machine import CHECKOUT, RESULTS, clean_commit
from p4d.artifacts import Arrays, read_table, write_json
from p4d.students.data.clip_reader import ClipReader
from p4d.students.model.region_tokens import coverage
from p4d.students.model.student import load
from p4d.teachers.labelling.store import LabelStore

CLASSES = ("clockwise", "counter-clockwise", "tumbles over", "does not rotate")
FIRST_SLOT_FRAMES = 4
"""Frames of a token of the embedded student: what a region's token sees."""

RIDGE = 30.0
GRID = 8
"""Cells of a side: those of the expert's latents and of the student's tokens."""


@dataclass(frozen=True)
class Regions:
    """The regions with a known rotation, in one order.

    Attributes:
        answers: `[N]` class of each.
        folds: `[N]` number of the shard.
        masks: `[N, T, S, S]` track of each, 0 or 1.
        labels: by teacher, `flow` `[N, T, M, M, 2]` and `motion` `[N, T, M, M]`.
        latents: `[N, H, t, 8, 8, D]` of the expert, of the region's clip.
        clips: `[N]` shard and clip of each.
    """

    answers: np.ndarray
    folds: np.ndarray
    masks: np.ndarray
    labels: Mapping[str, Mapping[str, np.ndarray]]
    latents: np.ndarray
    clips: Sequence[tuple[str, str]]


def read_regions(work: Path, shards: Sequence[str]) -> Regions:
    """Read all regions of a prepared corpus whose rotation over the whole clip is known."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("masks", "latents")}
    maps: dict[tuple[str, str], list[np.ndarray]] = {}
    answers, folds, clips = [], [], []
    for fold, shard in enumerate(shards):
        facts = read_table(work / "facts" / shard / "facts.parquet").filter(kind="rotation")
        span = pl.col("end_ns") - pl.col("start_ns")
        facts = facts.filter(span == span.max(), pl.col("value_text").is_in(CLASSES))
        marks = read_table(work / "regions" / shard / "regions.parquet").filter(outcome="ok")
        of = dict(zip(marks["region_id"], marks["mark"], strict=True))
        masks = Arrays(work / "regions" / shard / "masks.safetensors")
        store = LabelStore(work / "labels" / shard)
        rows = facts.select("clip_id", "region_ids", "value_text").sort("clip_id").iter_rows()
        for clip_id, region_ids, word in rows:
            track = masks[f"{clip_id}.masks_kthw"][of[region_ids[0]] - 1]
            if not track[0].any():
                continue
            answers.append(CLASSES.index(word))
            folds.append(fold)
            clips.append((shard, clip_id))
            found["masks"].append(track)
            found["latents"].append(store.latents(clip_id))
            for teacher in ("exact", "expert4d"):
                values = store.get_all(clip_id, teacher)
                for name, key in (("flow", "flow_px_thw2"), ("motion", "motion_thw")):
                    maps.setdefault((teacher, name), []).append(values[key])
    return Regions(
        answers=np.array(answers),
        folds=np.array(folds),
        masks=np.stack(found["masks"]),
        labels={
            teacher: {name: np.stack(maps[teacher, name]) for name in ("flow", "motion")}
            for teacher in ("exact", "expert4d")
        },
        latents=np.stack(found["latents"]),
        clips=clips,
    )


def balanced_accuracy(features: np.ndarray, answers: np.ndarray, folds: np.ndarray) -> float:
    """Return the mean recall of the classes, cross-validated by fold.

    Args:
        features: `[N, F]`.
        answers: `[N]` classes.
        folds: `[N]` each value is held out once.
    """
    wide = features.reshape(len(features), -1).astype(np.float64)
    kinds = len(CLASSES)
    hits, counts = np.zeros(kinds), np.zeros(kinds)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        mean, deviation = wide[train].mean(axis=0), wide[train].std(axis=0) + 1e-6
        x = np.column_stack([(wide - mean) / deviation, np.ones(len(wide))])
        weight = (1 / np.bincount(answers[train], minlength=kinds).clip(1))[answers[train]]
        weight *= train.sum() / kinds
        weighted = x[train] * weight[:, None]
        gram = weighted.T @ x[train] + RIDGE * np.eye(x.shape[1])
        solved = np.linalg.solve(gram, weighted.T @ np.eye(kinds)[answers[train]])
        chosen = (x[test] @ solved).argmax(axis=1)
        for kind in range(kinds):
            asked = answers[test] == kind
            counts[kind] += asked.sum()
            hits[kind] += (chosen[asked] == kind).sum()
    return float((hits / counts.clip(1)).mean())


def _resized(masks: np.ndarray, side: int) -> np.ndarray:
    """Share of each cell that a mask covers, `[..., side, side]`."""
    step = masks.shape[-1] // side
    shape = (*masks.shape[:-2], side, step, side, step)
    return masks.reshape(shape).astype(np.float32).mean(axis=(-3, -1))


def _mean_under(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of `[N, T, M, M, C]` under weights `[N, T, M, M]`, `[N, T, C]`."""
    total = np.einsum("ntij,ntijc->ntc", weights, values)
    return np.asarray(total / weights.sum(axis=(2, 3)).clip(1e-6)[..., None])


def _affine(flow: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least-squares fit of flow by 1, x, y within a region, `[N, T, 6]`."""
    side = flow.shape[2]
    y, x = np.mgrid[:side, :side] / side - 0.5
    total = weights.sum(axis=(2, 3)).clip(1e-6)
    centred = []
    for place in (x, y):
        middle = (weights * place).sum(axis=(2, 3)) / total
        centred.append(place[None, None] - middle[..., None, None])
    basis = np.stack([np.ones_like(centred[0]), *centred], axis=-1)
    gram = np.einsum("ntij,ntija,ntijb->ntab", weights, basis, basis) + 1e-3 * np.eye(3)
    moment = np.einsum("ntij,ntija,ntijc->ntac", weights, basis, flow)
    solved: np.ndarray = np.linalg.solve(gram, moment).reshape(*flow.shape[:2], 6)
    return solved


def _in_tokens(flow: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow and weights at the size of the student's tokens, means weighted by the region."""
    step = flow.shape[2] // GRID
    shape = (*flow.shape[:2], GRID, step, GRID, step)
    share = weights.reshape(shape)
    summed = (share[..., None] * flow.reshape(*shape, 2)).sum(axis=(3, 5))
    total = share.sum(axis=(3, 5))
    return summed / total.clip(1e-6)[..., None], total


def _outline(masks: np.ndarray) -> np.ndarray:
    """Place of the middle and root of the area of a track per frame, `[N, T, 3]`."""
    side = masks.shape[-1]
    y, x = np.mgrid[:side, :side] / side
    area = masks.sum(axis=(2, 3)).clip(1)
    middle = [(masks * place).sum(axis=(2, 3)) / area for place in (x, y)]
    return np.stack([*middle, np.sqrt(area) / side], axis=-1)


def probes(regions: Regions) -> dict[str, np.ndarray]:
    """Return the features of each probe, `[N, ...]`."""
    side = regions.labels["exact"]["flow"].shape[2]
    tracks = _resized(regions.masks, side)
    fixed = np.repeat(tracks[:, :1], tracks.shape[1], axis=1)
    outline = _outline(regions.masks)
    cells = _resized(regions.masks[:, 0], GRID)
    cells = cells / cells.sum(axis=(1, 2), keepdims=True).clip(1e-6)
    found = {"place in the first frame": outline[:, 0], "outline, all frames": outline}
    for teacher, maps in regions.labels.items():
        flow, motion = maps["flow"], maps["motion"][..., None].astype(np.float32)
        of = f"{teacher} flow"
        found |= {
            f"{of}: mean under the track": _mean_under(flow, tracks),
            f"{of}: mean under the track, and the outline": np.concatenate(
                [_mean_under(flow, tracks), outline], axis=-1
            ),
            f"{of}: how it changes within the region (affine), and the outline": np.concatenate(
                [_affine(flow, tracks), outline], axis=-1
            ),
            f"{of}: affine, first-frame mask, first {FIRST_SLOT_FRAMES} frames": _affine(
                flow, fixed
            )[:, :FIRST_SLOT_FRAMES],
            f"{of}: the same at the size of tokens": _affine(*_in_tokens(flow, fixed))[
                :, :FIRST_SLOT_FRAMES
            ],
            f"{of}: mean, first-frame mask, first {FIRST_SLOT_FRAMES} frames": _mean_under(
                flow, fixed
            )[:, :FIRST_SLOT_FRAMES],
            f"{teacher} motion: mean, first-frame mask": _mean_under(motion, fixed),
        }
    latents = np.einsum("nij,nhtijd->nthd", cells, regions.latents.astype(np.float32))
    found |= {
        "expert's latents: mean, first-frame mask, first tubelet": latents[:, :1],
        "expert's latents: the same, tubelets of the first slot": latents[:, :2],
        "expert's latents: the same, all tubelets": latents,
    }
    return found


@torch.no_grad()
def token_probes(regions: Regions, student_folder: Path, work: Path) -> dict[str, np.ndarray]:
    """Return what a student's region tokens and all its slots show of each region."""
    student = load(student_folder)
    shards = sorted({shard for shard, _ in regions.clips})
    clips = ClipReader(
        {shard: work / "clips" / shard for shard in shards},
        {shard: work / "regions" / shard for shard in shards},
    )
    encoded: dict[tuple[str, str], np.ndarray] = {}
    for shard, clip in sorted(set(regions.clips)):
        visual = clips.read(shard, clip)
        frames = torch.from_numpy(visual.frames[1:])[None]
        times = torch.from_numpy(visual.times_s[1:])[None]
        found = student.adapter.encode(frames, times)["mm_encoder_outputs"]["video"]
        encoded[shard, clip] = found.pooler_output[0].numpy()
    tokens = np.stack([encoded[clip] for clip in regions.clips])
    grid = student.adapter.frame_grid()
    cover = coverage(torch.from_numpy(regions.masks[:, :1].astype(np.uint8)), grid).numpy()
    weights = cover[:, 0] / cover[:, 0].sum(axis=1, keepdims=True).clip(1e-6)
    slots = tokens.reshape(len(tokens), -1, grid[0] * grid[1], tokens.shape[-1])
    under = np.einsum("nc,nscd->nsd", weights, slots)
    under = under - slots.mean(axis=2)
    return {"first slot (the region's token)": under[:, :1], "all slots": under}


def main() -> None:
    """Measure all probes and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="a corpus of `python -m benchmarks.distillation`")
    parser.add_argument("--student", action="append", default=[], metavar="NAME=FOLDER")
    given = parser.parse_args()
    commit = clean_commit(CHECKOUT)
    regions = read_regions(given.work, shards_of(given.work))
    features = probes(regions)
    for named in given.student:
        name, _, folder = named.partition("=")
        for what, values in token_probes(regions, Path(folder), given.work).items():
            features[f"{name}: {what}"] = values
    found = {}
    for name, values in features.items():
        found[name] = round(balanced_accuracy(values, regions.answers, regions.folds), 4)
        print(f"{found[name]:.3f}  {name}", flush=True)
    counts = np.bincount(regions.answers, minlength=len(CLASSES)).tolist()
    report = {
        "command": "python -m benchmarks.distillation.rotation",
        "commit": commit,
        "regions": dict(zip(CLASSES, counts, strict=True)),
        "chance": 1 / len(CLASSES),
        "balanced_accuracy": found,
    }
    write_json(RESULTS / "rotation.json", report)


if __name__ == "__main__":
    main()
