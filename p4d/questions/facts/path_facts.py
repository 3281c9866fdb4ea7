"""Facts of a real clip from paths through the picture: what source `flow` of the regions measured.

No expert and no network is asked, and no fact is in metres: places are shares of the picture, and
the camera is known by how it moves the background. Each thing was measured twice, by its silhouette
and by the flow of its surface; their difference is part of sigma, and where only one of them is
known the fact is as uncertain as the least certain ones. Errors are those of `calibration.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from p4d.artifacts import Arrays
from p4d.questions.facts.blocks import clip_facts, instants_of_one
from p4d.questions.facts.calibration import calibration
from p4d.questions.facts.intervals import grid_times_ns, instants, spans
from p4d.questions.facts.mark_facts import marked_count
from p4d.questions.facts.picture_facts import picture_facts
from p4d.questions.facts.scene.margins import HEADING_SIGMA_RAD, MIN_STRAIGHTNESS, dominant
from p4d.questions.facts.stirring_facts import Stirring, stirring_facts, stirring_times
from p4d.questions.facts.table import Fact, Source, quantity, word
from p4d.questions.facts.vocabulary import (
    HALVES_DOWN,
    HALVES_OF_TIME,
    MOTION,
    MOVING,
    NEARING,
    OF_TWO,
    PICTURE_DIRECTIONS,
    SIDES,
    SIZE_CHANGES,
    VERTICAL,
    VIEW_MOVES,
    VIEW_RESTS,
    VIEW_STATES,
)
from p4d.questions.regions.flow.paths_file import PATHS, ClipPaths, read_clip_paths

TEACHER = "flow_dis"
LEAST_MOVEMENT = 0.02
"""Shorter movements, as shares of the picture's longer side, are too short to be seen."""
LEAST_GROWTH = 0.1
"""A thing whose logarithm of area changes by less keeps its size."""
REST_VIEW = LEAST_VIEW = 0.01
"""A view that moves by less, likewise, rests; one all of which moves by more moves visibly."""
SIGMAS = calibration().sigmas


class PathReader:
    """Reads the paths of a shard and measures clips without truth."""

    def __init__(self, regions: Path) -> None:
        """Open the regions of the shard."""
        self._file = regions / PATHS

    @cached_property
    def _arrays(self) -> Arrays | None:
        return Arrays(self._file) if self._file.is_file() else None

    def has(self, clip_id: str, region_ids: Sequence[str]) -> bool:
        """Whether the regions of a clip, or its view if it has none, were measured here."""
        if self._arrays is None or f"{clip_id}.place_kt2" not in self._arrays:
            return False
        return len(self._arrays[f"{clip_id}.place_kt2"]) == len(region_ids)

    def facts(self, clip: Mapping[str, Any], region_ids: Sequence[str]) -> list[Fact]:
        """Measure all facts of one clip."""
        assert self._arrays is not None, "ask has() first"
        sure = calibration()
        source = Source(
            clip_id=clip["clip_id"],
            scale_kind="relative",
            teacher=TEACHER,
            teacher_digest=f"opencv {cv2.__version__}, sigmas {sure.version} {sure.digest}",
        )
        paths = read_clip_paths(self._arrays, clip["clip_id"])
        found = path_facts(source, grid_times_ns(clip), region_ids, paths)
        return [sure.widened(fact) for fact in found]


def path_facts(
    source: Source, time_ns: NDArray, region_ids: Sequence[str], paths: ClipPaths
) -> Iterator[Fact]:
    """Yield all facts of one clip.

    Args:
        source: teacher and clip.
        time_ns: of the frames, from the start of the clip.
        region_ids: in mark order.
        paths: of the clip.
    """
    if region_ids:
        yield marked_count(source, region_ids, int(time_ns[0]))
    longest_px = float(paths.size_px_2.max())
    yield from _quarters(source, time_ns, region_ids, paths)
    for frame in instants(len(time_ns)):
        at = int(time_ns[frame]), int(time_ns[frame])
        yield from _places(source, region_ids, paths, frame, at)
    for begin, end in spans(len(time_ns)):
        span_ns = int(time_ns[begin]), int(time_ns[end])
        for k, region_id in enumerate(region_ids):
            yield from _movements(source, region_id, paths, k, (begin, end), span_ns)
        # Of a fast view few points are left at the end; that it moved is seen before.
        away_px = paths.all_moved_px_tt[begin, begin + 1 : end + 1]
        all_moved = float(np.nan_to_num(away_px, nan=-np.inf).max()) / longest_px
        view_t42 = paths.view_t42[begin : end + 1] / longest_px
        yield from view_facts(source, view_t42, all_moved, span_ns)
        yield from stirring_facts(source, Stirring.of(paths, begin, end), span_ns)
        for one, other in permutations(range(len(region_ids)), 2):
            pair = [region_ids[one], region_ids[other]]
            places_t22 = paths.place_kt2[[one, other], begin : end + 1].swapaxes(0, 1)
            yield from pair_facts(source, places_t22 / longest_px, pair, span_ns)
    yield from stirring_times(source, time_ns, paths)
    yield from _changes(source, time_ns, region_ids, paths)


