"""A byte-level BPE tokenizer trained on the questions of the train split.

Every byte has a token, so any text can be read; digits stay single, so a number is spelled the same
way wherever it stands. Letters A to E are single tokens, which the scoring of answers relies on.
Merges may cross words but neither lines nor the marks of options, so that a phrase of a template is
one token and an option is written alike wherever it stands: a question takes half the tokens.
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
    texts: Iterable[str], vocabulary: int, family_tokens: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Train on `texts`; at most `vocabulary` tokens, special tokens first.

    `family_tokens` are special tokens that a family needs besides those of every student.
    The result depends on the multiset of texts alone: they are sorted before training.
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
        min_frequency=2,
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
