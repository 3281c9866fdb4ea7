"""Are the sigmas of facts calibrated? `python -m benchmarks.questions.calibration FOLDER EXPERT`.

Compares facts with the exact ones of the same clip, regions and times, on clips that no sigma was
fitted on. Two disjoint sets of simulated worlds are drawn and labelled with the expert of folder
EXPERT. Factors of sigma are fitted on the first set, and coverage is reported on the second: key
`calibration` of benchmarks/results/questions.json. FOLDER keeps clips and labels between runs.

| study | measured from | regions |
|---|---|---|
| `expert4d, true regions` | the expert's labels | truth |
| `expert4d, own regions` | the expert's labels | its motion components, matched to truth |
| `exact, seen at half a pixel` | truth, positions perturbed by half a pixel's footprint | truth |

Facts from exact truth have no error; their sigma is the error that a picture would leave. The third
study tests whether that error is propagated correctly: we perturb positions by the stated error,
refit the simplest piecewise-constant motion, recompute the facts, and count the true values within
their sigma. Facts that are certain because nothing changes (at rest, at constant speed) cannot be
recovered from perturbed positions, and are not tested here.

If a word is wrong, the true one is at least as far away as its margin. So `within_2` is, for words
and numbers alike, the share of facts whose true value may be within two sigma. A normal error gives
0.683 and 0.954 for numbers, and at least 0.841 and 0.977 for words.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.machine import RESULTS, merge_results
from p4d.artifacts import Arrays, read_table
from p4d.config import FactsParams, Params, RegionsParams, replace_params
from p4d.errors import LabelError
from p4d.geometry.cameras import axis_rotation
from p4d.ids import seed_for
from p4d.project import Project
from p4d.questions.facts.exact.reader import SceneReader
from p4d.questions.facts.exact.scene_facts import scene_facts
from p4d.questions.facts.image_facts import ImageReader
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.turns import TURN_SIGMA_RAD
from p4d.questions.facts.table import SIGMA_MAX, Fact
from p4d.questions.regions.motion import motion_tracks, nearest_resize
from p4d.questions.regions.selection import marked_regions, select_regions
from p4d.standalone import drop_stale, run_stages
from p4d.worlds.clip_shards import write_clip_shard

SETS = {"fit": ("0000-0a1b2c3d", 8_100_000), "check": ("0001-0a1b2c3f", 8_400_000)}
"""Shard and first seed; far from the seeds of corpus, expert and R4D-World."""

TRUE_REGIONS, OWN_REGIONS = "expert4d, true regions", "expert4d, own regions"
SEEN = "exact, seen at half a pixel"
MIN_IOU = 0.3  # of a motion component with the true region it is compared with
LIKELY_SIGMA = 4.5  # deviation from constant velocity that chance exceeds once in a hundred
ASKED_SIGMA = 3.0  # questions.margin_sigma of the repository
COUNTED_FROM_MARKS = frozenset({"marked_count"})  # not a measurement
GRID = tuple(round(float(f), 3) for f in np.geomspace(0.25, 16.0, 49))
EXACT_UNITS = frozenset({"class", "count"})  # values that are right or wrong
ERRORS_SCHEMA: dict[str, Any] = {
    "study": pl.String,
    "clip_id": pl.String,
    "kind": pl.String,
    "is_exact": pl.Boolean,
    "right": pl.Boolean,
    "margin": pl.Float64,
    "error_sigma": pl.Float64,
}

Key = tuple[str, tuple[str, ...], int, int, str]


def calibration_errors(
    shards: Iterable[tuple[Path, Path, Path]], facts: FactsParams, regions: RegionsParams
) -> pl.DataFrame:
    """Return one row per compared fact, with its error in its own sigmas."""
    rows = [row for folders in shards for row in _shard_errors(*folders, facts, regions)]
    return pl.DataFrame(rows, schema=ERRORS_SCHEMA)


def coverage(
    errors: pl.DataFrame, factors: Mapping[tuple[str, str], float] | None = None
) -> pl.DataFrame:
    """Return the shares of true values within one and two sigma, per study and kind.

    Columns: study, kind, facts, clips, within_1, within_2, asked (words and counts whose margin
    lets a question be asked), asked_right (share of them that are right; null for numbers), factor.
    """
    scale = pl.struct("study", "kind").map_elements(
        lambda key: (factors or {}).get((key["study"], key["kind"]), 1.0), return_dtype=pl.Float64
    )
    asked = pl.col("is_exact") & (pl.col("margin") >= ASKED_SIGMA)
    return (
        errors.with_columns(factor=scale)
        .with_columns(pl.col("margin", "error_sigma") / pl.col("factor"))
        .group_by("study", "kind")
        .agg(
            facts=pl.len(),
            clips=pl.col("clip_id").n_unique(),
            within_1=(pl.col("error_sigma") <= 1).mean().round(4),
            within_2=(pl.col("error_sigma") <= 2).mean().round(4),
            asked=asked.sum(),
            asked_right=pl.col("right").filter(asked).mean().round(4),
            factor=pl.col("factor").first(),
        )
        .sort("study", "kind")
    )


def fit_factors(errors: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Return the factor by which each kind's sigma should be scaled, fitted on one set of clips.

    It is the least factor of a grid with the coverage of a normal error, and with 98 of 100 asked
    words and counts correct. A kind that needs more than the grid is left out: it is unreliable.
    """
    fitted = {}
    for (study, kind), rows in sorted(errors.group_by("study", "kind"), key=lambda pair: pair[0]):
        error = rows["error_sigma"].to_numpy()
        right, margin = rows["right"].to_numpy(), rows["margin"].to_numpy()
        word = bool(rows["is_exact"].all())
        one, two = (0.841, 0.977) if word else (0.683, 0.954)
        for factor in GRID:
            asked = margin / factor >= ASKED_SIGMA
            trusted = not word or not asked.any() or right[asked].mean() >= 0.98
            if trusted and (error <= factor).mean() >= one and (error <= 2 * factor).mean() >= two:
                fitted[(str(study), str(kind))] = factor
                break
    return fitted