def _quarters(
    source: Source, time_ns: NDArray, region_ids: Sequence[str], paths: ClipPaths
) -> Iterator[Fact]:
    """In which quarter of the picture things are, and on which side of each other."""
    at = instants(len(time_ns))
    place_ik2 = np.swapaxes(paths.place_kt2, 0, 1)[at]
    blocks = picture_facts(
        instants_of_one(time_ns[at].tolist()), place_ik2[None] + 0.5,
        np.asarray(np.isfinite(place_ik2).all(axis=-1))[None], paths.size_px_2 / 2,
        SIGMAS.place * float(paths.size_px_2.max()),
    )  # fmt: skip
    yield from clip_facts(source, region_ids, blocks)


def _places(
    source: Source,
    region_ids: Sequence[str],
    paths: ClipPaths,
    frame: int,
    at: tuple[int, int],
) -> Iterator[Fact]:
    sigma_px = SIGMAS.place * float(paths.size_px_2.max())
    seen = {
        k: place_2 + 0.5
        for k, place_2 in enumerate(paths.place_kt2[:, frame])
        if np.isfinite(place_2).all()
    }
    for k, place_2 in seen.items():
        for kind, axis in (("place_across", 0), ("place_down", 1)):
            yield quantity(
                source, kind, 100 * place_2[axis] / paths.size_px_2[axis],
                100 * sigma_px / paths.size_px_2[axis], unit="%", frame="picture",
                method="centre of the silhouette", region_ids=[region_ids[k]], span_ns=at,
            )  # fmt: skip
        for kind, axis, words in (("half_across", 0, SIDES), ("half_down", 1, HALVES_DOWN)):
            off_px = float(place_2[axis] - paths.size_px_2[axis] / 2)
            yield word(
                source, kind, words[int(off_px > 0)], abs(off_px) / sigma_px, words,
                frame="picture", method="centre of the silhouette against the middle",
                region_ids=[region_ids[k]], span_ns=at,
            )  # fmt: skip
    for one, other in permutations(seen, 2):
        pair = [region_ids[one], region_ids[other]]
        for kind, axis in (("more_left", 0), ("more_up", 1)):
            off_px = float(seen[other][axis] - seen[one][axis])
            yield word(
                source, kind, OF_TWO[int(off_px < 0)], abs(off_px) / (2**0.5 * sigma_px), OF_TWO,
                frame="picture", method="centres of the silhouettes", region_ids=pair, span_ns=at,
            )  # fmt: skip
        ratio = float(np.log(paths.area_kt[one, frame] / paths.area_kt[other, frame]))
        if np.isfinite(ratio):
            yield word(
                source, "looks_larger", OF_TWO[int(ratio < 0)],
                abs(ratio) / (2**0.5 * SIGMAS.log_area), OF_TWO, frame="picture",
                method="areas of the silhouettes", region_ids=pair, span_ns=at,
            )  # fmt: skip


