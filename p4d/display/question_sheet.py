"""Draws some questions of a shard as cards: marks, text, options, right answer and its facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageFont

from p4d.artifacts import read_table
from p4d.display.lettering import INK, PALE, PAPER, font, wrapped
from p4d.drawing import Encode, notice, quick_png
from p4d.review.items import Item, fact_text, items_of_shard, sample_questions
from p4d.review.question_view import basis
from p4d.review.verdicts import LETTERS

_CARD_PX = 610
_PICTURE_PX = 250
_GAP_PX = 14
_COLUMNS = 2
_FACTS = 3
"""Facts of a card that are written out; a rank rests on more."""

_RIGHT = (0, 110, 60)
_RULE = (215, 215, 215)


@dataclass(frozen=True)
class _Line:
    """A line of a card, in one style."""

    text: str
    letters: ImageFont.FreeTypeFont
    colour: tuple[int, int, int]

    @property
    def height_px(self) -> int:
        return int(self.letters.size) + 5


def question_sheet(
    folders: Mapping[str, Path], questions: int = 6, encode: Encode = quick_png
) -> bytes:
    """Cards of some questions of a shard, categories in turn, two in a row.

    Args:
        folders: of the stage `questions`, its inputs beside it.
        questions: how many.
        encode: writes the picture.
    """
    folder = folders["questions"]
    asked = read_table(folder / "questions.parquet")
    if asked.is_empty():
        return notice("no question in this shard")
    chosen = by_category(asked, questions)
    return cards_picture(items_of_shard(folder.parent.parent, folder.name, chosen), encode)


def cards_picture(items: Iterable[Item], encode: Encode = quick_png) -> bytes:
    """Cards of questions, two in a row."""
    cards = [question_card(item) for item in items]
    rows = [cards[start : start + _COLUMNS] for start in range(0, len(cards), _COLUMNS)]
    if not rows:
        return notice("no question")
    return encode(np.concatenate([_row(row) for row in rows]))


def by_category(asked: pl.DataFrame, count: int) -> pl.DataFrame:
    """Questions of as many categories as there are, sorted by category."""
    if asked.is_empty():
        return asked
    turn = pl.int_range(pl.len()).over("category")
    order = sample_questions(asked, None).with_columns(turn=turn).sort("turn", "category", "qa_id")
    return order.head(count).sort("category", "qa_id").drop("turn")


def question_card(item: Item) -> np.ndarray:
    """One question beside its marked first frame; u8 [H, 610, 3]."""
    lines = list(_lines(item, _CARD_PX - _PICTURE_PX - 3 * _GAP_PX))
    height = max(_PICTURE_PX, sum(line.height_px for line in lines)) + 2 * _GAP_PX
    canvas = Image.new("RGB", (_CARD_PX, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    marked = Image.fromarray(item.marks_hw3)
    marked.thumbnail((_PICTURE_PX, _PICTURE_PX), Image.Resampling.LANCZOS)
    canvas.paste(marked, (_GAP_PX, _GAP_PX))
    top = _GAP_PX
    for line in lines:
        place = (2 * _GAP_PX + _PICTURE_PX, top)
        draw.text(place, line.text, line.colour, font=line.letters)
        top += line.height_px
    draw.line([(_GAP_PX, height - 1), (_CARD_PX - _GAP_PX, height - 1)], fill=_RULE)
    return np.asarray(canvas)


def _lines(item: Item, width_px: int) -> Sequence[_Line]:
    small, normal, bold = font(12), font(14), font(14, bold=True)
    row = item.row

    def styled(
        text: str, letters: ImageFont.FreeTypeFont, colour: tuple[int, int, int]
    ) -> list[_Line]:
        return [_Line(line, letters, colour) for line in wrapped(text, letters, width_px)]

    source = basis(row["has_truth"], (fact.teacher for fact in item.facts))
    lines = styled(f"{row['category']} · {row['family']} · {source}", small, PALE)
    lines += styled(_with_marks(row["question"]), bold, INK)
    for number, option in enumerate(row["options"]):
        right = number == row["answer_index"]
        text = f"{LETTERS[number]}  {option}{'   ✓' if right else ''}"
        lines += styled(text, bold if right else normal, _RIGHT if right else INK)
    facts = [fact_text(fact, item.marks) for fact in item.facts]
    for fact in facts[:_FACTS]:
        who = f" of {', '.join(f'[{mark}]' for mark in fact.marks)}" if fact.marks else ""
        lines += styled(
            f"{fact.kind}{who}: {fact.value}, {fact.certainty}; {fact.when}; {fact.teacher}",
            small,
            PALE,
        )
    if len(facts) > _FACTS:
        lines += styled(f"and {len(facts) - _FACTS} more", small, PALE)
    margin = (
        f"margin {row['margin_sigma']:.1f} sigma; clip of {item.length_s:.1f} s; {row['qa_id']}"
    )
    return [*lines, *styled(margin, small, PALE)]


def _with_marks(question: str) -> str:
    """`<obj_k>` as `[k]`, the number that the picture shows."""
    return re.sub(r"<obj_(\d+)>", r"[\1]", question)


def _row(cards: Sequence[np.ndarray]) -> np.ndarray:
    height = max(card.shape[0] for card in cards)
    padded = [
        np.pad(card, ((0, height - card.shape[0]), (0, 0), (0, 0)), constant_values=255)
        for card in cards
    ]
    padded += [np.full((height, _CARD_PX, 3), 255, np.uint8)] * (_COLUMNS - len(cards))
    return np.concatenate(padded, axis=1)
