"""Draws the lineage of a version: a box per stage and an arrow per reading, as inline SVG.

A reading that a chain of others implies is a thin arc over or under the boxes: the release is made
of questions, which are made of clips, and it reads clips as well. As arrows, such readings would
cover the rest. `lineage.svg.j2` holds the SVG; this module computes positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from p4d.audit.evidence import VersionEvidence, by_stage
from p4d.pages.render import render_inline
from p4d.versioning.files.artifact_key import ArtifactVersion

_BOX_W, _BOX_H, _GAP_X, _GAP_Y = 122, 62, 26, 22
_ARC_RISE, _ARC_RISE_PER_PX = 12.0, 0.055

Edge = tuple[str, str]
"""Names of the stage that is read and of the stage that reads it."""


def lineage_svg(entries: Sequence[VersionEvidence], order: Sequence[str]) -> Markup:
    """The picture of `entries`; the last one is the version that the picture is about.

    Args:
        entries: every version, upstream first.
        order: names of all stages, as they should be placed below each other.
    """
    groups = by_stage(entries)
    edges = _edges(entries)
    canvas = _laid_out(list(groups), edges, order)
    implied = _implied(edges)
    top, bottom = canvas.extent(implied)
    own = entries[-1].stage
    return render_inline(
        "audit/page/lineage.svg.j2",
        top=top,
        bottom=bottom,
        width=canvas.width,
        box_width=_BOX_W,
        box_height=_BOX_H,
        arcs=[canvas.arc(*edge) for edge in sorted(implied)],
        arrows=[canvas.arrow(*edge) for edge in sorted(edges - implied)],
        boxes=[_box(name, groups[name], canvas.place[name], own=name == own) for name in groups],
    )


@dataclass(frozen=True, kw_only=True)
class _Box:
    """One stage as the template draws it; `x` and `y` are the top left corner, px."""

    stage: str
    x: float
    y: float
    note: str
    state: str
    state_class: str
    own: bool


def _edges(entries: Sequence[VersionEvidence]) -> set[Edge]:
    """Readings among the entries; what else a version read is not in the picture."""
    drawn = {entry.stage for entry in entries}
    return {
        (read.key.stage, entry.stage)
        for entry in entries
        if entry.record
        for read in ArtifactVersion.read_by(entry.record)
        if read.key.stage in drawn
    }


def _implied(edges: set[Edge]) -> set[Edge]:
    """Edges whose start also leads to their end through other stages."""
    below: dict[str, set[str]] = {}
    for start, end in edges:
        below.setdefault(start, set()).add(end)

    def reaches(start: str, end: str, seen: set[str]) -> bool:
        new = below.get(start, set()) - seen
        return end in new or any(reaches(each, end, seen | new) for each in new)

    return {
        (start, end)
        for start, end in edges
        if any(reaches(each, end, set()) for each in below[start] - {end})
    }


@dataclass(frozen=True)
class _Canvas:
    """Where the boxes are: their top left corners, px; y grows downwards."""

    place: Mapping[str, tuple[float, float]]
    width: float
    height: float

    def arrow(self, start: str, end: str) -> str:
        """SVG path from the right side of one box to the left side of the other."""
        (x1, y1), (x2, y2) = self.place[start], self.place[end]
        x1, y1, y2 = x1 + _BOX_W, y1 + _BOX_H / 2, y2 + _BOX_H / 2
        bend = max(18.0, (x2 - x1) / 2)
        return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"

    def arc(self, start: str, end: str) -> str:
        """SVG path over the boxes, or under them if the start is in the lower half."""
        (x1, y1), (x2, y2) = self.place[start], self.place[end]
        low = self._is_low(start)
        y1, y2 = (y1 + _BOX_H, y2 + _BOX_H) if low else (y1, y2)
        bend = self._bend(start, end)
        x1, x2 = x1 + 0.62 * _BOX_W, x2 + 0.38 * _BOX_W
        return f"M{x1:g} {y1:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}"

    def extent(self, arcs: Iterable[Edge]) -> tuple[float, float]:
        """Least and greatest y of boxes and arcs; an arc stays within its control points."""
        bends = [self._bend(*arc) for arc in arcs]
        return min(0.0, *bends, 0.0), max(self.height, *bends, self.height)

    def _is_low(self, name: str) -> bool:
        return self.place[name][1] + _BOX_H / 2 > self.height / 2

    def _bend(self, start: str, end: str) -> float:
        """Height of an arc's control points."""
        (x1, y1), (x2, y2) = self.place[start], self.place[end]
        rise = _ARC_RISE + _ARC_RISE_PER_PX * abs(x2 - x1)
        return max(y1, y2) + _BOX_H + rise if self._is_low(start) else min(y1, y2) - rise


def _laid_out(names: Sequence[str], edges: set[Edge], order: Sequence[str]) -> _Canvas:
    column = _columns(names, edges)
    rank = {name: number for number, name in enumerate(order)}
    columns: dict[int, list[str]] = {}
    for name in sorted(names, key=lambda name: rank.get(name, len(rank))):
        columns.setdefault(column[name], []).append(name)
    tallest = max(map(len, columns.values()))
    height = tallest * (_BOX_H + _GAP_Y) + _GAP_Y
    place = {}
    for number, stacked in columns.items():
        offset = (height - len(stacked) * (_BOX_H + _GAP_Y) + _GAP_Y) / 2
        for row, name in enumerate(stacked):
            x, y = _GAP_X / 2 + number * (_BOX_W + _GAP_X), offset + row * (_BOX_H + _GAP_Y)
            place[name] = (x, y)
    return _Canvas(place, len(columns) * (_BOX_W + _GAP_X), height)


def _columns(names: Sequence[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Put each stage one column right of the last stage that it reads; close empty columns."""
    column = dict.fromkeys(names, 0)
    for _ in names:
        for above, below in edges:
            if above != below:
                column[below] = max(column[below], column[above] + 1)
    used = {old: new for new, old in enumerate(sorted(set(column.values())))}
    return {name: used[number] for name, number in column.items()}


def _box(
    name: str, entries: Sequence[VersionEvidence], at: tuple[float, float], *, own: bool
) -> _Box:
    state, state_class = _state(entries)
    if len(entries) == 1:
        note = entries[0].shard or entries[0].md5[:12]
    else:
        shards = {entry.shard for entry in entries}
        word = "shards" if len(shards) == len(entries) else "versions"
        note = f"{len(entries)} {word}"
    return _Box(
        stage=name, x=at[0], y=at[1], note=note, state=state, state_class=state_class, own=own
    )


def _state(entries: Sequence[VersionEvidence]) -> tuple[str, str]:
    """A short text about the checks of a stage, and the class of its colour."""
    checked = sum(len(entry.checks) for entry in entries)
    failed = sum(len(entry.failed) for entry in entries)
    warned = sum(len(entry.warned) for entry in entries)
    if failed:
        return f"{failed} of {checked} failed", "bad"
    if warned:
        return f"{checked} checks, {warned} warn", "warn"
    if checked:
        return f"{checked} checks passed", "ok"
    return "no checks", "none"
