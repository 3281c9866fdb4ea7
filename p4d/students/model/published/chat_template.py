"""A checkpoint's own chat template as the texts around pictures and around a question.

The template is rendered once with a mark in place of the question. It is cut behind the last
special token before the question, because tokenizers never join text across special tokens: the
pieces on both sides can be encoded apart, and a clip is encoded once for all of its questions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from p4d.errors import ContractError

_QUESTION = "P4D-ASKS-HERE"


@dataclass(frozen=True)
class Turn:
    """The texts of a conversation that asks one question.

    Attributes:
        pieces: texts before, between and after the pictures; one more than there are pictures.
        before: text between the last special token and the question.
        after: text after the question, up to the start of the answer.
    """

    pieces: tuple[str, ...]
    before: str
    after: str


def rendered_turn(
    tokenizer: PreTrainedTokenizerBase, kinds: Sequence[str], placeholders: Sequence[str]
) -> Turn:
    """Render the tokenizer's chat template for pictures and one question.

    Args:
        tokenizer: has a chat template.
        kinds: `image` or `video` of each picture, in order.
        placeholders: tokens that stand for one picture in the rendered text.

    Raises:
        ContractError: the template fails, or drops the question or pictures.
    """
    content: Any = [*({"type": kind} for kind in kinds), {"type": "text", "text": _QUESTION}]
    try:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # a template is code of somebody else, in Jinja's sandbox
        raise ContractError(
            f"the checkpoint's chat template failed ({type(error).__name__}: {ascii(error)[:200]})"
        ) from error
    parts = str(text).split(_QUESTION)
    if len(parts) != 2:
        raise ContractError("the checkpoint's chat template does not show the question once")
    pieces = re.split("|".join(map(re.escape, placeholders)), parts[0])
    if len(pieces) != len(kinds) + 1:
        raise ContractError(
            f"the checkpoint's chat template shows {len(pieces) - 1} of {len(kinds)} pictures"
        )
    special = {token.content for token in tokenizer.added_tokens_decoder.values()}
    last = pieces[-1]
    cut = max((last.rfind(t) + len(t) for t in special if t and t in last), default=0)
    return Turn((*pieces[:-1], last[:cut]), last[cut:], parts[1])
