"""All facts of one clip with exact truth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from p4d.config import FactsParams
from p4d.questions.facts.exact.camera_facts import camera_facts
from p4d.questions.facts.exact.comparison_facts import interval_comparisons
from p4d.questions.facts.exact.identity_facts import absence_facts, identity_facts
from p4d.questions.facts.exact.instant_facts import instant_facts, when_facts
from p4d.questions.facts.exact.motion_facts import motion_facts
from p4d.questions.facts.exact.pair_facts import pair_facts
from p4d.questions.facts.exact.second_facts import second_facts
from p4d.questions.facts.exact.speed_facts import speed_facts
from p4d.questions.facts.exact.trajectory_facts import trajectory_facts
from p4d.questions.facts.exact.turning_facts import turning_facts
from p4d.questions.facts.intervals import in_view, instants, spans
from p4d.questions.facts.mark_facts import count_moving, marked_count
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.trajectory import trajectory_of
from p4d.questions.facts.table import Fact


def scene_facts(scene: Scene, params: FactsParams) -> Iterator[Fact]:
    """Measure everything of one scene. Lengths are measured only if the scale is metric."""
    frames = len(scene.time_ns)
    yield marked_count(scene.source, scene.region_ids, int(scene.named_ns[0]))
    yield from identity_facts(scene)
    for frame in instants(frames):
        yield from instant_facts(scene, frame)
    if scene.metric:
        yield from when_facts(scene, instants(frames), params)
    if params.seconds:
        yield from second_facts(scene, params)
    for begin, end in spans(frames):
        measured = interval_facts(scene, begin, end, params)
        if params.seen_at_both_ends:
            measured = in_view(measured, (begin, end), scene.region_ids, scene.visible_kt)
        yield from measured


def interval_facts(scene: Scene, begin: int, end: int, params: FactsParams) -> Iterator[Fact]:
    """Measure everything between two frames."""
    trajectories = [
        trajectory_of(scene, k, begin, end, params) for k in range(len(scene.region_ids))
    ]
    moving = []
    for trajectory in trajectories:
        facts = list(motion_facts(scene, trajectory, params))
        moving += [fact for fact in facts if fact.kind == "moving"]
        yield from facts
        yield from trajectory_facts(scene, trajectory, params)
        yield from turning_facts(scene, trajectory, params)
        if scene.metric:
            yield from speed_facts(scene, trajectory)
    yield count_moving(scene.source, moving, scene.span(begin, end))
    for one, other in combinations(trajectories, 2):
        yield from pair_facts(scene, one, other, params)
    yield from interval_comparisons(scene, trajectories, moving, (begin, end), params)
    yield from camera_facts(scene, begin, end, params)
    yield from absence_facts(scene, begin, end)
