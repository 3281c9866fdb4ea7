"""A loaded student: a transformers checkpoint, its tokenizer and the time encoding."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.model_folder import ModelFolder
from p4d.students.model.adapters import StudentAdapter, adapter_for, load_model
from p4d.students.model.attention import mask_for
from p4d.students.model.batch import PackedBatch, Pictures
from p4d.students.model.chat import LETTERS
from p4d.students.model.new_rows import rows_of
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.region_tokens import (
    as_read,
    coverage,
    described,
    region_embeddings,
    tagged,
)
from p4d.students.model.shared_prefix import scored_states, shares_prefixes

MAX_CARD_BYTES = 16 << 20

REGIONS = -2
"""Instead of a layer of `hidden_states`: what is read at regions (`region_tokens.as_read`)."""


@dataclass(frozen=True)
class Student:
    """A loaded student; every arm is loaded and asked in the same way.

    Attributes:
        adapter: the family's adapter, which holds the model.
        tokenizer: its tokenizer.
        sees_video: False for the control that reads the questions only.
        as_published: whether it is a published checkpoint that resizes videos of any size itself.
    """

    adapter: StudentAdapter
    tokenizer: PreTrainedTokenizerBase
    sees_video: bool
    as_published: bool = False

    def visual_tokens(self, frames: int) -> int:
        """Visual tokens of a clip, including the marked picture if the student reads marks."""
        stills = int(PromptSettings.of(self.adapter.model).regions == "marks")
        return self.adapter.visual_tokens(frames, stills=stills)

    def hidden(self, batch: PackedBatch) -> Tensor:
        """Last hidden states `[B, N, D]` of a batch."""
        return hidden_states(self.adapter, batch)[-1]

    @torch.no_grad()
    def answer_scores(self, batch: PackedBatch) -> Tensor:
        """Log-likelihood of each option, as its letter or as its text (`PromptSettings.answers`).

        Returns:
            `[Q, 5]` float32, one row per question of the batch in `batch.qa_ids` order; options
            that a question does not offer are -inf. Each token is normalised over the vocabulary.
        """
        self.adapter.model.eval()
        question, option = batch.scored[:, 2:].unbind(dim=1)
        likelihood = self.adapter.logits(self.scored_states(batch)).float()
        chosen = likelihood.log_softmax(dim=-1).gather(1, batch.scored_tokens[:, None])[:, 0]
        scores = chosen.new_zeros(len(batch.qa_ids), len(LETTERS))
        scores.index_put_((question, option), chosen, accumulate=True)
        offered = torch.arange(len(LETTERS), device=scores.device)
        return scores.masked_fill(offered >= batch.option_counts[:, None], float("-inf"))

    def scored_states(self, batch: PackedBatch) -> Tensor:
        """Last hidden states `[A, D]` at the places of `batch.scored`."""
        if shares_prefixes(self.adapter, batch):
            return scored_states(self.adapter, batch, *_of_clips(self.adapter, batch))
        row, position = batch.scored[:, :2].unbind(dim=1)
        return self.hidden(batch)[row, position]

    @torch.no_grad()
    def generate(self, batch: PackedBatch, *, max_new_tokens: int) -> list[str]:
        """Greedy text of each row of a batch that holds one unanswered question per row."""
        self.adapter.model.eval()
        with _seen(self.adapter, batch) as pictures:
            tokens = self.adapter.generate(
                input_ids=batch.input_ids,
                attention_mask=batch.token_mask.long(),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
                **pictures,
            )
        fresh = tokens[:, batch.input_ids.shape[1] :]
        texts: list[str] = self.tokenizer.batch_decode(fresh, skip_special_tokens=True)
        return texts


def hidden_states(
    adapter: StudentAdapter, batch: PackedBatch, layers: Collection[int] = ()
) -> dict[int, Tensor]:
    """Run a packed batch with its pictures, the time encoding and the attention mask.

    Args:
        adapter: holds the model.
        batch: packed rows.
        layers: states to keep besides the last: 0, the embedded tokens, k, the output of the
            k-th block, or REGIONS. A hook keeps each; the others are freed as usual.

    Returns:
        States `[B, N, D]` by layer; -1 is the last, after the final norm. REGIONS are `[B, K, D]`,
        and missing if no row has a region.
    """
    blocks = adapter.blocks()
    kept: dict[int, Tensor] = {}
    with ExitStack() as stack:
        for layer in set(layers) - {-1, REGIONS, len(blocks)}:
            stack.enter_context(_kept(blocks, layer, kept))
        pictures = stack.enter_context(_seen(adapter, batch, kept if REGIONS in layers else None))
        last = _run(adapter, batch, pictures)
    return kept | {-1: last} | ({len(blocks): last} if len(blocks) in layers else {})


@contextmanager
def _kept(blocks: nn.ModuleList, layer: int, kept: dict[int, Tensor]) -> Iterator[None]:
    """While open, `kept[layer]` is the input of the first block or the output of the k-th."""

    def entered(_: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        kept[0] = given[0] if given else named["hidden_states"]

    def left(_: nn.Module, given: tuple[Tensor, ...], out: Tensor | tuple[Tensor, ...]) -> None:
        kept[layer] = out[0] if isinstance(out, tuple) else out

    if layer == 0:
        handle = blocks[0].register_forward_pre_hook(entered, with_kwargs=True)
    else:
        handle = blocks[layer - 1].register_forward_hook(left)
    try:
        yield
    finally:
        handle.remove()


class _EnteredError(Exception):
    """Not an error: ends the forward pass at the first block."""


def embedded_tokens(adapter: StudentAdapter, batch: PackedBatch) -> Tensor:
    """`hidden_states(..., [0])[0]` at the cost of the encoder: the language model does not run."""
    return embedded_states(adapter, batch)[0]


def embedded_states(adapter: StudentAdapter, batch: PackedBatch) -> dict[int, Tensor]:
    """`hidden_states(..., [0, REGIONS])` without the last: the language model does not run.

    transformers offers no way to stop there that works for all families, so a hook of the first
    block raises an exception.
    """
    kept: dict[int, Tensor] = {}

    def stop(_: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        kept[0] = given[0] if given else named["hidden_states"]
        raise _EnteredError

    handle = adapter.blocks()[0].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with _seen(adapter, batch, kept) as pictures:
            _run(adapter, batch, pictures)
    except _EnteredError:
        return kept
    finally:
        handle.remove()
    raise AssertionError("the first block did not run")


def _run(adapter: StudentAdapter, batch: PackedBatch, pictures: Mapping[str, Any]) -> Tensor:
    whole = batch.attention_mask()
    return adapter.last_state(
        input_ids=batch.input_ids,
        attention_mask=whole,
        blocks_mask=mask_for(adapter.model, batch, whole),
        position_ids=batch.position_ids,
        **pictures,
    )


@contextmanager
def _seen(
    adapter: StudentAdapter, batch: PackedBatch, kept: dict[int, Tensor] | None = None
) -> Iterator[dict[str, Any]]:
    """The pictures of a batch as the model takes them; empty for an arm without video.

    While open, the embeddings of regions are extended by region_tokens, if the student reads them.
    What is read at regions goes to `kept[REGIONS]`.
    """
    if batch.frames is None or batch.times_s is None:
        yield {}
        return
    pictures = batch.pictures(batch.frames, batch.times_s)
    encoded = adapter.encode(pictures.frames, pictures.times_s, pictures.spans_s)
    added = _tied(adapter, encoded, pictures, batch.region_ids, kept)
    if pictures.of_rows is not None:
        encoded = adapter.repeated(encoded, pictures.times_s, pictures.of_rows.tolist())
        added = None if added is None else added[pictures.of_rows]
    if added is None or batch.region_ids is None:
        yield encoded
        return
    with region_embeddings(adapter.model.get_input_embeddings(), batch.region_ids, added):
        yield encoded


def _of_clips(adapter: StudentAdapter, batch: PackedBatch) -> tuple[dict[str, Any], Tensor | None]:
    """Pictures of the clips that differ, and what is added to the names of their regions."""
    if batch.frames is None or batch.times_s is None:
        return {}, None
    pictures = batch.pictures(batch.frames, batch.times_s)
    encoded = adapter.encode(pictures.frames, pictures.times_s, pictures.spans_s)
    return encoded, _tied(adapter, encoded, pictures, batch.region_ids, None)


def _tied(
    adapter: StudentAdapter,
    encoded: dict[str, Any],
    pictures: Pictures,
    region_ids: Tensor | None,
    kept: dict[int, Tensor] | None,
) -> Tensor | None:
    """Tie regions to encoded pictures; what is added to their names in each clip, `[C, K, D]`.

    None if the student reads no regions as tokens.
    """
    if pictures.masks is None or region_ids is None:
        return None
    embeddings: Any = adapter.model.get_input_embeddings()
    grid = adapter.frame_grid()
    cover = coverage(pictures.masks, grid)
    settings = PromptSettings.of(adapter.model)
    names = rows_of(embeddings, region_ids[: cover.shape[1]])
    shown = cover.new_zeros(*cover.shape[:2], adapter.hidden_width)
    read = torch.zeros_like(shown)

    def tie(row: int, features: Tensor) -> Tensor:
        if kept is not None:
            read[row] = as_read(features, cover[row], grid, settings).to(read)
        shown[row] = described(features, cover[row], grid, names, settings).to(shown)
        return tagged(features, cover[row], names)

    adapter.change_first_media(encoded, pictures.times_s, tie)
    if kept is not None:
        kept[REGIONS] = read if pictures.of_rows is None else read[pictures.of_rows]
    return shown


def save_student(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `model/` and `tokenizer/` as transformers checkpoints."""
    with no_progress_bars():
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "tokenizer")


