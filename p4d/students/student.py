"""A student as it is used: a transformers checkpoint, its tokenizer and the time encoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from p4d.artifacts import read_json
from p4d.errors import ContractError
from p4d.students.adapters import StudentAdapter, adapter_for, load_model
from p4d.students.data import Batch
from p4d.students.tokenizer import letter_ids


@dataclass(frozen=True)
class Student:
    """A loaded student. Every arm is loaded and asked in the same way.

    Attributes:
        adapter: the family's adapter, which holds the model.
        tokenizer: its tokenizer.
        sees_video: False for the control that reads only the questions.
    """

    adapter: StudentAdapter
    tokenizer: PreTrainedTokenizerBase
    sees_video: bool

    def hidden(self, batch: Batch) -> Tensor:
        """Last hidden states `[B, N, D]` of a batch."""
        return hidden_states(self.adapter, batch)

    @torch.no_grad()
    def answer_scores(self, batch: Batch) -> Tensor:
        """Log-likelihood of each letter at the answer position.

        Returns:
            `[Q, 5]` float32, one row per question of the batch in `batch.qa_ids` order; letters
            that a question does not offer are -inf. Rows are normalised over the vocabulary.
        """
        self.adapter.model.eval()
        rows = self.hidden(batch)[batch.letter_rows[:, 0], batch.letter_rows[:, 1]]
        scores = self.adapter.logits(rows).log_softmax(dim=-1)
        letters = scores[:, torch.tensor(letter_ids(self.tokenizer), device=scores.device)]
        offered = torch.arange(letters.shape[1], device=scores.device)
        return letters.masked_fill(offered >= batch.option_counts[:, None], float("-inf"))

    @torch.no_grad()
    def generate(self, batch: Batch, *, max_new_tokens: int) -> list[str]:
        """Greedy text of each row of a batch that holds one unanswered question per row."""
        self.adapter.model.eval()
        arguments: dict[str, Tensor] = {"input_ids": batch.input_ids}
        arguments["attention_mask"] = batch.token_mask.long()
        times = None
        if batch.frames is not None:
            arguments |= self.adapter.pixel_inputs(batch.frames)
            times = batch.times_s
        model: Any = self.adapter.model  # the mixin that generates is not part of its type
        with self.adapter.at_times(times):
            tokens = model.generate(
                **arguments,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        fresh = tokens[:, batch.input_ids.shape[1] :]
        texts: list[str] = self.tokenizer.batch_decode(fresh, skip_special_tokens=True)
        return texts


def hidden_states(adapter: StudentAdapter, batch: Batch) -> Tensor:
    """Run a packed batch: pictures, time encoding, and the mask that keeps questions apart."""
    arguments = {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask(),
        "position_ids": batch.position_ids,
    }
    if batch.frames is None:
        return adapter.last_hidden(**arguments)
    with adapter.at_times(batch.times_s):
        return adapter.last_hidden(**arguments, **adapter.pixel_inputs(batch.frames))


def save_student(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `model/` and `tokenizer/` as transformers checkpoints."""
    with _no_progress_bars():
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "tokenizer")


def load_checkpoint(weights: Path, texts: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model and its tokenizer from local folders; nothing is ever fetched."""
    with _no_progress_bars():
        model = load_model(str(weights))
    tokenizer = AutoTokenizer.from_pretrained(str(texts), local_files_only=True)
    return model, tokenizer


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def load(folder: Path) -> Student:
    """Load any arm, or the base student, from its stage folder.

    Raises:
        ContractError: the folder holds no student.
    """
    if not (folder / "card.json").is_file():
        raise ContractError(f"{folder} holds no student: card.json is missing")
    model, tokenizer = load_checkpoint(folder / "model", folder / "tokenizer")
    sees_video = bool(read_json(folder / "card.json")["sees_video"])
    return Student(adapter=adapter_for(model), tokenizer=tokenizer, sees_video=sees_video)
