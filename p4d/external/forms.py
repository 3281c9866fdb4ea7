"""Records of LLaVA, ShareGPT and messages files, read into one form.

LLaVA: `{"video" and/or "image", "conversations": [{"from": "human" | "gpt", "value"}]}`. ShareGPT
(LLaMA-Factory) and messages (ms-swift, OpenAI): `{"messages": [{"role", "content"}], "videos",
"images"}`, where a content is a text or a list of parts. `<video>` and `<image>` in a question
stand for the next file of that kind; in a row that has videos and no pictures `<image>` stands for
a video, as in LLaVA-Video and LLaVA-NeXT-Interleave. Files without a marker come first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from p4d.external.conversation import (
    IMAGE,
    VIDEO,
    ForeignRow,
    ForeignTurn,
    MediumSource,
    RowFault,
)

MARKER = re.compile(f"({re.escape(VIDEO)}|{re.escape(IMAGE)})")
_CONTROL = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>")
_REGION = re.compile(r"<(?:obj_\d+|region|ref-object|bbox)>")
_ROLES: Mapping[str, str] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
}
_FILES = {VIDEO: ("videos", "video"), IMAGE: ("images", "image")}
_PART_KINDS = {
    "video": VIDEO,
    "video_url": VIDEO,
    "image": IMAGE,
    "image_url": IMAGE,
}


@dataclass(frozen=True)
class Columns:
    """Where a record has what; the names that `dataset_info.json` may change (LLaMA-Factory).

    Attributes:
        messages: keys that may hold the turns, the first that is there counts.
        role, content: keys of a turn that may hold the speaker and the text.
        roles: `user`, `assistant` or `system` by the speaker's name.
        files: keys that may hold the files, by marker.
        system: key of a text before the first question; "" if there is none.
    """

    messages: tuple[str, ...] = ("conversations", "messages")
    role: tuple[str, ...] = ("from", "role")
    content: tuple[str, ...] = ("value", "content")
    roles: Mapping[str, str] = field(default_factory=lambda: _ROLES)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _FILES)
    system: str = "system"


def read_record(record: object, columns: Columns | None = None) -> ForeignRow:
    """One record as a conversation.

    Raises:
        RowFault: it is none; the text says what is missing.
    """
    columns = columns or Columns()
    if not isinstance(record, Mapping):
        raise RowFault(f"expected an object with turns, got {type(record).__name__}")
    key = next((name for name in columns.messages if record.get(name)), None)
    if key is None:
        raise RowFault(f"has no turns: none of {', '.join(columns.messages)} holds any")
    files = {marker: _files(record, names, marker) for marker, names in columns.files.items()}
    texts = _alternating(_messages(record[key], columns, files), _system(record, columns))
    turns = [ForeignTurn(a, b) for a, b in zip(texts[::2], texts[1::2], strict=True)]
    turns, media = _with_media(turns, files)
    return ForeignRow(
        form="llava" if key == "conversations" else "messages",
        source_id=_short(record.get("id")),
        turns=tuple(turns),
        media=tuple(media),
        question_type=_short(record.get("question_type")),
        scene=_short(record.get("scene_name")),
    )


def check_texts(row: ForeignRow, most_chars: int) -> None:
    """Check that the texts can be read and answered, and steer no chat template.

    Raises:
        RowFault: a text is empty, too long, or holds a token that stands for something else.
    """
    length = sum(len(turn.asked) + len(turn.answer) for turn in row.turns)
    if length > most_chars:
        raise RowFault(f"{length} characters are more than external.max_text_chars {most_chars}")
    for number, turn in enumerate(row.turns, start=1):
        if not MARKER.sub("", turn.asked).strip():
            raise RowFault(f"question {number} has no text")
        if not turn.answer.strip():
            raise RowFault(f"answer {number} is empty")
        if found := MARKER.search(turn.answer):
            raise RowFault(f"answer {number} holds {found[0]}, which stands for a file")
        for text in (turn.asked, turn.answer):
            if found := _CONTROL.search(text):
                raise RowFault(f"turn {number} holds {found[0]}, a token of chat templates")
            if found := _REGION.search(text):
                raise RowFault(
                    f"turn {number} names a region ({found[0]}), and external rows bring no masks"
                )


# --- turns --------------------------------------------------------------------------------------


def _messages(
    value: object, columns: Columns, files: Mapping[str, list[MediumSource]]
) -> list[tuple[str, str]]:
    """Speaker and text of every message; media inside of contents join `files`."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise RowFault(f"the turns are {type(value).__name__} and no list")
    found = []
    for number, message in enumerate(value, start=1):
        if not isinstance(message, Mapping):
            raise RowFault(f"turn {number} is {type(message).__name__} and no object")
        said = _first(message, columns.role)
        if not isinstance(said, str) or said not in columns.roles:
            raise RowFault(f"turn {number} is of {_shown(said)}, neither user nor assistant")
        content = _first(message, columns.content)
        found.append((columns.roles[said], _content(content, number, files)))
    return found