def _shard_errors(
    clips: Path, labels: Path, regions: Path, facts: FactsParams, settings: RegionsParams
) -> Iterator[dict[str, Any]]:
    table = read_table(regions / "regions.parquet")
    region_ids = marked_regions(table)
    masks = Arrays(regions / "masks.safetensors")
    scenes, images = SceneReader(clips, labels, table), ImageReader(labels)
    rows = read_table(clips / "clips.parquet").filter(
        (pl.col("outcome") == "ok") & pl.col("has_truth")
    )
    for clip in rows.sort("clip_id").to_dicts():
        clip_id = clip["clip_id"]
        marked, masks_kthw = region_ids.get(clip_id, ()), masks[f"{clip_id}.masks_kthw"]
        scene = scenes.scene(clip, marked, masks_kthw, on_grid=True)
        true = {_key(fact): fact for fact in scene_facts(scene, facts)}
        yield from _compare(SEEN, clip_id, scene_facts(_seen(scene), facts), true)
        try:
            from_labels = images.facts(clip, marked, masks_kthw, facts)
            own_ids, own_kthw, match = _own_regions(clip_id, labels, masks_kthw, marked, settings)
            from_own = images.facts(clip, own_ids, own_kthw, facts)
        except LabelError:
            continue  # the expert could not label this clip, so it is not compared
        yield from _compare(TRUE_REGIONS, clip_id, from_labels, true)
        yield from _compare(OWN_REGIONS, clip_id, _renamed(from_own, match), true)


def _key(fact: Fact) -> Key:
    # Counts are of sets of regions, and instants of labels carry no rounding of their own.
    ordered = fact.region_ids if len(fact.region_ids) < 3 else tuple(sorted(fact.region_ids))
    return fact.kind, ordered, fact.start_ns, fact.end_ns, fact.frame


def _compare(
    study: str, clip_id: str, measured: Iterable[Fact], true: Mapping[Key, Fact]
) -> Iterator[dict[str, Any]]:
    for fact in measured:
        same = true.get(_key(fact))
        # A word without a margin makes no claim; a true one without means that no word fits.
        unsure = fact.sigma >= SIGMA_MAX or (same is not None and same.sigma >= SIGMA_MAX)
        if same is None or unsure or fact.kind in COUNTED_FROM_MARKS:
            continue
        right = (fact.value, fact.value_text) == (same.value, same.value_text)
        off = float(not right) if fact.value_text is not None else abs(fact.value - same.value)
        yield {
            "study": study,
            "clip_id": clip_id,
            "kind": fact.kind,
            "is_exact": fact.unit in EXACT_UNITS,
            "right": right,
            "margin": 1.0 / fact.sigma,
            "error_sigma": off / fact.sigma,
        }


def _seen(scene: Scene) -> Scene:
    """Return the scene with positions perturbed per frame and axis by their stated sigma.

    An observer of such positions takes motion that may be constant for constant: positions are
    replaced by the fewest segments of constant velocity from which none deviates by more than
    `LIKELY_SIGMA`. Orientations are perturbed so that a turn between two frames has its stated
    sigma.
    """
    rng = np.random.default_rng(seed_for(scene.source.clip_id, "seen"))
    poses = scene.world_T_obj_kt44.copy()
    time_s, seen_sigma_m = scene.time_ns * 1e-9, []
    for k, sigma_m in enumerate(Scenes([scene]).position_sigma_m_ckt[0].tolist()):
        for frame in range(poses.shape[1]):
            poses[k, frame, :3, 3] += rng.normal(0, sigma_m[frame], 3)
            axis = rng.normal(size=3)
            angle = rng.normal(0, TURN_SIGMA_RAD / np.sqrt(2))
            poses[k, frame, :3, :3] = (
                axis_rotation(axis / np.linalg.norm(axis), np.array([angle]))[0]
                @ poses[k, frame, :3, :3]
            )
        seen_sigma_m.append(2**0.5 * max(sigma_m))
        poses[k, :, :3, 3] = piecewise_constant_motion(
            time_s, poses[k, :, :3, 3], LIKELY_SIGMA * max(sigma_m)
        )
    rest_sigma_m = max(seen_sigma_m, default=scene.rest_sigma_m)
    return dataclasses.replace(scene, world_T_obj_kt44=poses, rest_sigma_m=rest_sigma_m)


