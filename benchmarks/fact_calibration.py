"""Do sigmas mean what they say? Facts against truth, on clips that no sigma was fitted on.

Three studies, each a comparison of facts with the exact ones of the same clip, regions and times:

| study | measured from | regions |
|---|---|---|
| `expert4d, true regions` | the expert's labels | truth |
| `expert4d, own regions` | the expert's labels | its motion components, matched to truth |
| `exact, seen at half a pixel` | truth, positions displaced by half a pixel's footprint | truth |

The facts of exact truth err by nothing; their sigma says what a picture can show. The third study
asks whether it is carried through correctly: positions are redrawn with the stated error and joined
by the fewest even movements, facts are measured again, and the share of true values within their
sigma is counted. Constancy is not to be seen in such positions: what is certain of exact truth
because nothing changes (at rest, at constant speed) is certain by measurement, and not tested here.

Of a word that is wrong, the true one lies at least as far away as its margin says. So for words and
numbers alike `within_2` is the share of facts whose true value may lie within two sigma; a normal
error gives 0.683 and 0.954 for numbers, and for words 0.841 and 0.977 are the least.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_table
from p4d.config import FactsParams, RegionsParams
from p4d.errors import LabelError
from p4d.geometry.cameras import axis_rotation
from p4d.ids import seed_for
from p4d.questions.facts.exact.reader import SceneReader
from p4d.questions.facts.exact.scene_facts import scene_facts
from p4d.questions.facts.image_facts import ImageReader
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.turns import TURN_SIGMA_RAD
from p4d.questions.facts.table import SIGMA_MAX, Fact
from p4d.questions.regions.motion import motion_tracks, nearest_resize
from p4d.questions.regions.selection import marked_regions, select_regions

TRUE_REGIONS, OWN_REGIONS = "expert4d, true regions", "expert4d, own regions"
SEEN = "exact, seen at half a pixel"
LEAST_IOU = 0.3  # of a motion component with the true region that it is compared with
LIKELY_SIGMA = 4.5  # of a place off an even movement: one in a hundred is farther off by chance
ASKED_SIGMA = 3.0  # questions.margin_sigma of the repository
COUNTED_FROM_MARKS = frozenset({"marked_count"})  # says nothing that was measured
GRID = tuple(round(float(f), 3) for f in np.geomspace(0.25, 16.0, 49))
EXACT_UNITS = frozenset({"class", "count"})  # what is said in these is right or wrong
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


def calibration_report(
    shards: Sequence[tuple[Path, Path, Path]],
    facts: FactsParams,
    regions: RegionsParams,
    factors: Mapping[tuple[str, str], float] | None = None,
) -> pl.DataFrame:
    """Coverage per study and kind of fact; see `coverage`.

    Args:
        shards: folders of clips with truth, of their labels (expert4d) and of their regions.
        facts: thresholds of facts.
        regions: how the expert's own regions are found.
        factors: multiply sigmas by these, by (study, kind).
    """
    return coverage(calibration_errors(shards, facts, regions), factors)


def calibration_errors(
    shards: Iterable[tuple[Path, Path, Path]], facts: FactsParams, regions: RegionsParams
) -> pl.DataFrame:
    """One row per compared fact: how far it is off, in its own sigmas."""
    rows = [row for folders in shards for row in _shard_errors(*folders, facts, regions)]
    return pl.DataFrame(rows, schema=ERRORS_SCHEMA)


def coverage(
    errors: pl.DataFrame, factors: Mapping[tuple[str, str], float] | None = None
) -> pl.DataFrame:
    """Shares of true values within one and two sigma, per study and kind.

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
    """By which factor each kind's sigma should grow or shrink, from one set of clips.

    The least factor of a grid with the coverage of a normal error, and with 98 of 100 asked words
    and counts right. A kind that needs more than the grid holds is not in the result: it cannot be
    trusted.
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
        scene = scenes.scene(clip, marked, masks_kthw)
        true = {_key(fact): fact for fact in scene_facts(scene, facts)}
        yield from _compare(SEEN, clip_id, scene_facts(_seen(scene), facts), true)
        try:
            from_labels = images.facts(clip, marked, masks_kthw, facts)
            own_ids, own_kthw, match = _own_regions(clip_id, labels, masks_kthw, marked, settings)
            from_own = images.facts(clip, own_ids, own_kthw, facts)
        except LabelError:
            continue  # the expert could not label this clip: nothing of it is compared
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
        # A word without a margin claims nothing, and a true one without says that none fits.
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
    """The scene as seen: places err per frame and axis by their stated sigma.

    Who sees places that err takes what may be even for even: they are joined by the fewest straight
    and even movements from which none is off by more than `LIKELY_SIGMA`. Orientations err so that
    a turn between two frames errs by its stated sigma.
    """
    rng = np.random.default_rng(seed_for(scene.source.clip_id, "seen"))
    poses = scene.world_T_obj_kt44.copy()
    time_s, seen_sigma_m = scene.time_ns * 1e-9, []
    for k in range(poses.shape[0]):
        sigma_m = [scene.position_sigma_m(pose[:3, 3], t) for t, pose in enumerate(poses[k])]
        for frame in range(poses.shape[1]):
            poses[k, frame, :3, 3] += rng.normal(0, sigma_m[frame], 3)
            axis = rng.normal(size=3)
            angle = rng.normal(0, TURN_SIGMA_RAD / np.sqrt(2))
            poses[k, frame, :3, :3] = (
                axis_rotation(axis / np.linalg.norm(axis), np.array([angle]))[0]
                @ poses[k, frame, :3, :3]
            )
        seen_sigma_m.append(2**0.5 * max(sigma_m))
        poses[k, :, :3, 3] = even_way(time_s, poses[k, :, :3, 3], LIKELY_SIGMA * max(sigma_m))
    rest_sigma_m = max(seen_sigma_m, default=scene.rest_sigma_m)
    return dataclasses.replace(scene, world_T_obj_kt44=poses, rest_sigma_m=rest_sigma_m)


def even_way(time_s: np.ndarray, places_m_t3: np.ndarray, most_off_m: float) -> np.ndarray:
    """Places moved onto even movements between few of them, none by more than `most_off_m`."""
    share = ((time_s - time_s[0]) / (time_s[-1] - time_s[0]))[:, None]
    even_m_t3 = places_m_t3[0] + share * (places_m_t3[-1] - places_m_t3[0])
    off_m = np.linalg.norm(places_m_t3 - even_m_t3, axis=1)
    worst = int(off_m.argmax())
    if off_m[worst] <= most_off_m:
        return even_m_t3
    halves = (slice(None, worst + 1), slice(worst, None))
    first, second = (even_way(time_s[half], places_m_t3[half], most_off_m) for half in halves)
    return np.concatenate([first[:-1], second])


def _own_regions(
    clip_id: str,
    labels: Path,
    true_kthw: np.ndarray,
    true_ids: Sequence[str],
    settings: RegionsParams,
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """The expert's motion regions as a real clip would get them, and the true one of each."""
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
        if overlaps and max(overlaps) >= LEAST_IOU:
            match[region.region_id] = true_ids[int(np.argmax(overlaps))]
    return tuple(r.region_id for r in kept), own_kthw, match


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def _renamed(facts: Iterable[Fact], match: Mapping[str, str]) -> Iterator[Fact]:
    """Facts about true regions instead; those of a component that matches none are left out."""
    for fact in facts:
        names = tuple(match[r] for r in fact.region_ids if r in match)
        if len(set(names)) == len(fact.region_ids):
            yield dataclasses.replace(fact, region_ids=names)
