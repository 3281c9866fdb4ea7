"""Facts of the whole clip: names, sizes, and which names and marks do not occur."""

from __future__ import annotations

from collections.abc import Iterator

from p4d.questions.facts.exact.comparison_facts import MARKS_TO_CHOOSE_FROM, extreme_fact
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.margins import POSITION_SIGMA_M
from p4d.questions.facts.table import Fact, quantity, word

EXTENT_SIGMA_M = POSITION_SIGMA_M + 0.01


def identity_facts(scene: Scene) -> Iterator[Fact]:
    """Yield the names and sizes of the objects, and which is the largest and the smallest."""
    whole = scene.span(0, len(scene.time_ns) - 1)
    for region_id, name in zip(scene.region_ids, scene.names, strict=False):
        yield word(
            scene.source, "name", name, 1e6, (name,), frame="object", method="colour and shape",
            region_ids=[region_id], span_ns=whole,
        )  # fmt: skip
    if not scene.metric:
        return
    extents_m = scene.size_m_k3.max(axis=1).tolist()
    for region_id, extent_m in zip(scene.region_ids, extents_m, strict=True):
        yield quantity(
            scene.source, "size_longest", extent_m, EXTENT_SIGMA_M, unit="m", frame="object",
            method="largest full extent of the object's box", region_ids=[region_id],
            span_ns=whole,
        )  # fmt: skip
    if len(scene.region_ids) == MARKS_TO_CHOOSE_FROM:
        sigmas = [EXTENT_SIGMA_M] * len(extents_m)
        for kind, sign in (("largest", -1.0), ("smallest", 1.0)):
            yield extreme_fact(
                scene, kind, [sign * extent_m for extent_m in extents_m], sigmas, whole,
                frame="object", method="longest extents",
            )  # fmt: skip


def absence_facts(scene: Scene, begin: int, end: int) -> Iterator[Fact]:
    """Yield a name that no object has, and the lowest number that no mark has."""
    span_ns = scene.span(begin, end)
    if scene.absent_name:
        yield word(
            scene.source, "absent_name", scene.absent_name, 1e6, (scene.absent_name,),
            frame="world", method="names of all objects of the clip, marked or not",
            span_ns=span_ns,
        )  # fmt: skip
    yield quantity(
        scene.source, "absent_mark", len(scene.region_ids) + 1, 0.0, unit="count",
        frame="picture", method="one more than there are marks", span_ns=span_ns,
    )  # fmt: skip