def _content(value: object, number: int, files: Mapping[str, list[MediumSource]]) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise RowFault(f"turn {number} has no text")
    text = ""
    for part in value:
        if not isinstance(part, Mapping):
            raise RowFault(f"turn {number} has a part that is {type(part).__name__}")
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            text += part["text"]
        elif isinstance(kind, str) and kind in _PART_KINDS:
            held = part.get(kind)
            name = held.get("url") if isinstance(held, Mapping) else held
            files[_PART_KINDS[kind]].append(_medium(name, _PART_KINDS[kind]))
            text += _PART_KINDS[kind]
        else:
            raise RowFault(f"turn {number} has a part of type {_shown(kind)}")
    return text


def _alternating(messages: Sequence[tuple[str, str]], system: str) -> list[str]:
    """Texts of questions and answers in turn; a system text precedes the first question."""
    messages = list(messages)
    while messages and messages[0][0] == "system":
        system = "\n".join(filter(None, (system, messages.pop(0)[1])))
    roles = [role for role, _ in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        shown = ", ".join(roles[:6]) + (", ..." if len(roles) > 6 else "")
        raise RowFault(f"user and assistant do not alternate: {shown or 'no turns'}")
    texts = [text for _, text in messages]
    if system:
        texts[0] = f"{system}\n{texts[0]}"
    return texts


def _system(record: Mapping[str, object], columns: Columns) -> str:
    value = record.get(columns.system) if columns.system else None
    return value if isinstance(value, str) else ""


# --- media --------------------------------------------------------------------------------------


def _files(record: Mapping[str, object], names: Sequence[str], marker: str) -> list[MediumSource]:
    value = _first(record, names)
    if value is None or value == "":
        return []
    listed = value if isinstance(value, list | tuple) else [value]
    return [_medium(each, marker) for each in listed]


def _medium(value: object, marker: str) -> MediumSource:
    if isinstance(value, Mapping):  # the form of the library datasets
        if isinstance(value.get("bytes"), bytes):
            return MediumSource(marker, payload=value["bytes"])
        value = value.get("path")
    if isinstance(value, bytes):
        return MediumSource(marker, payload=value)
    if not isinstance(value, str) or not value:
        raise RowFault(f"a file of {marker} is {_shown(value)} and no path")
    if "://" in value or value.startswith("data:"):
        raise RowFault(f"{_shown(value)} is an address; put the file into the folder")
    return MediumSource(marker, name=value.removeprefix("./"))


def _with_media(
    turns: list[ForeignTurn], files: Mapping[str, list[MediumSource]]
) -> tuple[list[ForeignTurn], list[MediumSource]]:
    """The turns with one marker for every file, and the files in the order of their markers."""
    shown = [marker for turn in turns for marker in MARKER.findall(turn.asked)]
    if files[VIDEO] and not files[IMAGE] and VIDEO not in shown:
        turns = [ForeignTurn(t.asked.replace(IMAGE, VIDEO), t.answer) for t in turns]
        shown = [VIDEO] * len(shown)
    unmarked = [m for m in (IMAGE, VIDEO) for _ in files[m][shown.count(m) :]]
    if unmarked:
        lead = "".join(f"{marker}\n" for marker in unmarked)
        turns = [ForeignTurn(lead + turns[0].asked, turns[0].answer), *turns[1:]]
    order = unmarked + shown
    for marker, held in files.items():
        if order.count(marker) != len(held):
            raise RowFault(f"{order.count(marker)} times {marker} for {len(held)} files")
    left = {marker: iter(held) for marker, held in files.items()}
    return turns, [next(left[marker]) for marker in order]


def _first(record: Mapping[str, object], names: Sequence[str]) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _short(value: object) -> str:
    return str(value)[:200] if isinstance(value, str | int) else ""


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