def load_checkpoint(
    weights: Path, texts: Path, *, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model and its tokenizer from local folders; nothing is downloaded.

    Raises:
        ContractError: a folder is damaged, or asks for more than its own weights.
    """
    with no_progress_bars():
        model = load_model(weights, dtype=dtype)
    return model, ModelFolder.checked(texts).tokenizer()


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Disable the progress bars of transformers while it loads and saves."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def load(folder: Path, *, dtype: torch.dtype = torch.float32) -> Student:
    """Load any arm, or the base student, from its stage folder, with weights of `dtype`.

    Raises:
        ContractError: the folder holds no student.
    """
    if not (folder / "card.json").is_file():
        raise ContractError(f"{folder} holds no student: card.json is missing")
    model, tokenizer = load_checkpoint(folder / "model", folder / "tokenizer", dtype=dtype)
    sees_video = bool(read_card(folder)["sees_video"])
    return Student(adapter=adapter_for(model), tokenizer=tokenizer, sees_video=sees_video)


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a student's folder, which may be somebody else's.

    Raises:
        ContractError: it is damaged, or does not say whether the student sees video.
    """
    file = folder / "card.json"
    card = read_foreign_json(file, max_bytes=MAX_CARD_BYTES, name=str(file))
    if not isinstance(card, dict) or not isinstance(card.get("sees_video"), bool):
        raise ContractError(f"{file} is no card of a student: sees_video must be true or false")
    for key in ("frames", "size_px"):
        if key in card and not (type(card[key]) is int and 1 <= card[key] <= 4096):
            raise ContractError(f"{file}: {key} is {ascii(card[key])[:80]}")
    return card
