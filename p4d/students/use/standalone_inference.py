"""Asks an exported student; needs torch, transformers and numpy only.

    student = Student("this_folder")
    student.ask(frames_thw3, times_s, "Which way does <obj_1> move?", ["left", "right"], regions)

Frames are u8 squares of the size in p4d.json, sampled at its rate; times are seconds since the
first frame. The meaning of `regions` depends on `reading.regions` in config.json: for `marks` it is
a u8 picture, the first frame with the regions drawn on it; for `tokens` their 0/1 masks [K, S, S]
in the first frame. What this file adds to the network has no parameters: an encoding of time
(arXiv 2512.17012, Eq. 5) and, for `tokens`, the contrast and the place of the features in a mask.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling

NO_TIME = float("nan")
KINDS = ("image", "video")


def time_encoding(times_s: Sequence[float], width: int) -> Tensor:
    """Sines and cosines `[T, width]`; zeros for NaN."""
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angle = torch.as_tensor(times_s, dtype=torch.float64)[:, None] / 10_000.0 ** (even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).nan_to_num(0.0).float()


def timed(module: nn.Module, times_s: Sequence[float], encode: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Run `encode` with the time encoding added to the input of `module`."""

    def add(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        x, encoding = given[0], time_encoding(times_s, given[0].shape[-1])
        return ((x.reshape(len(times_s), -1, x.shape[-1]) + encoding[:, None].to(x)).view(x.shape),)

    handle = module.register_forward_pre_hook(add)
    try:
        return encode()
    finally:
        handle.remove()


def described(first: Tensor, cover: Tensor, side: int, scales: tuple[float, float]) -> Tensor:
    """Contrast of a region to its frame, and its place, `[K, D]`; zeros if it is empty."""
    total = cover.sum(-1, keepdim=True).clamp_min(1e-6)
    content = cover / total @ first - first.mean(dim=0)
    middle = (torch.arange(side) + 0.5) / side
    share = cover.unflatten(-1, (side, side))
    x, y = share.sum(-2) @ middle / total[:, 0], share.sum(-1) @ middle / total[:, 0]
    octaves = math.pi * 2.0 ** torch.linspace(0, 4, first.shape[-1] // 6)
    extent = (total[:, 0] / side**2).sqrt()
    angles = torch.cat([measure[:, None] * octaves for measure in (x, y, extent)], dim=-1)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    where = nn.functional.pad(waves, (0, first.shape[-1] - waves.shape[-1]))
    content, where = (nn.functional.normalize(part, dim=-1) for part in (content, where))
    return (cover.sum(-1, keepdim=True) > 0) * (scales[0] * content + scales[1] * where)


class ExportedStudent:
    """A student in the folder of its export."""

    def __init__(self, folder: str) -> None:
        """Load the network, its tokenizer and p4d.json."""
        self.pictures = json.loads((Path(folder) / "p4d.json").read_text(encoding="utf-8"))[
            "pictures"
        ]
        self.tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        self.model: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
        ).eval()
        self.config: Any = self.model.config
        self.is_qwen = "qwen" in self.config.model_type
        self.is_internvl = self.config.model_type == "internvl"
        settings = {"regions": "marks", "answers": "letter", **getattr(self.config, "reading", {})}
        self.reads_tokens = settings["regions"] == "tokens"
        self.answers_letters = settings["answers"] == "letter"
        self.scales = settings.get("content_scale", 1.5), settings.get("place_scale", 1.2)

    @torch.no_grad()
    def ask(
        self,
        frames_thw3: np.ndarray,
        times_s: Sequence[float],
        question: str,
        options: Sequence[str] = (),
        regions: np.ndarray | None = None,
        max_new_tokens: int = 64,
    ) -> dict[str, float] | str:
        """Probability of each option; generated text if there are none."""
        lines = [f"{letter}. {text}\n" for letter, text in zip("ABCDE", options, strict=False)]
        turn = f"\n{question}\n{''.join(lines)}<|im_end|>\n<|im_start|>assistant\n"
        marked = [] if regions is None or self.reads_tokens else [regions[None]]
        see = self._see_internvl if self.is_internvl else self._see_onevision
        see = self._see_qwen if self.is_qwen else see
        seen, shown = see(frames_thw3, times_s, marked)
        prompt = [*self._ids("<|im_start|>user\n"), *shown, *self._ids(turn)]
        tied = None if regions is None or not self.reads_tokens else self._tied(seen, regions)
        with tied or nullcontext():
            if not options:
                inputs = self._inputs(prompt, seen)
                out = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)[
                    0, len(prompt) :
                ]
                text: str = self.tokenizer.decode(out, skip_special_tokens=True)
                return text.strip()
            answers = "ABCDE"[: len(options)] if self.answers_letters else options
            likelihood = torch.stack(
                [self._likelihood(prompt, self._ids(a), seen) for a in answers]
            )
        return dict(zip(options, likelihood.softmax(dim=0).tolist(), strict=True))

    def _likelihood(self, prompt: list[int], answer: list[int], seen: dict[str, Any]) -> Tensor:
        logits = self.model(**self._inputs([*prompt, *answer[:-1]], seen)).logits[0]
        scores = logits[len(prompt) - 1 :].log_softmax(dim=-1)
        return scores.gather(1, torch.tensor(answer)[:, None]).sum()

    def _inputs(self, ids: list[int], seen: dict[str, Any]) -> dict[str, Any]:
        tokens = torch.tensor([ids])
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **seen}
        if self.is_qwen:
            image, video = (tokens == getattr(self.config, f"{k}_token_id") for k in KINDS)
            inputs["mm_token_type_ids"] = image.int() + 2 * video.int()
            self.model.model.rope_deltas = None
        return inputs

    @contextmanager
    def _tied(self, seen: dict[str, Any], masks_khw: np.ndarray) -> Iterator[None]:
        """Tie the tokens <obj_k> to the features of the first slot in mask k."""
        output = seen["mm_encoder_outputs"]["image" if self.is_internvl else "video"]
        features = output.pooler_output[0]
        v = self.config.vision_config
        if self.is_internvl:
            side = math.isqrt(len(features))
        elif self.is_qwen:
            side = self.pictures["size_px"] // (v.patch_size * v.spatial_merge_size)
        else:
            side = math.ceil(v.image_size // v.patch_size / 2)
        masks = torch.as_tensor(masks_khw).float()[None]
        cover = nn.functional.adaptive_avg_pool2d(masks, (side, side))[0].flatten(1)
        names = torch.tensor([self._ids(f"<obj_{k + 1}>")[0] for k in range(len(cover))])
        table = self.model.get_input_embeddings()
        first, named = features[: side * side], table.weight[names]
        shown = named.norm(dim=-1, keepdim=True) * described(first, cover, side, self.scales)
        tagged = torch.cat([first + cover.T @ named, features[side * side :]])
        if self.is_internvl:  # one entry per picture; the first frame's tokens are tied
            output.pooler_output = torch.cat([tagged[None], output.pooler_output[1:]])
        else:
            output.pooler_output = [tagged] if self.is_qwen else tagged[None]

        def add(_: nn.Module, given: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
            return embedded + (given[0][..., None] == names).to(embedded) @ shown

        handle = table.register_forward_hook(add)
        try:
            yield
        finally:
            handle.remove()

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _pixels(self, frames_thw3: np.ndarray) -> Tensor:
        x = torch.as_tensor(frames_thw3).permute(0, 3, 1, 2).float() / 255.0
        size = (self.pictures["size_px"],) * 2
        if x.shape[-2:] != size:
            x = nn.functional.interpolate(x, size, mode="bicubic").clamp(0.0, 1.0)
        mean, std = (torch.tensor(self.pictures[key]).view(3, 1, 1) for key in ("mean", "std"))
        return (x - mean) / std

    def _see_onevision(
        self, frames: np.ndarray, times_s: Sequence[float], stills: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[int]]:
        model, times = self.model.model, [NO_TIME] * len(stills) + list(times_s)
        pixels, newline = self._pixels(np.concatenate([*stills, frames])), model.image_newline[None]
        seen = timed(
            model.multi_modal_projector, times, lambda: model.get_video_features(pixels[None])
        ).pooler_output[0, :-1]
        cut = len(stills) * (len(seen) // len(times))
        ended = torch.cat([seen[:cut], *[newline] * len(stills), seen[cut:], newline])[None]
        output = BaseModelOutputWithPooling(pooler_output=ended)
        ids = [self.config.video_token_index] * ended.shape[1]
        return {"mm_encoder_outputs": {"video": output}}, ids

    def _see_internvl(
        self, frames: np.ndarray, times_s: Sequence[float], stills: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[int]]:
        model, times = self.model.model, [NO_TIME] * len(stills) + list(times_s)
        pixels = self._pixels(np.concatenate([*stills, frames]))
        seen = timed(model.multi_modal_projector, times, lambda: model.get_image_features(pixels))
        cells = [self.config.image_token_id] * seen.pooler_output.shape[1]
        picture = [*self._ids("<img>"), *cells, *self._ids("</img>")]
        ids = picture * len(stills)
        for number in range(1, len(frames) + 1):
            line = f"Frame{number}: " if number == 1 else f"\nFrame{number}: "
            ids += [*self._ids(line), *picture]
        return {"mm_encoder_outputs": {"image": seen}}, ids

    def _see_qwen(
        self, frames: np.ndarray, times_s: Sequence[float], stills: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[int]]:
        model, c, v = self.model.model, self.config, self.config.vision_config
        encoded: dict[str, Any] = {}
        inputs: dict[str, Any] = {"mm_encoder_outputs": encoded}
        ids: list[int] = []
        m, p, f = v.spatial_merge_size, v.patch_size, v.temporal_patch_size
        kinds = ["image"] * len(stills) + ["video"]
        for kind, shown in zip(kinds, [*stills, frames], strict=True):
            x = self._pixels(shown)
            x = torch.cat([x, *[x[-1:]] * (-len(x) % f)])
            t, h, w = len(x) // f, x.shape[2] // p, x.shape[3] // p
            x = x.reshape(t, f, 3, h // m, m, p, w // m, m, p).permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
            patches, grid = x.reshape(t * h * w, -1), torch.tensor([[t, h, w]])
            slots = [NO_TIME]
            if kind == "video":
                slots = [float(np.mean(times_s[f * k : f * k + f])) for k in range(t)]
                if hasattr(v, "tokens_per_second"):
                    apart_s = (slots[-1] - slots[0]) / (t - 1) if t > 1 else 1.0
                    inputs["second_per_grid_ts"] = torch.tensor([apart_s])
            encode = getattr(model, f"get_{kind}_features")
            encoded[kind] = timed(model.visual.merger, slots, lambda: encode(patches, grid))  # noqa: B023
            inputs[f"{kind}_grid_thw"] = grid
            runs = [h * w // m**2] * t if c.model_type == "qwen3_vl" else [t * h * w // m**2]
            token = getattr(c, f"{kind}_token_id")
            for run in runs:
                ids += [c.vision_start_token_id, *[token] * run, c.vision_end_token_id]
        return inputs, ids


Student = ExportedStudent
"""The name under which exported copies of this file offer it."""
