"""All facts of clips with exact truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from p4d.config import FactsParams
from p4d.questions.facts.blocks import FactBlock, FactRows, Ints, clip_facts
from p4d.questions.facts.exact.camera_facts import camera_facts
from p4d.questions.facts.exact.comparison_facts import interval_comparisons
from p4d.questions.facts.exact.identity_facts import absence_facts, identity_facts
from p4d.questions.facts.exact.instant_facts import instant_facts, when_facts
from p4d.questions.facts.exact.motion_facts import motion_facts, moving_facts
from p4d.questions.facts.exact.pair_facts import pair_facts
from p4d.questions.facts.exact.second_facts import second_facts
from p4d.questions.facts.exact.speed_facts import speed_facts
from p4d.questions.facts.exact.trajectory_facts import trajectory_facts
from p4d.questions.facts.exact.turning_facts import turning_facts
from p4d.questions.facts.intervals import instants, spans
from p4d.questions.facts.mark_facts import count_marks
from p4d.questions.facts.scene.geometry import Scene
from p4d.questions.facts.scene.stack import Scenes
from p4d.questions.facts.scene.trajectories import Trajectories
from p4d.questions.facts.table import Fact


def scene_facts(scene: Scene, params: FactsParams) -> list[Fact]:
    """Measure everything of one scene.

    Raises:
        TruthError: it has objects, or moves, and its camera looks straight up or down.
    """
    blocks = shard_blocks([scene], params)
    return list(clip_facts(scene.source, scene.region_ids, blocks))


def shard_blocks(scenes: Sequence[Scene], params: FactsParams) -> list[FactBlock]:
    """Measure everything of some scenes, whose place is their number.

    Raises:
        TruthError: as `scene_facts`.
    """
    alike: dict[tuple[int, int, str], list[int]] = {}
    for number, scene in enumerate(scenes):
        alone = scene.source.clip_id if scene.steep else ""  # its axes need not exist
        key = len(scene.region_ids), len(scene.time_ns), alone
        alike.setdefault(key, []).append(number)
    blocks: list[FactBlock] = []
    # Each alternative is computed for all objects and one is selected, so some divide by zero.
    with np.errstate(all="ignore"):
        for numbers in alike.values():
            stack = Scenes([scenes[number] for number in numbers])
            blocks += scene_blocks(stack, np.array(numbers), params)
    return blocks


def scene_blocks(scenes: Scenes, clip_c: Ints, params: FactsParams) -> Iterator[FactBlock]:
    """Measure everything of a stack. Lengths are measured only if the scale is metric."""
    whole = interval_rows(scenes, clip_c, 0, scenes.frames - 1)
    yield count_marks(whole.at(scenes.named_ns_ct[:, 0]), scenes.objects)
    yield from identity_facts(whole, scenes)
    at = instants(scenes.frames)
    yield from instant_facts(instant_rows(scenes, clip_c, at), scenes, at)
    yield from when_facts(clip_c, scenes, at, params)
    if params.seconds:
        yield from second_facts(whole, scenes, params)
    for begin, end in spans(scenes.frames):
        yield from interval_facts(clip_c, Trajectories(scenes, begin, end, params))


def instant_rows(scenes: Scenes, clip_c: Ints, at: Sequence[int]) -> FactRows:
    """Rows about instants, given by their frames."""
    return FactRows(
        clip_c=clip_c, start_ns=scenes.named_ns_ct[:, at], end_ns=scenes.named_ns_ct[:, at]
    )


def interval_rows(scenes: Scenes, clip_c: Ints, begin: int, end: int) -> FactRows:
    """Rows about one interval, given by its first and last frame."""
    named_ns_ct = scenes.named_ns_ct
    return FactRows(clip_c=clip_c, start_ns=named_ns_ct[:, begin], end_ns=named_ns_ct[:, end])


def interval_facts(clip_c: Ints, paths: Trajectories) -> Iterator[FactBlock]:
    """Measure everything between two frames."""
    scenes, begin, end = paths.scenes, paths.begin, paths.end
    rows = interval_rows(scenes, clip_c, begin, end)
    if paths.params.seen_at_both_ends:
        visible_ckt = scenes.visible_ckt
        rows = replace(rows, seen_ck=visible_ckt[:, :, begin] & visible_ckt[:, :, end])
    yield from moving_facts(rows, paths)
    if scenes.objects:
        yield from motion_facts(rows, paths)
        yield from trajectory_facts(rows, paths)
        yield from turning_facts(rows, paths)
        yield from speed_facts(rows, paths)
        yield from pair_facts(rows, paths)
    yield from interval_comparisons(rows, paths)
    yield from camera_facts(rows, scenes, begin, end, paths.params)
    yield from absence_facts(rows, scenes)
