"""Facts as sentences, for the review page and the page of examples.

A sentence states one fact and nothing else, in the words of the options and with the marks of the
texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from p4d.errors import ContractError
from p4d.questions.facts.table import Fact
from p4d.questions.wording import interval

# Slots: {when}; {a} {b} {c} {d} the regions; {all} all of them; {word}; {m} metres and m/s,
# {n} a count, {deg} degrees.
SENTENCES: Mapping[str, str] = {
    "marked_count": "{n} objects are marked.",
    "position_right": "{when}, {a} is {m} m right of the camera.",
    "position_down": "{when}, {a} is {m} m below the camera.",
    "position_ahead": "{when}, {a} is {m} m ahead of the camera.",
    "distance_to_camera": "{when}, {a} is {m} m from the camera.",
    "distance": "{when}, {a} is {m} m from {b}.",
    "side": "{when}, seen from the camera, {a} is {word} of {b}.",
    "depth_order": "{when}, {a} is {word} than {b}.",
    "size_longest": "The longest extent of {a} is {m} m.",
    "displacement": "{when}, the displacement of {a} is {m} m.",
    "displacement_right": "{when}, {a} moves {m} m to the right.",
    "displacement_up": "{when}, {a} moves {m} m up.",
    "displacement_ahead": "{when}, {a} moves {m} m away from the camera.",
    "path_length": "{when}, the path of {a} is {m} m long.",
    "mean_speed": "{when}, the mean speed of {a} is {m} m/s.",
    "moving": "{when}, {a} is {word}.",
    "direction": "{when}, direction of {a}: {word}.",
    "picture_direction": "{when}, direction of {a} in the image without camera motion: {word}.",
    "turn_vertical": "{when}, {a} turns {deg} degrees counter-clockwise, seen from above.",
    "rotation": "{when}, rotation of {a}, seen from above: {word}.",
    "camera_displacement": "{when}, the displacement of the camera is {m} m.",
    "camera_direction": "{when}, motion of the camera: {word}.",
    "moving_count": "{when}, {n} of {all} move or rotate.",
    "moving_of_three": "{when}, {n} of {a}, {b} and {c} move or rotate.",
    "turning_count": "{when}, {n} of {all} rotate.",
    "going_count": "{when}, {n} of {all} change position.",
    "faster_count": "{when}, {n} of the others are faster than {a}.",
    "nearer_count": "{when}, {n} of the others are nearer to the camera than {a}.",
    "left_count": "{when}, {n} of the others are to the left of {a}.",
    "quarter_turns": "{when}, {a} makes {n} full quarter turns.",
    "nearest": "{when}, nearest to the camera: {word}.",
    "farthest": "{when}, farthest from the camera: {word}.",
    "comes_closest": "{when}, the object that comes closest to the camera: {word}.",
    "fastest": "{when}, the fastest: {word}.",
    "largest": "The largest: {word}.",
    "smallest": "The smallest: {word}.",
    "who_is_there": "{when}, the object at the place of {a}: {word}.",
    "when_there": "{a} is at this place {word}.",
    "height_order": "{when}, {a} is {word} than {b}.",
    "quadrant": "{when}, {a} is in the {word} of the image.",
    "picture_side": "{when}, in the image, position of {a} relative to {b}: {word}.",
    "own_side": "{when}, as {a} faces the way it moves, {b} is {word}.",
    "range_trend": "{when}, distance of {a} to the camera: {word}.",
    "gap_trend": "{when}, distance between {a} and {b}: {word}.",
    "screen_direction": "{when}, direction of {a} in the image with camera motion: {word}.",
    "speed_change": "{when}, {a} {word}.",
    "acceleration": "{when}, the acceleration of {a} is {m} m/s2.",
    "speed": "{when}, the speed of {a} is {m} m/s.",
    "course": "{when}, {a} {word}.",
    "way": "{when}, path of {a}: {word}.",
    "path_ratio": "{when}, the path of {a} is {m} times its displacement.",
    "least_distance": "{when}, the smallest distance between {a} and {b} is {m} m.",
    "moves_first": "{when}, of {a} and {b}, the first to move: {word}.",
    "rests_first": "{when}, of {a} and {b}, the first to stop: {word}.",
    "rotation_seen": "{when}, rotation of {a}, seen from the camera: {word}.",
    "turn_angle": "{when}, {a} rotates by {deg} degrees about one axis.",
    "camera_turn": "{when}, the camera turns: {word}.",
    "camera_speed": "{when}, the mean speed of the camera is {m} m/s.",
    "video_seconds": "From the first frame to the last, {m} s pass.",
    "longest_pause": "The longest time between two frames is {m} s.",
    "starts_at": "{a} starts to move at {m} s, its last frame at rest.",
    "stops_at": "{a} stops at {m} s, its first frame at rest again.",
    "moves_for": "{a} moves for {m} s, from its last frame at rest to its first at rest again.",
    "between_starts": "Between the starts of {a} and {b}, {m} s pass.",
    "speed_in_motion": "While it moves, the mean speed of {a} is {m} m/s.",
    "times_as_fast": "Each while it moves, {a} is {m} times as fast as {b}.",
    "name": "{a} is the {word}.",
    "absent_name": "There is no {word}.",
    "unmarked_number": "There is no <obj_{n}>.",
    "leftward_count": "{when}, {n} of {all} move mainly to the left in the image.",
    "rightward_count": "{when}, {n} of {all} move mainly to the right in the image.",
    "picture_left_count": "{when}, {n} of the other marks are left of {a} in the image.",
    "place_across": "{when}, {a} is {m} % of the picture's width from its left edge.",
    "place_down": "{when}, {a} is {m} % of the picture's height from its top edge.",
    "screen_shift": "{when}, {a} moves by {m} % of the picture's width in the image.",
    "screen_speed": "{when}, {a} moves by {m} % of the picture's width per second.",
    "left_or_right": "{when}, side to which {a} moves in the image: {word}.",
    "up_or_down": "{when}, {a} moves {word} in the image.",
    "goes_farther": "{when}, of {a} and {b}, the one that moves farther in the image: {word}.",
    "gap_in_picture": "{when}, {a} and {b} get {word} in the image.",
    "half_across": "{when}, {a} is in the {word} half of the image.",
    "half_down": "{when}, {a} is in the {word} half of the image.",
    "more_left": "{when}, of {a} and {b}, the one farther to the left in the image: {word}.",
    "more_up": "{when}, of {a} and {b}, the one farther up in the image: {word}.",
    "looks_larger": "{when}, of {a} and {b}, the one that looks larger in the image: {word}.",
    "size_change": "{when}, {a} gets {word} in the image.",
    "faster_half": "{when}, half of this time in which {a} moves faster in the image: {word}.",
    "left_half_count": "{when}, {n} of {all} are in the left half of the image.",
    "upper_half_count": "{when}, {n} of {all} are in the upper half of the image.",
    "stirring_columns": "{when}, something moves in {n} of three equal columns of the image.",
    "stirring_rows": "{when}, something moves in {n} of three equal rows of the image.",
    "stirring_side": "{when}, something moves in the {word} third of the image.",
    "stirring_level": "{when}, something moves in the {word} third of the image.",
    "stirring_left": "{when}, in the left third of the image: {word}.",
    "stirring_where_left": "{when}, motion in the left third of the image: {word}.",
    "stirring_when_left": "{when}, motion in the left third of the image: {word}.",
    "stirring_right": "{when}, in the right third of the image: {word}.",
    "stirring_where_right": "{when}, motion in the right third of the image: {word}.",
    "stirring_when_right": "{when}, motion in the right third of the image: {word}.",
    "stirring_top": "{when}, in the top third of the image: {word}.",
    "stirring_where_top": "{when}, motion in the top third of the image: {word}.",
    "stirring_when_top": "{when}, motion in the top third of the image: {word}.",
    "stirring_bottom": "{when}, in the bottom third of the image: {word}.",
    "stirring_where_bottom": "{when}, motion in the bottom third of the image: {word}.",
    "stirring_when_bottom": "{when}, motion in the bottom third of the image: {word}.",
    "view": "{when}, the view of the camera {word}.",
    "view_direction": "{when}, direction in which the view of the camera moves: {word}.",
    "absent_mark": "There is no <obj_{n}>.",
}


def fact_sentence(fact: Fact, region_ids: Sequence[str]) -> str:
    """Return one short sentence that states a fact.

    Args:
        fact: any row of `facts.parquet`.
        region_ids: the clip's regions in mark order (`selection.marked_regions`); the first is
            `<obj_1>`.

    Raises:
        ContractError: the kind has no sentence, or a region of the fact carries no mark.
    """
    if fact.kind not in SENTENCES:
        raise ContractError(f"{fact.fact_id}: no sentence for facts of kind {fact.kind!r}")
    unmarked = set(fact.region_ids) - set(region_ids)
    if unmarked:
        raise ContractError(f"{fact.fact_id}: regions {sorted(unmarked)} carry no mark")
    tags = [f"<obj_{list(region_ids).index(region) + 1}>" for region in fact.region_ids]
    return SENTENCES[fact.kind].format(
        when=interval(fact.start_ns, fact.end_ns),
        all=", ".join(tags) or "none",
        word=fact.value_text,
        m=f"{fact.value + 0.0:.2f}",
        n=f"{fact.value:.0f}",
        deg=f"{math.degrees(fact.value):.0f}",
        **dict(zip("abcd", tags, strict=False)),
    )
