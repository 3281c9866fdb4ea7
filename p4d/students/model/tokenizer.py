"""A byte-level BPE tokenizer trained on the questions of the train split.

Every byte has a token, so any text can be encoded. Digits are single tokens, so a number has the
same tokens in every context. Letters A to E are single tokens, as the scoring of answers requires.
Merges may cross words, but neither lines nor the letters of options. A phrase of a template thus
becomes one token, an option has the same tokens in every place, and a question takes half the
tokens that it would take otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from p4d.errors import ContractError
from p4d.students.model.chat import (
    IMAGE,
    LETTERS,
    PAD,
    REGION_MARKS,
    SPECIAL_TOKENS,
    TURN_END,
    VIDEO,
)

_PIECES = rf"\n[{LETTERS}]\. |\n|\. |: |\d"


def train_tokenizer(
    texts: Iterable[str],
    vocabulary: int,
    family_tokens: Sequence[str] = (),
    *,
    min_frequency: int,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer; its special tokens come first.

    Args:
        texts: the result depends on their multiset alone, because they are sorted first.
        vocabulary: largest number of tokens.
        family_tokens: special tokens that a family needs besides those of every student.
        min_frequency: occurrences that a pair of tokens needs to be merged.
    """
    more = [token for token in family_tokens if token not in SPECIAL_TOKENS]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *more],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=TURN_END,
        additional_special_tokens=[VIDEO, IMAGE, *REGION_MARKS, *more],
        clean_up_tokenization_spaces=False,
    )


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of `text`, with nothing added."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def token_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """The id of one special token.

    Raises:
        ContractError: the tokenizer splits it.
    """
    ids = encode(tokenizer, token)
    if len(ids) != 1:
        raise ContractError(f"{token} is not a single token of this tokenizer")
    return ids[0]


def letter_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids of the answer letters, in order.

    Raises:
        ContractError: a letter is not a single token.
    """
    return [token_id(tokenizer, letter) for letter in LETTERS]