def piecewise_constant_motion(
    time_s: np.ndarray, places_m_t3: np.ndarray, most_off_m: float
) -> np.ndarray:
    """Return the positions on the simplest motion of constant velocities within `most_off_m`."""
    share = ((time_s - time_s[0]) / (time_s[-1] - time_s[0]))[:, None]
    even_m_t3 = places_m_t3[0] + share * (places_m_t3[-1] - places_m_t3[0])
    off_m = np.linalg.norm(places_m_t3 - even_m_t3, axis=1)
    worst = int(off_m.argmax())
    if off_m[worst] <= most_off_m:
        return even_m_t3
    halves = (slice(None, worst + 1), slice(worst, None))
    first, second = (
        piecewise_constant_motion(time_s[half], places_m_t3[half], most_off_m) for half in halves
    )
    return np.concatenate([first[:-1], second])


def _own_regions(
    clip_id: str,
    labels: Path,
    true_kthw: np.ndarray,
    true_ids: Sequence[str],
    settings: RegionsParams,
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """Return the expert's motion regions, as a real clip would get them, and their true regions."""
    from p4d.teachers.labelling.store import LabelStore

    motion_thw = LabelStore(labels).get(clip_id, "expert4d", "motion").astype(np.float32)
    resized_thw = nearest_resize(motion_thw, true_kthw.shape[-1])
    tracks = motion_tracks(resized_thw, settings.motion_threshold)
    kept = sorted(
        (r for r in select_regions(clip_id, tracks, settings) if r.mark is not None),
        key=lambda r: r.mark or 0,
    )
    empty = np.zeros((0, *true_kthw.shape[1:]), dtype=bool)
    own_kthw = np.stack([r.track.mask_thw for r in kept]) if kept else empty
    match = {}
    for region, own_thw in zip(kept, own_kthw, strict=True):
        overlaps = [_iou(own_thw, true_thw.astype(bool)) for true_thw in true_kthw]
        if overlaps and max(overlaps) >= MIN_IOU:
            match[region.region_id] = true_ids[int(np.argmax(overlaps))]
    return tuple(r.region_id for r in kept), own_kthw, match


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def _renamed(facts: Iterable[Fact], match: Mapping[str, str]) -> Iterator[Fact]:
    """Return facts about the matching true regions; facts without a match are left out."""
    for fact in facts:
        names = tuple(match[r] for r in fact.region_ids if r in match)
        if len(set(names)) == len(fact.region_ids):
            yield fact._replace(region_ids=names)


def prepare(folder: Path, expert: Path, params: Params, worlds: int) -> None:
    """Draw and label both sets, unless they exist."""
    if not (folder / "expert").is_dir():
        shutil.copytree(expert, folder / "expert")
    for shard, first_seed in SETS.values():
        clips = folder / "clips" / shard
        if not (clips / "truth.safetensors").is_file():
            seeds = range(first_seed, first_seed + worlds)
            write_clip_shard(clips, seeds, params.clips, shard=shard)
    shards = [shard for shard, _ in SETS.values()]
    drop_stale(folder, params, ["labels", "regions"])
    run_stages(folder, params, ["labels", "regions"], shards)


def study(folder: Path, params: Params) -> dict[str, Any]:
    """Return coverage on the second set, with sigmas as they are and with factors of the first."""
    errors = {}
    for name, (shard, _) in SETS.items():
        folders = [(folder / stage / shard) for stage in ("clips", "labels", "regions")]
        errors[name] = calibration_errors([tuple(folders)], params.facts, params.regions)  # type: ignore[list-item]
    factors = fit_factors(errors["fit"])
    kinds = set(errors["check"].select("study", "kind").unique().rows())
    return {
        "clips": {name: rows["clip_id"].n_unique() for name, rows in errors.items()},
        "seeds": {name: first for name, (_, first) in SETS.items()},
        "held_out": coverage(errors["check"]).to_dicts(),
        "held_out_with_fitted_factors": coverage(errors["check"], factors).to_dicts(),
        "no_factor_suffices": [" / ".join(key) for key in sorted(kinds - set(factors))],
    }


def main() -> None:
    """Run the study and merge it into the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("expert", type=Path)
    parser.add_argument("--worlds", type=int, default=150, help="of each set; two clips each")
    given = parser.parse_args()
    params = replace_params(Project.find().params, labels={"threads": 1})
    prepare(given.folder, given.expert, params, given.worlds)
    found = study(given.folder, params)
    merge_results(RESULTS / "questions.json", {"calibration": found})
    print(json.dumps(found["held_out"], indent=1))


if __name__ == "__main__":
    main()
