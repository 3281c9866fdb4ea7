"""Conversations in the format of published training sets: several turns, videos and pictures.

The format of LLaVA: a JSON list of `{"id", "video" and/or "image", "conversations": [{"from":
"human" | "gpt", "value"}]}`, where `<video>` and `<image>` in a text stand for the next of them.
Every answer is a target. There are no labels to distil, so such rows have the SFT loss only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p4d.config import ClipsParams
from p4d.errors import ContractError
from p4d.students.data.clip_reader import Visual
from p4d.students.model.adapters.protocol import ABSENT, StudentAdapter
from p4d.students.model.batch import IGNORED, PADDING, PackedBatch
from p4d.students.model.chat import IMAGE, TURN_END, TURN_START, VIDEO
from p4d.students.model.tokenizer import encode, token_id
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.decode import decode, read_timeline
from p4d.video.still import read_still

MARKER = re.compile(f"({re.escape(VIDEO)}|{re.escape(IMAGE)})")
MAX_VIDEO_S = 7200.0


@dataclass(frozen=True)
class ConversationTurn:
    """A message of the user, with markers for media, and the answer to learn."""

    asked: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """One sample.

    Attributes:
        conversation_id: identifies it in errors.
        turns: in order.
        media: for each marker in order, the kind (`<video>` or `<image>`) and the file.
    """

    conversation_id: str
    turns: tuple[ConversationTurn, ...]
    media: tuple[tuple[str, Path], ...]


def read_conversations(path: Path, media_folder: Path) -> list[Conversation]:
    """Read a JSON list, or JSON lines; media are relative to `media_folder`.

    Raises:
        ContractError: the turns of a sample do not alternate, or it has not one file per marker;
            names the sample.
    """
    text = path.read_text(encoding="utf-8")
    rows = json.loads(text) if text.lstrip().startswith("[") else map(json.loads, text.splitlines())
    return [_conversation(row, number, media_folder) for number, row in enumerate(rows)]


def _conversation(row: Mapping[str, Any], number: int, folder: Path) -> Conversation:
    name = str(row.get("id", number))
    messages = row.get("conversations") or []
    speakers = [part.get("from") for part in messages]
    if not messages or speakers != ["human", "gpt"] * (len(messages) // 2):
        raise ContractError(f"conversation {name}: human and gpt do not alternate: {speakers}")
    texts = [str(part["value"]) for part in messages]
    files = {VIDEO: _listed(row.get("video")), IMAGE: _listed(row.get("image"))}
    # Media without a marker of their own come first, as in LLaVA's own data.
    shown = [marker for text in texts[::2] for marker in MARKER.findall(text)]
    unmarked = [m for m in (IMAGE, VIDEO) for _ in files[m][shown.count(m) :]]
    texts[0] = "".join(f"{marker}\n" for marker in unmarked) + texts[0]
    order = unmarked + shown
    for marker, found in files.items():
        if order.count(marker) != len(found):
            raise ContractError(
                f"conversation {name}: {order.count(marker)} times {marker} for {len(found)} files"
            )
    left = {marker: iter(found) for marker, found in files.items()}
    return Conversation(
        name,
        tuple(ConversationTurn(a, b) for a, b in zip(texts[::2], texts[1::2], strict=True)),
        tuple((marker, folder / next(left[marker])) for marker in order),
    )


def _listed(value: object) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


@dataclass(frozen=True)
class DecodedConversation:
    """A conversation with its media as a student reads them, one `Visual` per marker."""

    conversation: Conversation
    visuals: tuple[Visual, ...]


def decoded(conversation: Conversation, clips: ClipsParams) -> DecodedConversation:
    """Decode the media; of a video `clips.frames` frames, spread evenly over it.

    Raises:
        DecodeError: a video cannot be read.
        ContractError: a picture cannot be read.
    """
    visuals = []
    for marker, path in conversation.media:
        if marker == VIDEO:
            frames, times_s = _spread(path, clips)
        else:
            frames, times_s = (
                read_still(path, clips.size_px, clips.size_px)[None],
                np.array([np.nan]),
            )
        visuals.append(Visual(frames, times_s, np.zeros((0, *frames.shape[1:3]), np.uint8)))
    return DecodedConversation(conversation, tuple(visuals))


def _spread(path: Path, clips: ClipsParams) -> tuple[np.ndarray, np.ndarray]:
    pts_ns = read_timeline(path, FileBudget(max_duration_s=MAX_VIDEO_S)).pts_ns
    at = np.unique(np.linspace(0, len(pts_ns) - 1, clips.frames).round().astype(np.int64))
    size_px, wanted = clips.size_px, set(at.tolist())
    pictures = [f.squashed(size_px) for f in decode(path) if f.index in wanted]
    return np.stack(pictures), (pts_ns[at] - pts_ns[0]) / 1e9


@dataclass(frozen=True)
class _ConversationRow:
    tokens: list[int]
    targets: list[int]


class ConversationPacker:
    """Turns conversations into batches for one tokenizer and one student family."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, adapter: StudentAdapter) -> None:
        """`adapter` gives the tokens of pictures in the text."""
        self._tokenizer, self._adapter = tokenizer, adapter
        self._pad = token_id(tokenizer, str(tokenizer.pad_token))

    def pack(
        self, samples: Sequence[DecodedConversation], *, row_tokens: int | None = None
    ) -> PackedBatch:
        """One conversation per row, padded; or as many as fit into `row_tokens`, in order.

        Conversations that share a row do not attend to each other, and each starts at position 0:
        the result is equal to that of separate rows.
        """
        made = [self._row(sample) for sample in samples]
        groups = list(_filled([len(row.tokens) for row in made], row_tokens))
        length = max(sum(len(made[i].tokens) for i in group) for group in groups)
        shape = (len(groups), length)
        tokens, positions = np.full(shape, self._pad), np.zeros(shape, np.int64)
        segments, targets = np.full(shape, PADDING), np.full(shape, IGNORED)
        for number, group in enumerate(groups):
            start = 0
            for segment, index in enumerate(group, start=1):
                row, place = made[index], np.s_[number, start : start + len(made[index].tokens)]
                tokens[place], targets[place] = row.tokens, row.targets
                positions[place], segments[place] = np.arange(len(row.tokens)), segment
                start += len(row.tokens)
        frames, times_s = _media([[v for i in g for v in samples[i].visuals] for g in groups])
        return PackedBatch(
            input_ids=torch.from_numpy(tokens),
            position_ids=torch.from_numpy(positions),
            segment_ids=torch.from_numpy(segments),
            targets=torch.from_numpy(targets),
            frames=frames,
            times_s=times_s,
            clip_ids=tuple(
                "+".join(samples[i].conversation.conversation_id for i in group) for group in groups
            ),
            **_no_questions(shape),
        )

    def _row(self, sample: DecodedConversation) -> _ConversationRow:
        tokens: list[int] = []
        targets: list[int] = []

        def put(ids: Sequence[int], learned: bool) -> None:
            # The token before predicts this one, so targets are shifted by one at the end.
            tokens.extend(ids)
            targets.extend(ids if learned else [IGNORED] * len(ids))

        visuals = iter(sample.visuals)
        for number, turn in enumerate(sample.conversation.turns):
            put(self._ids(f"{chr(10) * (number > 0)}{TURN_START}user\n"), learned=False)
            for part in MARKER.split(turn.asked):
                if MARKER.fullmatch(part):
                    shown = next(visuals).times_s.tolist()
                    put(self._adapter.visual_ids(shown, self._ids), learned=False)
                else:
                    put(self._ids(part), learned=False)
            put(self._ids(f"{TURN_END}\n{TURN_START}assistant\n"), learned=False)
            put(self._ids(turn.answer + TURN_END), learned=True)
        return _ConversationRow(tokens, [*targets[1:], IGNORED])

    def _ids(self, text: str) -> list[int]:
        return encode(self._tokenizer, text)


