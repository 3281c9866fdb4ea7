"""What each arm perceives of held-out clips, as a picture and as errors.

The maps are read from the visual tokens of an arm by one linear layer, which is fitted to the
expert's latents on clips of the train split, and decoded by the expert's own heads. The fit is the
same for every arm, so SFT, which was never compared with a map, is shown what it has, too. The arm
without video has no visual tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from p4d.artifacts import read_table
from p4d.config import Params
from p4d.determinism import deterministic
from p4d.drawing import depth_rgb, flow_rgb, motion_rgb, sheet
from p4d.project import Project
from p4d.students.data.clip_reader import ClipReader
from p4d.students.data.packer import Packer
from p4d.students.data.samples import LATENTS, Sample
from p4d.students.data.targets import RayGrid, StoredLabelReader
from p4d.students.distillation.perception import LatentStats, PerceptionDecoder
from p4d.students.distillation.probes import chosen
from p4d.students.model.student import Student, embedded_tokens, load
from p4d.students.training.distillation_setup import new_decoder
from p4d.teachers.protocol import LatentTeacher
from p4d.teachers.registry import load_latent_teacher

TEACHER = "expert4d"
ARMS = ("student_sft", "student_p4d")
FITTED, SHOWN = 96, 32
"""Clips of the train split that the layer is fitted to, and held-out clips that are measured."""

PICTURED = 3
FRAME = -1
"""The frame that is drawn; the first frame has no flow."""

RIDGE = 1e-3
"""Weight of the ridge, in multiples of the mean square of a token's channels."""

_BATCH = 16
_MODALITIES = ("depth", "flow", "motion")
_MOVES = 0.5


@dataclass(frozen=True, kw_only=True)
class Perceived:
    """What the arms of a project perceive.

    Attributes:
        errors: by arm, against the expert: `depth_absrel`, `flow_of_zero` (mean end-point error
            where something moves, in multiples of that of a flow of zero) and `motion_iou`.
        picture_hw3: u8; per clip a row of the expert and one of each arm.
        clips: held-out clips that were measured.
    """

    errors: Mapping[str, Mapping[str, float]]
    picture_hw3: NDArray[np.uint8]
    clips: int


@dataclass(frozen=True)
class _Corpus:
    """The clips of a project with the expert's labels."""

    clips: ClipReader
    labels: StoredLabelReader
    shard_of: Mapping[str, str]
    fitted: Sequence[str]
    shown: Sequence[str]

    def sample(self, clip_id: str) -> Sample:
        """Frames and latents of a clip, and no question."""
        shard = self.shard_of[clip_id]
        labels = self.labels.read(shard, clip_id, maps=False)
        return Sample(clip_id, (), self.clips.read(shard, clip_id), labels)

    def maps(self, clip_id: str) -> Mapping[str, NDArray]:
        """The expert's maps of a clip."""
        return self.labels.read(self.shard_of[clip_id], clip_id, maps=True)


def perceive(project: Project) -> Perceived | None:
    """Fit, decode and measure every arm that sees video.

    Returns:
        None if the expert labelled too few clips of either part, or its latents are not distilled.
    """
    params = project.params
    if params.distillation.teacher != TEACHER or not params.distillation.latents:
        return None
    expert = load_latent_teacher(project.data / "expert")
    corpus = _corpus(project, expert, params.clips.size_px)
    if not corpus.fitted or not corpus.shown:
        return None
    stats = LatentStats.load(project.data / "expert")
    truth = [corpus.maps(clip) for clip in corpus.shown]
    found: dict[str, list[Mapping[str, NDArray]]] = {}
    with deterministic(params.evaluation.threads, params.training.seed), torch.no_grad():
        for arm in ARMS:
            student = load(project.data / arm)
            decoder = _fitted(student, expert, stats, corpus, params)
            found[arm] = list(_decoded(student, decoder, expert, stats, corpus))
    return Perceived(
        errors={arm: map_errors(maps, truth) for arm, maps in found.items()},
        picture_hw3=_picture(corpus, truth, found),
        clips=len(corpus.shown),
    )


