"""Qwen2.5-VL and Qwen3-VL: an encoder of tubelets, a merger of 2 x 2 patches, M-RoPE.

Two frames share a slot of visual tokens. A still is read as an image, whose picture the encoder
repeats. Qwen2.5-VL reads a video as one run of placeholders and spaces its slots by seconds.
Qwen3-VL encloses each slot in vision start and end, and adds features of early encoder blocks to
early blocks of the language model (DeepStack); those bypass the merger and carry no time encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration

from p4d.errors import ContractError
from p4d.students.model.adapters.picture_format import (
    PictureFormat,
    pictures_of,
    tubelet_patches,
)
from p4d.students.model.adapters.protocol import (
    Frames,
    Size,
    Spell,
    added_before,
    media_of,
    media_of_rows,
    repeated_media,
)
from p4d.students.model.adapters.qwen_vl_network import QwenVL, picture_format
from p4d.students.model.prompt_settings import PromptSettings
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
        self._tells_time = PromptSettings.of(model).time == "tpe"
        cell_px = self._cell_px = self._patch_px * self._merge
        self._pictures = pictures_of(model, picture_format(model, cell_px))
        if isinstance(self._pictures, PictureFormat) and (
            self._pictures.size_px < cell_px or self._pictures.size_px % cell_px
        ):
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
        height, width = self._pictures.fixed_hw()
        return height // self._cell_px, width // self._cell_px

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Merged tokens of all tubelets and stills."""
        height, width = self._pictures.fixed_hw()
        still = self._cells(self._pictures.size_of(1, height, width, still=True)) if stills else 0
        slots = math.ceil(frames / self.frames_per_slot)
        return slots * self._cells((height, width)) + stills * still

    def visual_ids(self, times_s: Sequence[float], spell: Spell) -> list[int]:
        """Placeholders between vision start and end: per still, per video, or per slot."""
        del spell
        cells, ids = self._cells(self._pictures.fixed_hw()), []
        for medium in media_of(times_s):
            pad = self._image if medium.is_still else self._video
            slots = math.ceil((medium.stop - medium.start) / self.frames_per_slot)
            runs = [cells] * slots if self._encloses_slots else [cells * slots]
            for run in runs:
                ids += [self._start, *[pad] * run, self._end]
        return ids

    def placeholders(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
        """The padding tokens of images and of videos."""
        named = tokenizer.convert_ids_to_tokens
        return str(named(self._image)), str(named(self._video))

    def media_ids(self, times_s: Sequence[float], size_hw: Size, spell: Spell) -> list[list[int]]:
        """As the processors write them; the template itself encloses each picture.

        Qwen3-VL writes the seconds of each slot before it and encloses it once more.
        """
        found = []
        for medium in media_of(times_s):
            frames = medium.stop - medium.start
            size = self._pictures.size_of(frames, *size_hw, still=medium.is_still)
            cells = self._cells(size)
            if medium.is_still:
                found.append([self._image] * cells)
            elif not self._encloses_slots:
                found.append([self._video] * (cells * math.ceil(frames / self.frames_per_slot)))
            else:
                ids: list[int] = []
                for time_s in self._slot_seconds(times_s[medium.start : medium.stop]):
                    ids += spell(f"<{time_s:.1f} seconds>")
                    ids += [self._start, *[self._video] * cells, self._end]
                found.append(ids)
        return found

    def _cells(self, size_hw: Size) -> int:
        return (size_hw[0] // self._cell_px) * (size_hw[1] // self._cell_px)

    def _slot_seconds(self, times_s: Sequence[float]) -> list[float]:
        """Mean of the first and the last time of each slot, as Qwen3-VL's processor."""
        step = self.frames_per_slot
        times = [*times_s, *[times_s[-1]] * (-len(times_s) % step)]
        return [(times[at] + times[at + step - 1]) / 2 for at in range(0, len(times), step)]

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Placeholders of images and videos."""
        return (input_ids == self._image) | (input_ids == self._video)

    def encode(
        self, frames_bfhw3: Frames, times_s: Tensor, spans_s: Tensor | None = None
    ) -> dict[str, Any]:
        """Encode stills as images, the rest as videos; adds the time encoding before the merger."""
        patches: dict[bool, list[Tensor]] = {True: [], False: []}
        grids: dict[bool, list[tuple[int, int, int]]] = {True: [], False: []}
        slot_times: list[Tensor] = []
        spacing_s: list[float] = []
        for medium in media_of_rows(times_s):
            rows, grid = tubelet_patches(
                self._pictures.normalised(medium.part_of(frames_bfhw3), still=medium.is_still),
                patch_px=self._patch_px,
                frames=self.frames_per_slot,
                merge=self._merge,
            )
            patches[medium.is_still].append(rows)
            grids[medium.is_still].append(grid)
            if not medium.is_still:
                slot_times.append(self._slot_times(medium.part_of(times_s)))
                if spans_s is None:
                    spacing_s.append(_spacing_s(slot_times[-1]))
                else:
                    spacing_s.append(
                        self.frames_per_slot * float(spans_s[medium.row]) / medium.frames
                    )
        model, encoded, inputs = self.model.model, {}, {}
        if patches[True]:
            grid_thw = torch.tensor(grids[True], device=times_s.device)
            encoded["image"] = model.get_image_features(
                torch.cat(patches[True]), grid_thw, return_dict=True
            )
            inputs["image_grid_thw"] = grid_thw
        if patches[False]:
            grid_thw = torch.tensor(grids[False], device=times_s.device)
            with self._time_added(model.visual.merger, slot_times, grids[False]):
                encoded["video"] = model.get_video_features(
                    torch.cat(patches[False]), grid_thw, return_dict=True
                )
            inputs["video_grid_thw"] = grid_thw
            if self._slots_per_s is not None:
                inputs["second_per_grid_ts"] = torch.tensor(spacing_s, device=grid_thw.device)
        return {"mm_encoder_outputs": encoded, **inputs}

    def _time_added(
        self, merger: nn.Module, slot_times: Sequence[Tensor], grids: Sequence[tuple[int, int, int]]
    ) -> AbstractContextManager[None]:
        """While open, every patch that enters the merger carries the time of its slot."""
        if not self._tells_time:
            return nullcontext()
        encoding = time_encoding(torch.cat(list(slot_times)), self._encoder_width)
        sizes = [rows * columns for _, rows, columns in grids]
        if len(set(sizes)) > 1:  # pictures of several sizes: one vector per patch
            of_slots = encoding.split([len(times) for times in slot_times])
            encoding = torch.cat(
                [
                    each.repeat_interleave(size, dim=0)
                    for each, size in zip(of_slots, sizes, strict=True)
                ]
            )
        return added_before(merger, encoding)

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

    def repeated(
        self, encoded: dict[str, Any], times_s: Tensor, rows: Sequence[int]
    ) -> dict[str, Any]:
        """Stills and videos are stored separately, in tuples; each has its size, too."""
        inputs = dict(encoded)
        inputs["mm_encoder_outputs"] = outputs = dict(encoded["mm_encoder_outputs"])
        for kind, output in outputs.items():
            media = [m for m in media_of_rows(times_s) if m.is_still == (kind == "image")]
            order = repeated_media(media, rows)
            wanted: dict[str, Any] = {
                "pooler_output": tuple(output.pooler_output[at] for at in order)
            }
            if "deepstack_features" in output:
                wanted["deepstack_features"] = [
                    tuple(layer[at] for at in order) for layer in output.deepstack_features
                ]
            outputs[kind] = type(output)(**wanted)
            inputs[f"{kind}_grid_thw"] = encoded[f"{kind}_grid_thw"][order]
            if kind == "video" and "second_per_grid_ts" in encoded:
                inputs["second_per_grid_ts"] = encoded["second_per_grid_ts"][order]
        return inputs

    def last_state(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Run the network without its language head, with three-dimensional positions."""
        ids, positions = inputs["input_ids"], inputs["position_ids"]
        past = inputs.get("past_key_values")
        if past is None or not past.get_seq_length():
            names = ("second_per_grid_ts", "image_grid_thw", "video_grid_thw")
            grids = (inputs.get(name) for name in names)
            positions = self.positions(ids, positions, inputs["attention_mask"], *grids)
        last: Tensor = self.model.model(
            input_ids=ids,
            attention_mask=inputs.get("blocks_mask", inputs["attention_mask"]),
            position_ids=positions.expand(3, -1, -1),
            mm_encoder_outputs=inputs.get("mm_encoder_outputs"),
            past_key_values=past,
            use_cache=past is not None,
        ).last_hidden_state
        return last

    def positions(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        seen: Tensor,
        slot_s: Tensor | None,
        image_grids: Tensor | None = None,
        video_grids: Tensor | None = None,
    ) -> Tensor:
        """Positions in time, height and width `[3, B, N]` from plain ones `[B, N]`.

        A run of visual tokens advances the text by the longer side of its grid only. The shift of a
        token is therefore summed over the runs that it attends to (`seen`, `[B, 1, N, N]`), so that
        packed questions, each of which restarts after the clip, get the positions they have alone.
        """
        visual, begins, within, (rows, columns) = self._runs(input_ids, image_grids, video_grids)
        saved = _saved(visual, within, rows, columns)
        # Whole numbers below 2^24 are exact in float32; not every device multiplies integers.
        earlier = (seen[:, 0].float() @ saved[..., None].float()).squeeze(-1).long() - saved
        plain = position_ids - earlier
        base = plain - within
        slot, cell = within // (rows * columns), within % (rows * columns)
        steps = slot if slot_s is None else self._spaced(slot, input_ids, begins, slot_s)
        axes = torch.stack([steps, cell // columns, cell % columns])
        return torch.where(visual, base + axes, plain)

    def text_shift(self, input_ids: Tensor, **pictures: Any) -> Tensor:  # noqa: ANN401
        """Minus what the runs of visual tokens save, as in `positions`."""
        visual, _, within, (rows, columns) = self._runs(
            input_ids, pictures.get("image_grid_thw"), pictures.get("video_grid_thw")
        )
        return -_saved(visual, within, rows, columns).sum(dim=1)

    def _runs(
        self, input_ids: Tensor, image_grids: Tensor | None, video_grids: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Runs of visual tokens `[B, N]`: where they are, where they begin, places within; grids.

        Outside of runs, places and grids mean nothing.
        """
        visual = self.visual_mask(input_ids)
        begins = visual & ~_neighbour(visual, step=-1)
        order = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        within = order - torch.where(begins, order, 0).cummax(dim=1).values
        return visual, begins, within, self._run_grids(input_ids, begins, image_grids, video_grids)

    def _run_grids(
        self, ids: Tensor, begins: Tensor, image_grids: Tensor | None, video_grids: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Rows and columns `[B, N]` of the run of visual tokens that each position is in."""
        if image_grids is None and video_grids is None:
            height, width = self._pictures.fixed_hw() if begins.any() else (1, 1)
            cells = torch.tensor([max(1, height // self._cell_px), max(1, width // self._cell_px)])
            rows, columns = cells.to(ids.device)
            return rows.expand_as(ids), columns.expand_as(ids)
        shape = torch.ones(2, *ids.shape, dtype=torch.long, device=ids.device)
        for kind, grids in ((self._image, image_grids), (self._video, video_grids)):
            if grids is None:
                continue
            if kind == self._video and self._encloses_slots:
                grids = grids.repeat_interleave(grids[:, 0], dim=0)
            runs = begins & (ids == kind)
            number = (runs.flatten().cumsum(0) - 1).view_as(ids).clamp(0, len(grids) - 1)
            cells = grids[number, 1:].movedim(-1, 0) // self._merge
            shape = torch.where(ids == kind, cells, shape)
        return shape[0], shape[1]

    def _spaced(self, slot: Tensor, input_ids: Tensor, begins: Tensor, slot_s: Tensor) -> Tensor:
        """Positions in time of Qwen2.5-VL, whose videos have a number of positions per second."""
        videos = begins & (input_ids == self._video)
        number = videos.flatten().cumsum(0).view_as(slot) - 1
        interval = slot_s[number.clamp(min=0)] * self._slots_per_s
        return torch.where(input_ids == self._video, (slot * interval).long(), slot)

    def blocks(self) -> nn.ModuleList:
        """The blocks of the language model."""
        blocks: nn.ModuleList = self.model.model.language_model.layers
        return blocks

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
        rows, columns = self.frame_grid()
        expected = {
            sum(self.visual_tokens(m.stop - m.start) for m in media_of(row) if not m.is_still)
            for row in times_s.tolist()
        }
        if counts != expected or len(counts) != 1:
            raise ContractError(
                f"rows hold {sorted(counts)} visual tokens of videos; their frames need "
                f"{sorted(expected)}, and every row as many"
            )
        return hidden[mask].view(len(hidden), -1, rows, columns, hidden.shape[-1])

    def _slot_times(self, times_s: Tensor) -> Tensor:
        """Time of each tubelet: the mean of the times of its frames."""
        if missing := -len(times_s) % self.frames_per_slot:
            times_s = torch.cat([times_s, times_s[-1:].expand(missing)])
        return times_s.view(-1, self.frames_per_slot).mean(dim=1)


def _saved(visual: Tensor, within: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Positions that each run of visual tokens saves, at its last token `[B, N]`."""
    ends = visual & ~_neighbour(visual, step=1)
    return torch.where(ends, within + 1 - torch.maximum(rows, columns), 0)


def _neighbour(mask: Tensor, *, step: int) -> Tensor:
    """The mask at the position before (-1) or after (1); False beyond the row."""
    edge = torch.zeros_like(mask[:, :1])
    return torch.cat([mask[:, 1:], edge] if step > 0 else [edge, mask[:, :-1]], dim=1)


def _spacing_s(slot_times_s: Tensor) -> float:
    """Mean seconds between slots; 1, as transformers assumes, for a single slot."""
    if len(slot_times_s) < 2:
        return 1.0
    return float(slot_times_s[-1] - slot_times_s[0]) / (len(slot_times_s) - 1)