def _changes(
    source: Source, time_ns: NDArray, region_ids: Sequence[str], paths: ClipPaths
) -> Iterator[Fact]:
    """How the motion and the size of each thing change in the picture from begin to end.

    A motion is compared between the first half of the steps and the last.
    """
    longest_px = float(paths.size_px_2.max())
    last = len(time_ns) - 1
    half = last // 2
    span_ns = int(time_ns[0]), int(time_ns[last])
    for k, region_id in enumerate(region_ids):
        path_t2, area_t = paths.place_kt2[k] / longest_px, paths.area_kt[k]
        if not np.isfinite(path_t2).all():
            continue
        about: dict[str, Any] = {
            "frame": "picture", "region_ids": [region_id], "span_ns": span_ns,
        }  # fmt: skip
        early, late = (
            float(np.linalg.norm(path_t2[end] - path_t2[begin]))
            for begin, end in ((0, half), (last - half, last))
        )
        margin = (max(early, late) - 2 * min(early, late)) / (5**0.5 * SIGMAS.moved)
        yield word(
            source, "faster_half", HALVES_OF_TIME[int(late > early)], margin, HALVES_OF_TIME,
            method="ways of the silhouette's centre in both halves", **about,
        )  # fmt: skip
        grown = float(np.log(area_t[last] / area_t[0]))
        if np.isfinite(grown):
            yield word(
                source, "size_change", SIZE_CHANGES[int(grown < 0)],
                (abs(grown) - LEAST_GROWTH) / SIGMAS.log_area, SIZE_CHANGES,
                method="areas of the silhouette at begin and end", **about,
            )  # fmt: skip


def _movements(
    source: Source,
    region_id: str,
    paths: ClipPaths,
    k: int,
    frames: tuple[int, int],
    span_ns: tuple[int, int],
) -> Iterator[Fact]:
    """Which way and how far one thing moves in the picture, if it is in view all the time."""
    begin, end = frames
    longest_px = float(paths.size_px_2.max())
    screen_t2 = paths.place_kt2[k, begin : end + 1] / longest_px
    own_t2 = paths.own_kt2[k, begin : end + 1] / longest_px
    flow_2 = (paths.flow_kt2[k, end] - paths.flow_kt2[k, begin]) / longest_px
    if not np.isfinite(screen_t2).all():
        return
    moved_2 = screen_t2[-1] - screen_t2[0]
    apart = float(np.linalg.norm(flow_2 - moved_2)) if np.isfinite(flow_2).all() else 0.0
    sigma = float(np.hypot(SIGMAS.moved, apart / 2**0.5))
    about: dict[str, Any] = {"region_ids": [region_id], "span_ns": span_ns}
    if paths.camera_rests:
        own_length = float(np.linalg.norm(own_t2[-1] - own_t2[0]))
        yield word(
            source, "moving", MOVING, (own_length - LEAST_MOVEMENT) / sigma, MOTION,
            frame="world", method="place in the picture against the background", **about,
        )  # fmt: skip
    for kind, axis, words in (("left_or_right", 0, SIDES), ("up_or_down", 1, VERTICAL)):
        way = screen_t2[:, axis]
        margin = _one_way(way, sigma)
        yield word(
            source, kind, words[int(way[-1] > way[0])], margin, words, frame="picture",
            method="centre of the silhouette, checked by the flow of its surface", **about,
        )  # fmt: skip
    # A thing at rest passes before what is behind it, too, if the camera travels.
    directions = [("screen_direction", "picture", screen_t2)]
    if paths.camera_rests:
        directions.append(("picture_direction", "camera_first", own_t2))
    for kind, frame, path_t2 in directions:
        text, margin = _direction(path_t2, sigma)
        yield word(
            source, kind, text, margin, PICTURE_DIRECTIONS, frame=frame,
            method="centre of the silhouette, checked by the flow of its surface", **about,
        )  # fmt: skip
    straight, path = _lengths(screen_t2)
    if straight < LEAST_MOVEMENT or straight < MIN_STRAIGHTNESS * path:
        return
    width = paths.size_px_2[0] / longest_px
    seconds = (span_ns[1] - span_ns[0]) / 1e9
    for kind, unit, per in (("screen_shift", "%", 1.0), ("screen_speed", "%/s", seconds)):
        yield quantity(
            source, kind, 100 * straight / width / per, 100 * sigma / width / per, unit=unit,
            frame="picture", method="ends of the path of the silhouette's centre", **about,
        )  # fmt: skip


def _direction(path_t2: NDArray, sigma: float) -> tuple[str, float]:
    """The word for a path through the picture, and its margin; 0 if it is not straight."""
    straight, path = _lengths(path_t2)
    moved_2 = path_t2[-1] - path_t2[0]
    heading_sigma_rad = float(np.hypot(SIGMAS.heading_rad, sigma / max(straight, 1e-6)))
    axis, sign, heading_margin = (float(number) for number in dominant(moved_2))
    text = (("left", "right"), ("up", "down"))[int(axis)][int(sign > 0)]
    margin = min(
        heading_margin * HEADING_SIGMA_RAD / heading_sigma_rad, (straight - LEAST_MOVEMENT) / sigma
    )
    return text, margin if straight >= MIN_STRAIGHTNESS * path else 0.0


