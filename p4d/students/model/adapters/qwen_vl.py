"""Qwen2.5-VL and Qwen3-VL: an encoder of tubelets, a merger of 2 x 2 patches, M-RoPE.

Two frames share a slot of visual tokens. A still is read as an image, whose picture the encoder
repeats. Qwen2.5-VL reads a video as one run of placeholders and spaces its slots by seconds.
Qwen3-VL encloses each slot in vision start and end, and adds features of early encoder blocks to
early blocks of the language model (DeepStack); those bypass the merger and carry no time encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen3VLForConditionalGeneration

from p4d.errors import ContractError
from p4d.students.model.adapters.picture_format import PictureFormat, tubelet_patches
from p4d.students.model.adapters.protocol import added_before, media_of, media_of_rows
from p4d.students.model.adapters.qwen_vl_network import QwenVL, picture_format
from p4d.students.model.time_encoding import time_encoding


class QwenVLAdapter:
    """One slot of visual tokens per tubelet."""

    def __init__(self, model: QwenVL) -> None:
        """Wrap `model`.

        Raises:
            ContractError: its config names a size of pictures that the merger cannot divide.
        """
        self.model = model
        config: Any = model.config
        vision: Any = config.vision_config
        self._encloses_slots = isinstance(model, Qwen3VLForConditionalGeneration)
        self._start, self._end = config.vision_start_token_id, config.vision_end_token_id
        self._image, self._video = config.image_token_id, config.video_token_id
        self._patch_px: int = vision.patch_size
        self._merge: int = vision.spatial_merge_size
        self._encoder_width: int = vision.hidden_size
        self._slots_per_s: Any = getattr(vision, "tokens_per_second", None)
        self.frames_per_slot: int = vision.temporal_patch_size
        self.hidden_width: int = config.text_config.hidden_size
        cell_px = self._patch_px * self._merge
        self._pictures = PictureFormat.of(model, picture_format(model, cell_px))
        self._side, rest = divmod(self._pictures.size_px, cell_px)
        if not self._side or rest:
            raise ContractError(
                f"pictures of {self._pictures.size_px} px do not divide into cells of {cell_px} px "
                f"({type(model).__name__}); change student.patch_px or clips.size_px"
            )

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table."""
        rows: int = self.model.lm_head.out_features
        return rows

    def encoder(self) -> nn.Module:
        """The vision tower; its mergers are part of it."""
        tower: nn.Module = self.model.model.visual
        return tower

    def projector(self) -> list[nn.Module]:
        """The merger and, in Qwen3-VL, those of early features."""
        visual = self.model.model.visual
        return [visual.merger, *getattr(visual, "deepstack_merger_list", [])]

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns after the merger."""
        return self._side, self._side

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Merged tokens of all tubelets and stills."""
        return (math.ceil(frames / self.frames_per_slot) + stills) * self._side**2

    def visual_ids(self, times_s: Sequence[float]) -> list[int]:
        """Placeholders between vision start and end: per still, per video, or per slot."""
        cells, ids = self._side**2, []
        for medium in media_of(times_s):
            pad = self._image if medium.is_still else self._video
            slots = math.ceil((medium.stop - medium.start) / self.frames_per_slot)
            runs = [cells] * slots if self._encloses_slots else [cells * slots]
            for run in runs:
                ids += [self._start, *[pad] * run, self._end]
        return ids

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Placeholders of images and videos."""
        return (input_ids == self._image) | (input_ids == self._video)

    def encode(self, frames_bfhw3: Tensor, times_s: Tensor) -> dict[str, Any]:
        """Encode stills as images, the rest as videos; adds the time encoding before the merger."""
        patches: dict[bool, list[Tensor]] = {True: [], False: []}
        grids: dict[bool, list[tuple[int, int, int]]] = {True: [], False: []}
        slot_times: list[Tensor] = []
        for medium in media_of_rows(times_s):
            rows, grid = tubelet_patches(
                self._pictures.normalised(medium.part_of(frames_bfhw3)),
                patch_px=self._patch_px,
                frames=self.frames_per_slot,
                merge=self._merge,
            )
            patches[medium.is_still].append(rows)
            grids[medium.is_still].append(grid)
            if not medium.is_still:
                slot_times.append(self._slot_times(medium.part_of(times_s)))
        model, encoded, inputs = self.model.model, {}, {}
        if patches[True]:
            grid_thw = torch.tensor(grids[True], device=frames_bfhw3.device)
            encoded["image"] = model.get_image_features(
                torch.cat(patches[True]), grid_thw, return_dict=True
            )
            inputs["image_grid_thw"] = grid_thw
        if patches[False]:
            grid_thw = torch.tensor(grids[False], device=frames_bfhw3.device)
            encoding = time_encoding(torch.cat(slot_times), self._encoder_width)
            with added_before(model.visual.merger, encoding):
                encoded["video"] = model.get_video_features(
                    torch.cat(patches[False]), grid_thw, return_dict=True
                )
            inputs["video_grid_thw"] = grid_thw
            if self._slots_per_s is not None:
                spacing_s = [_spacing_s(times) for times in slot_times]
                inputs["second_per_grid_ts"] = torch.tensor(spacing_s, device=grid_thw.device)
        return {"mm_encoder_outputs": encoded, **inputs}

    def change_first_media(
        self, encoded: dict[str, Any], times_s: Tensor, change: Callable[[int, Tensor], Tensor]
    ) -> None:
        """Stills and videos are stored separately, each in the order of the rows."""
        outputs = encoded["mm_encoder_outputs"]
        features = {kind: list(output.pooler_output) for kind, output in outputs.items()}
        passed = dict.fromkeys(features, 0)
        for medium in media_of_rows(times_s):
            kind = "image" if medium.is_still else "video"
            if medium.is_first:
                at = passed[kind]
                features[kind][at] = change(medium.row, features[kind][at])
            passed[kind] += 1
        for kind, output in outputs.items():
            output.pooler_output = tuple(features[kind])

    def states(self, **inputs: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
        """Run the network without its language head, with three-dimensional positions."""
        positions = self.positions(
            inputs["input_ids"],
            inputs["position_ids"],
            inputs["attention_mask"],
            inputs.get("second_per_grid_ts"),
        )
        states: tuple[Tensor, ...] = self.model.model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            position_ids=positions,
            mm_encoder_outputs=inputs.get("mm_encoder_outputs"),
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
        return states

    def positions(
        self, input_ids: Tensor, position_ids: Tensor, seen: Tensor, slot_s: Tensor | None
    ) -> Tensor:
        """Positions in time, height and width `[3, B, N]` from plain ones `[B, N]`.

        A run of visual tokens advances the text by the side of its grid only. The shift of a token
        is therefore summed over the runs that it attends to (`seen`, `[B, 1, N, N]`), so that
        packed questions, each of which restarts after the clip, get the positions they have alone.
        """
        visual = self.visual_mask(input_ids)
        begins = visual & ~_neighbour(visual, step=-1)
        ends = visual & ~_neighbour(visual, step=1)
        order = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        first = torch.where(begins, order, 0).cummax(dim=1).values
        within = order - first
        saved = torch.where(ends, within + 1 - self._side, 0)
        # Whole numbers below 2^24 are exact in float32; not every device multiplies integers.
        earlier = (seen[:, 0].float() @ saved[..., None].float()).squeeze(-1).long() - saved
        plain = position_ids - earlier
        base = plain - within
        slot, cell = within // self._side**2, within % self._side**2
        steps = slot if slot_s is None else self._spaced(slot, input_ids, begins, slot_s)
        axes = torch.stack([steps, cell // self._side, cell % self._side])
        return torch.where(visual, base + axes, plain)

    def _spaced(self, slot: Tensor, input_ids: Tensor, begins: Tensor, slot_s: Tensor) -> Tensor:
        """Positions in time of Qwen2.5-VL, whose videos have a number of positions per second."""
        videos = begins & (input_ids == self._video)
        number = videos.flatten().cumsum(0).view_as(slot) - 1
        interval = slot_s[number.clamp(min=0)] * self._slots_per_s
        return torch.where(input_ids == self._video, (slot * interval).long(), slot)

    def first_block(self) -> nn.Module:
        """The first block of the language model."""
        block: nn.Module = self.model.model.language_model.layers[0]
        return block

    def generate(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Generate with `transformers`, which derives positions from the types of tokens."""
        ids: Tensor = inputs["input_ids"]
        if "mm_encoder_outputs" in inputs:
            kinds = (ids == self._image).int() + 2 * (ids == self._video).int()
            inputs["mm_token_type_ids"] = kinds
        model: Any = self.model
        model.model.rope_deltas = None  # of an earlier call
        tokens: Tensor = model.generate(**inputs)
        return tokens

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language head."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, times_s: Tensor) -> Tensor:
        """Gather by mask; stills have their own placeholder."""
        mask = input_ids == self._video
        counts = set(mask.sum(dim=1).tolist())
        expected = {
            sum(self.visual_tokens(m.stop - m.start) for m in media_of(row) if not m.is_still)
            for row in times_s.tolist()
        }
        if counts != expected or len(counts) != 1:
            raise ContractError(
                f"rows hold {sorted(counts)} visual tokens of videos; their frames need "
                f"{sorted(expected)}, and every row as many"
            )
        return hidden[mask].view(len(hidden), -1, self._side, self._side, hidden.shape[-1])

    def _slot_times(self, times_s: Tensor) -> Tensor:
        """Time of each tubelet: the mean of the times of its frames."""
        if missing := -len(times_s) % self.frames_per_slot:
            times_s = torch.cat([times_s, times_s[-1:].expand(missing)])
        return times_s.view(-1, self.frames_per_slot).mean(dim=1)


def _neighbour(mask: Tensor, *, step: int) -> Tensor:
    """The mask at the position before (-1) or after (1); False beyond the row."""
    edge = torch.zeros_like(mask[:, :1])
    return torch.cat([mask[:, 1:], edge] if step > 0 else [edge, mask[:, :-1]], dim=1)


def _spacing_s(slot_times_s: Tensor) -> float:
    """Mean seconds between slots; 1, as transformers assumes, for a single slot."""
    if len(slot_times_s) < 2:
        return 1.0
    return float(slot_times_s[-1] - slot_times_s[0]) / (len(slot_times_s) - 1)