def _corpus(project: Project, expert: LatentTeacher, size_px: int) -> _Corpus:
    table = read_table(project.data / "release" / "clips.parquet")
    shards = sorted(set(table["shard"].to_list()))

    def folders(stage: str) -> dict[str, Path]:
        return {shard: project.data / stage / shard for shard in shards}

    labels = StoredLabelReader(
        folders("labels"),
        teacher=TEACHER,
        modalities=_MODALITIES,
        latents=True,
        ray_grid=RayGrid(size_px=size_px, tokens_hw=expert.latent_shape[2], map_px=expert.map_px),
    )
    shard_of = {
        clip: shard
        for clip, shard in table.select("clip_id", "shard").iter_rows()
        if labels.has(shard, clip)
    }
    split_of = dict(table.select("clip_id", "split").filter(pl.col("split") != "val").iter_rows())
    train, test = (
        [clip for clip in shard_of if split_of.get(clip) == split] for split in ("train", "test")
    )
    return _Corpus(
        ClipReader(folders("clips"), folders("regions")),
        labels,
        shard_of,
        chosen(train, FITTED),
        chosen(test, SHOWN),
    )


def _tokens(
    student: Student, corpus: _Corpus, clips: Sequence[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Visual tokens `[B, slots, rows, columns, C]` and latents of the clips, batch by batch."""
    student.adapter.model.eval()
    packer = Packer(student.tokenizer, student.adapter)
    for first in range(0, len(clips), _BATCH):
        samples = [corpus.sample(clip) for clip in clips[first : first + _BATCH]]
        batch = packer.pack(samples, scored=False)
        assert batch.times_s is not None
        hidden = embedded_tokens(student.adapter, batch)
        tokens = student.adapter.frame_tokens(hidden, batch.input_ids, batch.times_s)
        latents = torch.stack([torch.from_numpy(np.asarray(s.labels[LATENTS])) for s in samples])
        yield tokens.float(), latents.float()


def _fitted(
    student: Student, expert: LatentTeacher, stats: LatentStats, corpus: _Corpus, params: Params
) -> PerceptionDecoder:
    """The decoder of `distillation`, with one linear layer per hook, by ridge regression."""
    linear = dataclasses.replace(params.distillation, hidden_width=0, rearrange="cover")
    decoder = new_decoder(
        student,
        expert.latent_shape,
        linear,
        frames=params.clips.frames,
        seed=params.training.seed,
    )
    return fit_linear(decoder, _tokens(student, corpus, corpus.fitted), stats)


def fit_linear(
    decoder: PerceptionDecoder, pairs: Iterable[tuple[Tensor, Tensor]], stats: LatentStats
) -> PerceptionDecoder:
    """Set the linear layers of a decoder by ridge regression.

    Args:
        decoder: with one linear layer per hook; changed in place.
        pairs: batches of visual tokens `[B, slots, rows, columns, C]` and the expert's latents
            `[B, H, t, h, w, D]`.
        stats: of the latents.
    """
    read: list[Tensor] = []
    layers: list[nn.Linear] = [layer for layer in decoder.mlps if isinstance(layer, nn.Linear)]
    handle = layers[0].register_forward_pre_hook(lambda _, given: read.append(given[0]))
    gram, cross = torch.zeros(()).double(), torch.zeros(()).double()
    for tokens, latents in pairs:
        decoder(tokens)
        given = read.pop().flatten(0, -2).double()
        given = torch.cat([given, given.new_ones(len(given), 1)], dim=1)
        wanted = _gathered(decoder, stats.standardise(latents)).double()
        gram = gram + given.T @ given
        cross = cross + given.T @ wanted
    handle.remove()
    size = gram.shape[0] - 1
    ridge = torch.eye(size + 1).double() * RIDGE * gram.diagonal()[:size].mean().clamp(min=1e-6)
    ridge[size, size] = 0.0
    for layer, target in zip(layers, cross, strict=True):
        solved = torch.linalg.solve(gram + ridge, target).float()
        layer.weight.copy_(solved[:size].T)
        layer.bias.copy_(solved[size])
    return decoder


def _gathered(decoder: PerceptionDecoder, latents: Tensor) -> Tensor:
    """What the linear layers must predict, `[H, n, outputs]`: the inverse of how they spread it."""
    later, down, across = decoder.per_cell
    split = latents.unflatten(4, (-1, across)).unflatten(3, (-1, down)).unflatten(2, (-1, later))
    # [B, H, g, later, r, down, c, across, D] to [H, B, g, r, c, (later, down, across, D)]
    return split.permute(1, 0, 2, 4, 6, 3, 5, 7, 8).flatten(5).flatten(1, 4)


def _decoded(
    student: Student,
    decoder: PerceptionDecoder,
    expert: LatentTeacher,
    stats: LatentStats,
    corpus: _Corpus,
) -> Iterator[Mapping[str, NDArray]]:
    """The maps of each held-out clip."""
    for tokens, _ in _tokens(student, corpus, corpus.shown):
        maps = expert.decode(stats.restore(decoder(tokens)))
        depth, flow = maps.log_depth_bthw.exp().numpy(), maps.flow_px_bthw2.numpy()
        motion = torch.sigmoid(maps.motion_logit_bthw).numpy()
        for row in range(len(depth)):
            yield {"depth_thw": depth[row], "flow_px_thw2": flow[row], "motion_thw": motion[row]}


def map_errors(
    maps: Sequence[Mapping[str, NDArray]], truth: Sequence[Mapping[str, NDArray]]
) -> dict[str, float]:
    """Errors of predicted maps, see `Perceived.errors`.

    Args:
        maps: per clip `depth_thw`, `flow_px_thw2` and `motion_thw`.
        truth: the same, with `valid_thw` and `flow_valid_thw`.
    """
    depth, errors, lengths, both, either = [], [], [], 0, 0
    for one, true in zip(maps, truth, strict=True):
        known = true["valid_thw"] > 0
        depth.append(np.abs(one["depth_thw"] - true["depth_thw"])[known] / true["depth_thw"][known])
        moves = true["motion_thw"] > _MOVES
        tracked = (true["flow_valid_thw"] > 0) & moves
        flow = true["flow_px_thw2"].astype(np.float32)
        errors.append(np.linalg.norm(one["flow_px_thw2"] - flow, axis=-1)[tracked])
        lengths.append(np.linalg.norm(flow, axis=-1)[tracked])
        seen = one["motion_thw"] > _MOVES
        both += int((seen & moves & known).sum())
        either += int(((seen | moves) & known).sum())
    moved = float(np.concatenate(lengths).mean()) if sum(map(len, lengths)) else 0.0
    return {
        "depth_absrel": round(float(np.concatenate(depth).mean()), 4),
        "flow_of_zero": round(float(np.concatenate(errors).mean()) / moved, 4) if moved else 1.0,
        "motion_iou": round(both / either, 4) if either else 1.0,
    }


def _picture(
    corpus: _Corpus,
    truth: Sequence[Mapping[str, NDArray]],
    found: Mapping[str, Sequence[Mapping[str, NDArray]]],
) -> NDArray[np.uint8]:
    rows, captions = [], []
    most = sorted(range(len(truth)), key=lambda k: -float((truth[k]["motion_thw"] > _MOVES).mean()))
    for place in sorted(most[:PICTURED]):
        true, clip = truth[place], corpus.shown[place]
        frame = corpus.clips.read(corpus.shard_of[clip], clip).frames[FRAME]
        rows.append([frame, *_drawn(true, true)])
        captions.append(f"{clip}  expert")
        for arm, maps in found.items():
            rows.append([np.full_like(frame, 255), *_drawn(maps[place], true)])
            captions.append(arm.removeprefix("student_"))
    return sheet(rows, captions=captions, titles=("frame", *_MODALITIES), tile_px=96)


def _drawn(maps: Mapping[str, NDArray], true: Mapping[str, NDArray]) -> list[NDArray[np.uint8]]:
    """Depth, flow and motion as colours, on the scales of the expert's."""
    near, far = np.percentile(true["depth_thw"][FRAME].astype(np.float32), [2, 98])
    longest = float(np.linalg.norm(true["flow_px_thw2"][FRAME].astype(np.float32), axis=-1).max())
    return [
        depth_rgb(maps["depth_thw"][FRAME].astype(np.float32), near=float(near), far=float(far)),
        flow_rgb(maps["flow_px_thw2"][FRAME].astype(np.float32), longest_px=max(longest, 0.25)),
        motion_rgb(maps["motion_thw"][FRAME].astype(np.float32)),
    ]