def _one_way(way_t: NDArray, sigma: float) -> float:
    """By how many sigmas something goes one way along an axis; 0 if it also goes back."""
    far = float(abs(way_t[-1] - way_t[0]))
    along = float(np.abs(np.diff(way_t)).sum())
    return (far - LEAST_MOVEMENT) / sigma if far >= MIN_STRAIGHTNESS * along else 0.0


def pair_facts(
    source: Source, places_t22: NDArray, region_ids: Sequence[str], span_ns: tuple[int, int]
) -> Iterator[Fact]:
    """Which of two things goes farther in the picture, and whether they come closer there.

    Args:
        source: teacher and clip.
        places_t22: of both, [T, 2, 2], as shares of the longer side; NaN where one is lost.
        region_ids: both.
        span_ns: interval.
    """
    if not np.isfinite(places_t22).all():
        return
    about: dict[str, Any] = {"frame": "picture", "region_ids": region_ids, "span_ns": span_ns}
    one, other = np.linalg.norm(places_t22[-1] - places_t22[0], axis=1).tolist()
    # Twice as far, beyond the errors: what differs less looks the same.
    margin = (max(one, other) - 2 * min(one, other)) / (5**0.5 * SIGMAS.moved)
    yield word(
        source, "goes_farther", OF_TWO[int(other > one)], margin, OF_TWO,
        method="ends of the paths of both silhouettes' centres", **about,
    )  # fmt: skip
    gap_t = np.linalg.norm(places_t22[:, 0] - places_t22[:, 1], axis=1)
    # They meet and pass, or touch, where the gap is no larger than the things are.
    margin = min(
        _one_way(gap_t, 2**0.5 * SIGMAS.moved),
        (float(gap_t.min()) - 2 * SIGMAS.place) / SIGMAS.moved,
    )
    yield word(
        source, "gap_in_picture", NEARING[int(gap_t[-1] > gap_t[0])], margin, NEARING,
        method="distance of both silhouettes' centres in the picture", **about,
    )  # fmt: skip


def _lengths(path_t2: NDArray) -> tuple[float, float]:
    """From end to end, and along the path."""
    steps = np.linalg.norm(np.diff(path_t2, axis=0), axis=1).sum()
    return float(np.linalg.norm(path_t2[-1] - path_t2[0])), float(steps)


def view_facts(
    source: Source, view_t42: NDArray, all_moved: float, span_ns: tuple[int, int]
) -> Iterator[Fact]:
    """Whether and where the view moves: the background moves the other way.

    Args:
        source: teacher and clip.
        view_t42: places of four points of the background, as shares of the longer side.
        all_moved: how far nearly all of the picture gets at least, likewise.
        span_ns: interval.
    """
    about: dict[str, Any] = {"frame": "picture", "span_ns": span_ns}
    if np.isfinite(all_moved) and all_moved > LEAST_VIEW:
        yield word(
            source, "view", VIEW_MOVES, (all_moved - LEAST_VIEW) / SIGMAS.view_moves, VIEW_STATES,
            method="motion of nearly all of the picture", **about,
        )  # fmt: skip
    if not np.isfinite(view_t42).all():
        return
    away = float(np.linalg.norm(view_t42 - view_t42[0], axis=2).max())
    if away < REST_VIEW and not all_moved > LEAST_VIEW:
        yield word(
            source, "view", VIEW_RESTS, (REST_VIEW - away) / SIGMAS.view_rests, VIEW_STATES,
            method="motion of the background in the picture", **about,
        )  # fmt: skip
    moved_42 = view_t42[-1] - view_t42[0]
    mean_2 = moved_42.mean(axis=0)
    # The four points go the same way: the view neither zooms nor rolls.
    if np.linalg.norm(moved_42 - mean_2, axis=1).max() < 0.3 * np.linalg.norm(mean_2):
        text, margin = _direction(-view_t42.mean(axis=1), SIGMAS.moved)
        yield word(
            source, "view_direction", text, margin, PICTURE_DIRECTIONS,
            method="motion of the background in the picture", **about,
        )  # fmt: skip