def _filled(lengths: Sequence[int], row_tokens: int | None) -> Iterator[list[int]]:
    """Indices row by row; a conversation longer than a row gets its own row."""
    group: list[int] = []
    used = 0
    for index, length in enumerate(lengths):
        if group and (row_tokens is None or used + length > row_tokens):
            yield group
            group, used = [], 0
        group.append(index)
        used += length
    if group:
        yield group


def _media(rows: Sequence[Sequence[Visual]]) -> tuple[Tensor | None, Tensor | None]:
    """Pictures and times of all rows, padded with absent pictures."""
    counts = [sum(len(visual.frames) for visual in row) for row in rows]
    if not any(counts):
        return None, None
    side = next(visual.frames.shape[1] for row in rows for visual in row)
    frames = np.zeros((len(rows), max(counts), side, side, 3), np.uint8)
    times_s = np.full((len(rows), max(counts)), ABSENT)
    for number, row in enumerate(rows):
        if row:
            frames[number, : counts[number]] = np.concatenate([v.frames for v in row])
            times_s[number, : counts[number]] = np.concatenate([v.times_s for v in row])
    return torch.from_numpy(frames), torch.from_numpy(times_s)


def _no_questions(shape: tuple[int, int]) -> dict[str, Any]:
    """Empty values of the fields of a batch about multiple-choice questions."""
    none = torch.zeros(0, dtype=torch.long)
    return {
        "branch_ids": torch.zeros(shape, dtype=torch.long),
        "letter_rows": none.view(0, 2),
        "scored": none.view(0, 4),
        "scored_tokens": none,
        "answer_index": none,
        "option_counts": none,
        "qa_ids": (),
        "labelled_rows": none,
        "mapped": none,
    }
