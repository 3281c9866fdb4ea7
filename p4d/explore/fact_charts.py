"""Charts of a clip's facts over time: a line per marked object, with a band of one sigma.

This module computes positions in pixels; `templates/charts.html.j2` holds the SVG. Quantities that
were measured at several instants are drawn; words and whole-clip facts are in the table of facts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from p4d.questions.facts.table import Fact

WIDTH_PX, HEIGHT_PX = 356, 168
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 46, 12, 12, 26

GEOMETRY = {
    "width": WIDTH_PX,
    "height": HEIGHT_PX,
    "left": LEFT_PX,
    "right": RIGHT_PX,
    "top": TOP_PX,
    "bottom": BOTTOM_PX,
}
"""For the template."""

_FIRST = ("distance_to_camera", "speed", "distance", "position_right", "position_down")
"""Kinds that come first; the others follow by name."""

_LEAST_INSTANTS = 3


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        marks: numbers of the objects that it is about; empty for the camera.
        points: x and y of each instant, px.
        path, band: of an SVG; `band` is one sigma to either side.
        texts: value with sigma of each instant.
    """

    marks: tuple[int, ...]
    points: tuple[tuple[float, float], ...]
    path: str
    band: str
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The objects, as the legend names them."""
        return "camera" if not self.marks else " and ".join(map(str, self.marks))


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One kind of fact over the time of the clip.

    Attributes:
        kind, unit, frame: of the facts.
        lines: one per object, or pair of objects.
        x_ticks, y_ticks: place in px, and text.
    """

    kind: str
    unit: str
    frame: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


def charts(facts: Iterable[Fact], marks: Mapping[str, int], length_s: float) -> list[Chart]:
    """The charts of one clip.

    Args:
        facts: of the clip, by one teacher or several.
        marks: mark numbers by region id; a fact about a region without one is left out.
        length_s: of the clip.
    """
    kinds: dict[str, dict[tuple[int, ...], list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in facts:
        is_instant_number = fact.value_text is None and fact.start_ns == fact.end_ns
        if is_instant_number and all(region in marks for region in fact.region_ids):
            who = tuple(sorted(marks[region] for region in fact.region_ids))
            kinds[fact.kind][who].append(fact)
    found = []
    for kind in sorted(kinds, key=lambda kind: (_rank(kind), kind)):
        series = {
            who: sorted(of, key=lambda fact: fact.start_ns)
            for who, of in sorted(kinds[kind].items())
            if len({fact.start_ns for fact in of}) >= _LEAST_INSTANTS
        }
        if series:
            found.append(_chart(kind, series, length_s))
    return found


def x_px(time_s: float, length_s: float) -> float:
    """Where an instant of the clip is in every chart."""
    return LEFT_PX + (WIDTH_PX - LEFT_PX - RIGHT_PX) * time_s / length_s


def _rank(kind: str) -> int:
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def _chart(kind: str, series: Mapping[tuple[int, ...], Sequence[Fact]], length_s: float) -> Chart:
    facts = [fact for of in series.values() for fact in of]
    # The band of an uncertain value may be cut; it must not flatten the lines.
    low, high = min(f.value for f in facts), max(f.value for f in facts)
    step = _step(high - low or abs(high) or 1.0)
    bottom, top = step * math.floor(low / step), step * math.ceil(high / step)
    if bottom == top:
        bottom, top = bottom - step, top + step

    def y(value: float) -> float:
        shown = min(max(value, bottom), top)
        return TOP_PX + (HEIGHT_PX - TOP_PX - BOTTOM_PX) * (top - shown) / (top - bottom)

    lines = tuple(_line(who, of, length_s, y) for who, of in series.items())
    count = round((top - bottom) / step)
    return Chart(
        kind=kind,
        unit=facts[0].unit,
        frame=facts[0].frame,
        lines=lines,
        x_ticks=tuple(_x_ticks(length_s)),
        y_ticks=tuple((y(bottom + k * step), f"{bottom + k * step:g}") for k in range(count + 1)),
    )


def _line(who: tuple[int, ...], facts: Sequence[Fact], length_s: float, y) -> Line:  # type: ignore[no-untyped-def]  # noqa: ANN001
    at = [x_px(fact.start_ns / 1e9, length_s) for fact in facts]
    points = tuple((x, y(fact.value)) for x, fact in zip(at, facts, strict=True))
    upper = [f"{x:.1f} {y(f.value + f.sigma):.1f}" for x, f in zip(at, facts, strict=True)]
    lower = [f"{x:.1f} {y(f.value - f.sigma):.1f}" for x, f in zip(at, facts, strict=True)]
    return Line(
        marks=who,
        points=points,
        path="M" + "L".join(f"{x:.1f} {height:.1f}" for x, height in points),
        band="M" + "L".join([*upper, *reversed(lower)]) + "Z",
        texts=tuple(
            f"{f.value:.3f} {f.unit}, sigma {f.sigma:.3f}, at {f.start_ns / 1e9:.2f} s"
            for f in facts
        ),
    )


def _x_ticks(length_s: float) -> Iterator[tuple[float, str]]:
    step = _step(length_s)
    for k in range(math.floor(length_s / step + 1e-9) + 1):
        yield x_px(k * step, length_s), f"{k * step:g}"


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, three to six of which cover the span."""
    power = 10.0 ** math.floor(math.log10(span / 3))
    return next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= 5)
