"""Questions about single pictures, for the embedded base student.

They ask for colours, shapes, names and places in the picture, as the image-text data of published
models does. None asks for depth, distance in metres, motion or time.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from p4d.ids import content_id
from p4d.students.data.questions import Question
from p4d.worlds.spec import COLOURS, SHAPES

CATEGORY = "still"
_APART = 0.06  # of the picture's side: smaller differences are ambiguous
_BIGGER = 1.25


@dataclass(frozen=True)
class MarkedObject:
    """One marked object of a picture, and the centre and area of its mask (0 to 1)."""

    colour: str
    shape: str
    x: float
    y: float
    area: float

    @property
    def name(self) -> str:
        """Such as "red box"."""
        return f"{self.colour} {self.shape}"


def marked_object(mask_ss: np.ndarray, colour: str, shape: str) -> MarkedObject:
    """The object with this mask, which must not be empty."""
    y, x = np.nonzero(mask_ss)
    side = mask_ss.shape[0]
    return MarkedObject(
        colour, shape, float(x.mean()) / side, float(y.mean()) / side, len(x) / side**2
    )


def still_questions(
    clip_id: str,
    objects: Sequence[MarkedObject],
    rng: np.random.Generator,
    count: int,
    only: Collection[str] = (),
) -> tuple[Question, ...]:
    """Up to `count` different questions about the marked objects of one picture.

    The kind is drawn first, because pairs would outnumber the rest. `only` restricts the kinds:
    colours alone are learned in a hundred steps, while all kinds at once show no progress in three
    hundred.
    """
    asks = _asks(objects)
    kinds = {kind: asks[kind] for kind in asks if asks[kind] and (not only or kind in only)}
    names = list(kinds)
    if not names:
        return ()
    shares = np.array([_SHARES[name] for name in names], float)
    asked: dict[str, Question] = {}
    for _ in range(5 * count):
        among = kinds[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
        text, answer, pool = among[int(rng.integers(len(among)))]
        if text not in asked:
            asked[text] = _question(clip_id, text, answer, pool, rng)
        if len(asked) == count:
            break
    return tuple(asked.values())


_Asked = tuple[str, str, Sequence[str]]  # text, answer, and the pool of options
_SHARES = {
    "colour": 3, "shape": 2, "name": 2, "place": 2, "side": 1, "height": 1, "size": 1,
    "extreme": 2, "count": 1,
}  # fmt: skip


def _asks(objects: Sequence[MarkedObject]) -> dict[str, list[_Asked]]:
    tags = [f"<obj_{k}>" for k in range(1, len(objects) + 1)]
    named = list(zip(tags, objects, strict=True))
    asks: dict[str, list[_Asked]] = {
        "colour": [(f"What colour is {tag}?", o.colour, list(COLOURS)) for tag, o in named],
        "shape": [(f"What shape is {tag}?", o.shape, SHAPES) for tag, o in named],
        "place": [(f"Where in the picture is {tag}?", _quarter(o), _QUARTERS) for tag, o in named],
        "count": [("How many objects are marked in the picture?", str(len(tags)), "1234")],
        "name": [], "side": [], "height": [], "size": [], "extreme": [],
    }  # fmt: skip
    if len(tags) < 2:
        return asks
    asks["name"] = [(f"Which mark has the {o.name}?", tag, tags) for tag, o in named]
    for (a, one), (b, other) in itertools.permutations(named, 2):
        if abs(one.x - other.x) > _APART:
            text = f"In the picture, on which side of {b} is {a}?"
            asks["side"].append((text, "left" if one.x < other.x else "right", ("left", "right")))
        if abs(one.y - other.y) > _APART:
            text = f"In the picture, is {a} above or below {b}?"
            answer = "above" if one.y < other.y else "below"
            asks["height"].append((text, answer, ("above", "below")))
        ratio = one.area / other.area
        if not 1 / _BIGGER <= ratio <= _BIGGER:
            text = f"Does {a} look bigger or smaller than {b} in the picture?"
            answer = "bigger" if ratio > 1 else "smaller"
            asks["size"].append((text, answer, ("bigger", "smaller")))
    for text, values in (
        ("Which object is farthest left in the picture?", [o.x for o in objects]),
        ("Which object is highest in the picture?", [o.y for o in objects]),
        ("Which object looks biggest in the picture?", [-4 * o.area for o in objects]),
    ):
        first, second, *_ = sorted(range(len(values)), key=values.__getitem__)
        if values[second] - values[first] > _APART:
            asks["extreme"].append((text, tags[first], tags))
    return asks


_QUARTERS = [f"{x}, {y} half" for x in ("left", "right") for y in ("upper", "lower")]


def _quarter(entity: MarkedObject) -> str:
    across, down = "left" if entity.x < 0.5 else "right", "upper" if entity.y < 0.5 else "lower"
    return f"{across}, {down} half"


def _question(
    clip_id: str, text: str, answer: str, pool: Sequence[str], rng: np.random.Generator
) -> Question:
    wrong = [option for option in pool if option != answer]
    options = [wrong[int(k)] for k in rng.permutation(len(wrong))[:3]]
    right = int(rng.integers(len(options) + 1))
    options.insert(right, answer)
    return Question(
        qa_id=content_id("still", clip_id, text, options),
        clip_id=clip_id,
        video_id=clip_id,
        shard="",
        category=CATEGORY,
        question=text,
        options=tuple(options),
        answer_index=right,
        dynamic=False,
    )
