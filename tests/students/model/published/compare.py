"""Runs one case through p4d and through transformers' own code, and says where they differ."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.model.batch import PackedBatch
from p4d.students.model.student import Student
from tests.students.model.published.cases import FILE, Case, digest, runs

NEW_TOKENS = 12


def reference() -> dict:
    """What transformers' processors made, as `reference.py` wrote it."""
    return json.loads(FILE.read_text())


def sample_of(case: Case) -> Sample:
    """The case as a student's sample, with the question of the reference."""
    frames, times_s = case.pictures(), case.indices / case.video_fps
    if case.still:
        frames = np.concatenate([case.marked()[None], frames])
        times_s = np.concatenate([[np.nan], times_s])
    visual = Visual(
        frames,
        times_s,
        np.zeros((0, case.height, case.width), np.uint8),
        span_s=case.total / case.video_fps,
    )
    question = ad_hoc_question(
        "Which way does <obj_1> move?", ("left", "right"), clip_id="c", video_id="v"
    )
    return Sample("c", (question,), visual, {})


@dataclass(frozen=True)
class Comparison:
    """One case in both ways.

    Attributes:
        ids: whether the prompts have equal tokens.
        pixels: whether every number that enters the encoder has equal bits.
        grids: whether sizes and seconds of slots are equal.
        generated: whether greedy texts have equal tokens.
        logits: largest difference of the logits after the prompt.
        spread: deviation of those logits, for scale.
    """

    ids: bool
    pixels: bool
    grids: bool
    generated: bool
    logits: float
    spread: float


def _encoded(student: Student, batch: PackedBatch) -> tuple[dict, list[Tensor]]:
    """The result of `encode`, and the numbers that entered the vision encoder, call by call."""
    entered: list[Tensor] = []

    def keep(_, given, named):
        entered.append(given[0] if given else named["pixel_values"])

    handle = student.adapter.encoder().register_forward_pre_hook(keep, with_kwargs=True)
    encoded = student.adapter.encode(batch.frames, batch.times_s, batch.spans_s)
    handle.remove()
    return encoded, entered


@torch.no_grad()
def compare(student: Student, family: str, case: Case) -> Comparison:
    """Ask both."""
    expected = reference()["cases"][family][case.name]
    packer, sample = Packer(student.tokenizer, student.adapter), sample_of(case)
    model = student.adapter.model
    prompts = packer.prompts([sample])
    encoded, entered = _encoded(student, prompts)
    names = [name for name in ("pixel_values", "pixel_values_videos") if name in expected]
    pixels = len(names) == len(entered) and all(
        digest(given.numpy()) == expected[name]["sha256"]
        for name, given in zip(names, entered, strict=True)
    )
    grids = all(
        np.array_equal(np.float32(encoded[key].tolist()), np.float32(expected[key]))
        for key in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")
        if key in expected
    )
    given = _as_transformers_gives(expected, dict(zip(names, entered, strict=True)))
    if family.startswith("qwen"):
        ids = given["input_ids"]
        names = student.adapter.placeholders(student.tokenizer)
        image, video = student.tokenizer.convert_tokens_to_ids(list(names))
        given["mm_token_type_ids"] = (ids == image).int() + 2 * (ids == video).int()
    theirs = model.generate(**given, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0)
    ours = student.adapter.generate(
        input_ids=prompts.input_ids,
        attention_mask=prompts.token_mask.long(),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=0,
        **encoded,
    )
    model.model.rope_deltas = None
    after = model(**given).logits[0, -1]
    packed = packer.pack([sample])
    ((row, position),) = packed.letter_rows.tolist()
    scored = student.adapter.logits(student.hidden(packed)[row, position])
    return Comparison(
        ids=runs(prompts.input_ids[0].tolist()) == expected["ids"],
        pixels=pixels,
        grids=grids,
        generated=torch.equal(ours, theirs),
        logits=float((after - scored).abs().max()),
        spread=float(after.std()),
    )


def _as_transformers_gives(expected: dict, pixels: dict[str, Tensor]) -> dict:
    """The inputs of the processor; pixels are ours, whose digests are compared apart."""
    ids = [token for token, count in expected["ids"] for _ in range(count)]
    given = {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
    }
    for key in ("image_grid_thw", "video_grid_thw", "second_per_grid_ts"):
        if key in expected:
            given[key] = torch.tensor(expected[key])
    for name, values in pixels.items():
        given[name] = values.reshape(expected[name]["shape"])
    return given
