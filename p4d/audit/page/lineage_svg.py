"""The lineage of a thing as a picture: a box per stage, an arrow per reading, as inline SVG.

Readings that a chain of others implies (the release is made of questions, which are made of clips,
and reads clips as well) are thin arcs over or under the boxes: as arrows they would hide the rest.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from p4d.audit.evidence import Entry, by_stage
from p4d.versioning.files.artifact_key import ArtifactVersion

_BOX_W, _BOX_H, _GAP_X, _GAP_Y = 122, 62, 26, 22
_ARC_RISE, _ARC_RISE_PER_PX = 12.0, 0.055

Edge = tuple[str, str]


def lineage_svg(entries: Sequence[Entry], order: Sequence[str]) -> str:
    """The picture of `entries`, whose last one is what it is about.

    Args:
        entries: every version, upstream first.
        order: names of all stages, as they should lie below each other.
    """
    groups = by_stage(entries)
    edges = _edges(entries)
    canvas = _laid_out(list(groups), edges, order)
    implied = _implied(edges)
    arcs = "".join(canvas.arc(*edge) for edge in sorted(implied))
    arrows = "".join(canvas.arrow(*edge) for edge in sorted(edges - implied))
    top, bottom = canvas.extent(implied)
    own = entries[-1].stage
    boxes = "".join(
        _box(name, groups[name], canvas.place[name], own=name == own) for name in groups
    )
    return (
        f'<svg viewBox="0 {top:g} {canvas.width:g} {bottom - top:g}" '
        f'width="{canvas.width:g}" '
        'style="display:block;margin:0 auto;max-width:100%;height:auto" role="img" '
        'aria-label="lineage graph"><defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#7b8a99"/>'
        f"</marker></defs>{arcs}{arrows}{boxes}</svg>"
    )


def _edges(entries: Sequence[Entry]) -> set[Edge]:
    return {
        (read.key.stage, entry.stage)
        for entry in entries
        if entry.record
        for read in ArtifactVersion.read_by(entry.record)
    }


def _implied(edges: set[Edge]) -> set[Edge]:
    """Edges from whose start another way leads to their end."""
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
    """Where the boxes lie: their top left corners, px; y grows downwards."""

    place: Mapping[str, tuple[float, float]]
    width: float
    height: float

    def arrow(self, start: str, end: str) -> str:
        """From the right side of one box to the left side of the other."""
        (x1, y1), (x2, y2) = self.place[start], self.place[end]
        x1, y1, y2 = x1 + _BOX_W, y1 + _BOX_H / 2, y2 + _BOX_H / 2
        bend = max(18.0, (x2 - x1) / 2)
        return (
            f'<path d="M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}" '
            'fill="none" stroke="#7b8a99" stroke-width="1.4" marker-end="url(#a)"/>'
        )

    def arc(self, start: str, end: str) -> str:
        """Over the boxes, or under them where the start lies low."""
        (x1, y1), (x2, y2) = self.place[start], self.place[end]
        low = self._is_low(start)
        y1, y2 = (y1 + _BOX_H, y2 + _BOX_H) if low else (y1, y2)
        bend = self._bend(start, end)
        x1, x2 = x1 + 0.62 * _BOX_W, x2 + 0.38 * _BOX_W
        return (
            f'<path d="M{x1:g} {y1:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}" '
            'fill="none" stroke="#b9c4cf" stroke-width="1"/>'
        )

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
    """Each stage one column right of the last stage that it reads; empty columns are closed."""
    column = dict.fromkeys(names, 0)
    for _ in names:
        for above, below in edges:
            if above != below:
                column[below] = max(column[below], column[above] + 1)
    used = {old: new for new, old in enumerate(sorted(set(column.values())))}
    return {name: used[number] for name, number in column.items()}


def _box(name: str, entries: Sequence[Entry], at: tuple[float, float], *, own: bool) -> str:
    x, y = at
    state, colour = _state(entries)
    if len(entries) == 1:
        what = entries[0].shard or entries[0].md5[:12]
    else:
        shards = {entry.shard for entry in entries}
        what = (
            f"{len(entries)} shards" if len(shards) == len(entries) else f"{len(entries)} versions"
        )
    texts = "".join(
        f'<text x="{x + 10:g}" y="{y + dy:g}" class="{style}" fill="{ink}">'
        f"{html.escape(text)}</text>"
        for dy, style, ink, text in (
            (20, "t", "#1c2733", name),
            (36, "", "#5c6b7a", what),
            (52, "", colour, state),
        )
    )
    return (
        f'<a href="#stage-{name}"><rect x="{x:g}" y="{y:g}" width="{_BOX_W}" height="{_BOX_H}" '
        f'rx="7" fill="{"#eaf3fc" if own else "#fff"}" stroke="{colour}" '
        f'stroke-width="{2.6 if own else 1.4}"/>{texts}</a>'
    )


def _state(entries: Sequence[Entry]) -> tuple[str, str]:
    judged = sum(len(entry.checks) for entry in entries)
    failed = sum(len(entry.failed) for entry in entries)
    warned = sum(len(entry.warned) for entry in entries)
    if failed:
        return f"{failed} of {judged} failed", "#b42318"
    if warned:
        return f"{judged} checks, {warned} warn", "#9a6700"
    if judged:
        return f"{judged} checks passed", "#1a7f4b"
    return "no checks", "#8a96a3"
