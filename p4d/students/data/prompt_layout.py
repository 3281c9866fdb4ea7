"""The tokens of a prompt around pictures and questions, in p4d's own turns or the checkpoint's."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from p4d.students.data.clip_reader import Visual
from p4d.students.data.questions import Question
from p4d.students.model.adapters.protocol import StudentAdapter, media_of
from p4d.students.model.chat import TURN_END, VIDEO, opening
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.published.chat_template import Turn, rendered_turn
from p4d.students.model.tokenizer import encode, token_id

EVEN = 0.25
"""Largest deviation of a step from the mean one in a clip whose rate describes its times: frames
that are the nearest to a time grid, of a video at twice its rate or more, deviate less."""


class PromptLayout(Protocol):
    """How a clip and a question become tokens."""

    end: int
    """The token that ends an answer."""

    def opening(self, visual: Visual | None) -> list[int]:
        """Tokens before every question about the clip."""
        ...

    def turn(self, question: Question, visual: Visual | None) -> str:
        """The text from there up to the answer."""
        ...


class P4DLayout:
    """The turns of p4d/students/model/chat.py, which every student from scratch reads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`adapter` gives the tokens of pictures."""
        self._tokenizer, self._adapter = tokenizer, adapter
        before, after = opening(sees_video=True).split(VIDEO)
        self._around = encode(tokenizer, before), encode(tokenizer, after)
        self._blind = encode(tokenizer, opening(sees_video=False))
        self._tells_in_text = PromptSettings.of(adapter.model).time == "text"
        self.end = token_id(tokenizer, TURN_END)

    def opening(self, visual: Visual | None) -> list[int]:
        """The start of the user's turn and the pictures."""
        if visual is None:
            return self._blind
        before, after = self._around
        times = encode(self._tokenizer, time_sentence(visual)) if self._tells_in_text else []
        shown = self._adapter.visual_ids(
            visual.times_s.tolist(), lambda text: encode(self._tokenizer, text)
        )
        return [*before, *shown, *after, *times]

    def turn(self, question: Question, visual: Visual | None) -> str:
        """The question, its options, and the start of the assistant's turn."""
        del visual
        return question.turn()


class OwnLayout:
    """The chat template of a published checkpoint."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`tokenizer` has the template."""
        self._tokenizer, self._adapter = tokenizer, adapter
        self._tells_in_text = PromptSettings.of(adapter.model).time == "text"
        self._placeholders = adapter.placeholders(tokenizer)
        self.end = token_id(tokenizer, str(tokenizer.eos_token))
        self._turn = lru_cache(maxsize=32)(self._rendered)

    def opening(self, visual: Visual | None) -> list[int]:
        """Everything up to the last special token before the question."""
        turn = self._turn(_kinds(visual))
        ids = encode(self._tokenizer, turn.pieces[0])
        if visual is not None:
            replaced = self._adapter.media_ids(
                visual.times_s.tolist(),
                (visual.frames.shape[1], visual.frames.shape[2]),
                lambda text: encode(self._tokenizer, text),
            )
            for medium, text in zip(replaced, turn.pieces[1:], strict=True):
                ids += [*medium, *encode(self._tokenizer, text)]
        return ids

    def turn(self, question: Question, visual: Visual | None) -> str:
        """The rest of the user's turn, and the start of the assistant's."""
        turn = self._turn(_kinds(visual))
        times = time_sentence(visual) if self._tells_in_text and visual is not None else ""
        return turn.before + times + question.words() + turn.after

    def _rendered(self, kinds: tuple[str, ...]) -> Turn:
        return rendered_turn(self._tokenizer, kinds, self._placeholders)


def layout_of(tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> PromptLayout:
    """The layout that the prompt settings of a student name."""
    own = PromptSettings.of(adapter.model).template == "own"
    return (OwnLayout if own else P4DLayout)(tokenizer, adapter)


def time_sentence(visual: Visual) -> str:
    """The times of a clip in words (paper, Table 6: time as text).

    Length and rate, as the paper writes, if the frames are evenly spaced; else the time of each
    frame, because a rate would then say less than the other ways of giving times.
    """
    times = [time_s for time_s in visual.times_s.tolist() if time_s == time_s]
    steps = np.diff(times)
    if len(steps) and np.abs(steps / steps.mean() - 1).max() > EVEN:
        return (
            f"The frames are shown at {', '.join(f'{time_s:.2f}' for time_s in times)} seconds.\n"
        )
    span_s = visual.span_s
    if span_s is None:
        step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
        span_s = times[-1] - times[0] + step
    rate = len(times) / span_s
    return f"The video lasts {span_s:.2f} seconds and shows {rate:.2f} frames per second.\n"


def _kinds(visual: Visual | None) -> tuple[str, ...]:
    media = media_of(visual.times_s.tolist()) if visual is not None else []
    return tuple("image" if medium.is_still else "video" for medium in media)
