"""`p4d train --dry-run`: what a training run takes, before a GPU is rented.

The network is built at its real size on the meta device, which holds shapes and no numbers, and its
bytes are counted per device. Then a cut of it with two blocks per tower, at real widths, real
pictures and real lengths of rows, takes three optimizer steps on the device that is there.
"""

from __future__ import annotations

import copy
import dataclasses
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from p4d.config import Params, replace_params
from p4d.determinism import deterministic
from p4d.errors import ContractError
from p4d.foreign_json import read_foreign_json
from p4d.ids import seed_for
from p4d.model_folder import config_from_settings, skeleton
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import ad_hoc_question
from p4d.students.data.samples import Sample
from p4d.students.distillation.perception import DecoderSizes, LatentStats, PerceptionDecoder
from p4d.students.model.adapters import StudentAdapter, adapter_for, family_named
from p4d.students.model.adapters.picture_format import PictureFormat
from p4d.students.model.batch import PackedBatch
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.tokenizer import token_id, train_tokenizer
from p4d.students.training.arm import Arm, Distillation
from p4d.students.training.memory import Memory, memory_of
from p4d.students.training.trainable import prepare
from p4d.teachers.expert4d.network import Expert4D, ExpertConfig

STEPS, BLOCKS = 3, 2
MODES, DEVICES = ("full", "frozen_encoder", "lora"), (1, 8)
MAX_CONFIG_BYTES = 1 << 20
_QUESTION, _OPTIONS = "Which way does <obj_1> move, seen from <obj_2>?", ("left", "right", "up")


@dataclass(frozen=True, kw_only=True)
class CutSteps:
    """Three steps of the cut.

    Attributes:
        parameters: weights of the cut.
        tokens: of a row.
        visual_tokens: of them, placeholders of pictures.
        step_s: seconds of each step; other work on the machine counts.
        step_cpu_s: seconds of processors in each step.
        peak_bytes: largest memory of the device; of the whole process on a CPU.
        losses: total loss of each step.
        trainable: the mode that was run.
        device: where.
    """

    parameters: int
    tokens: int
    visual_tokens: int
    step_s: tuple[float, ...]
    step_cpu_s: tuple[float, ...]
    peak_bytes: int
    losses: tuple[float, ...]
    trainable: str
    device: str


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """The result.

    Attributes:
        model: name of the file.
        parameters: weights of the whole network.
        memory: by mode and number of devices.
        cut: the steps that were run.
    """

    model: str
    parameters: int
    memory: Mapping[tuple[str, int], Memory]
    cut: CutSteps


def dry_run(file: Path, params: Params) -> DryRun:
    """Count the memory of the network of a `config.json`, and run steps of its cut.

    Args:
        file: the config of a checkpoint of a known family, or its folder.
        params: clips, student, training and distillation of the run.

    Raises:
        ContractError: it is no such config.
    """
    file = file / "config.json" if file.is_dir() else file
    settings = read_foreign_json(file, max_bytes=MAX_CONFIG_BYTES, name=str(file))
    if not isinstance(settings, dict):
        raise ContractError(f"{file} holds no config of a network")
    memory: dict[tuple[str, int], Memory] = {}
    parameters = 0
    for mode in MODES:
        changed = replace_params(params, training={"trainable": mode})
        model = skeleton(settings, _kind_of(settings))
        parameters = sum(weight.numel() for weight in model.parameters())
        _fit_pictures(model, params)
        adapter = adapter_for(model)
        with torch.device("meta"):
            prepare(adapter, changed.training)
            decoder = _decoder(adapter, changed)
        length = _row_length(adapter, changed)
        for devices in DEVICES:
            memory[mode, devices] = memory_of(adapter, decoder, changed.training, length, devices)
    cut = run_cut(settings, params)
    return DryRun(model=file.stem, parameters=parameters, memory=memory, cut=cut)


def run_cut(settings: Mapping[str, Any], params: Params) -> CutSteps:
    """Take three steps of the network with two blocks per tower and random weights."""
    training = params.training
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with deterministic(training.threads, training.seed, device=device):
        adapter, packer = _cut(settings, params)
        model = adapter.model
        prepare(adapter, training)
        arm = Arm(adapter, _distillation(adapter, params))
        arm.place(device)
        model.train()
        if training.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        batch = packer.pack([_sample(params)], scored=False)
        batch = _with_labels(batch, params)
        trained = [weight for weight in arm.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=training.learning_rate, foreach=False)
        step_s, step_cpu_s, losses = [], [], []
        for _ in range(STEPS):
            began, began_cpu = time.perf_counter(), time.process_time()
            bf16 = training.precision == "bfloat16"
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                terms = arm(batch)
                total = torch.stack(list(terms.values())).sum()
            total.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(total.detach()))  # waits for the device
            step_s.append(time.perf_counter() - began)
            step_cpu_s.append(time.process_time() - began_cpu)
    return CutSteps(
        parameters=sum(weight.numel() for weight in model.parameters()),
        tokens=batch.input_ids.shape[1],
        visual_tokens=int(adapter.visual_mask(batch.input_ids).sum()),
        step_s=tuple(round(each, 2) for each in step_s),
        step_cpu_s=tuple(round(each, 2) for each in step_cpu_s),
        peak_bytes=_peak_bytes(device),
        losses=tuple(round(each, 4) for each in losses),
        trainable=training.trainable,
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
    )


def _kind_of(settings: Mapping[str, Any]) -> type[PreTrainedModel]:
    return family_named(str(settings.get("model_type"))).model


def _fit_pictures(model: PreTrainedModel, params: Params) -> None:
    """Pictures of the clips at the size that the family gives them."""
    family = family_named(model.config.model_type)
    fitted: PictureFormat = family.picture_format(model, params.clips.size_px)
    fitted.store(model)


def _cut(settings: Mapping[str, Any], params: Params) -> tuple[StudentAdapter, Packer]:
    """The network with two blocks per tower, and a packer with a small tokenizer of its family."""
    cut = copy.deepcopy(dict(settings))
    family = family_named(str(cut.get("model_type")))
    tokenizer = train_tokenizer([_QUESTION], 320, family.special_tokens, min_frequency=2)
    for part in ("text_config", "vision_config"):
        section = cut.setdefault(part, {})
        key = "depth" if "depth" in section else "num_hidden_layers"
        section[key] = min(BLOCKS, section.get(key, BLOCKS))
        if "layer_types" in section:
            section["layer_types"] = section["layer_types"][: section[key]]
        if "deepstack_visual_indexes" in section:
            section["deepstack_visual_indexes"] = list(range(section[key]))
        if "fullatt_block_indexes" in section:
            section["fullatt_block_indexes"] = [section[key] - 1]
    names = {
        "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
        "image_token_index": "<image>", "video_token_index": "<video>",
    }  # fmt: skip
    cut |= {key: token_id(tokenizer, token) for key, token in names.items() if key in cut}
    dtype = getattr(torch, params.training.weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("dry run", params.training.seed))
        model = family.model._from_config(
            config_from_settings(cut, family.model), dtype=dtype, attn_implementation="sdpa"
        )
    _fit_pictures(model, params)
    PromptSettings(time=params.student.time).store(model)
    adapter = adapter_for(model)
    return adapter, Packer(tokenizer, adapter)


def _decoder(adapter: StudentAdapter, params: Params) -> PerceptionDecoder:
    expert, params_d = params.expert, params.distillation
    config = ExpertConfig.from_params(params.clips, expert)
    return PerceptionDecoder(
        DecoderSizes(
            student_width=adapter.hidden_width,
            student_grid=adapter.frame_grid(),
            slots=params.clips.frames // adapter.frames_per_slot,
            hooks=len(config.hooks),
            latent_grid=(config.tubelets, config.tokens_hw, config.tokens_hw),
            latent_width=config.width,
            hidden_width=params_d.hidden_width,
            init=params_d.decoder_init,
            rearrange=params_d.rearrange,
        )
    )


def _distillation(adapter: StudentAdapter, params: Params) -> Distillation:
    expert = Expert4D(ExpertConfig.from_params(params.clips, params.expert)).requires_grad_(False)
    hooks, *_, width = expert.latent_shape
    stats = LatentStats(mean_hd=torch.zeros(hooks, width), std_hd=torch.ones(hooks, width))
    layer = min(params.distillation.student_layer, BLOCKS)
    return Distillation(
        _decoder(adapter, params),
        expert,
        stats,
        params.distillation.modalities,
        latents=params.distillation.latents,
        layer=layer,
        losses=params.distillation.losses,
    )


def _visual(params: Params) -> Visual:
    """A marked picture and a clip of noise."""
    clips = params.clips
    shape = (1 + clips.frames, clips.size_px, clips.size_px, 3)
    frames = np.random.default_rng(seed_for("dry run", *shape)).integers(0, 256, shape, np.uint8)
    times_s = np.concatenate([[np.nan], np.arange(clips.frames) / clips.grid_hz])
    return Visual(frames, times_s, np.zeros((0, *shape[1:3]), np.uint8))


def _sample(params: Params) -> Sample:
    questions = tuple(
        ad_hoc_question(_QUESTION, _OPTIONS, clip_id="noise", video_id="noise")
        for _ in range(params.training.questions_per_clip)
    )
    return Sample("noise", questions, _visual(params), {})


def _row_length(adapter: StudentAdapter, params: Params) -> int:
    """Tokens of a row: the pictures, and about 80 per question."""
    return adapter.visual_tokens(params.clips.frames, stills=1) + 80 * (
        params.training.questions_per_clip
    )


def _with_labels(batch: PackedBatch, params: Params) -> PackedBatch:
    """The batch with labels of noise in the shapes of the expert's."""
    config = ExpertConfig.from_params(params.clips, params.expert)
    rng = np.random.default_rng(seed_for("dry run labels", params.training.seed))
    maps = (1, config.frames, config.map_px, config.map_px)
    rays = (1, config.frames, config.tokens_hw, config.tokens_hw, 6)
    latents = (
        1, len(config.hooks), config.tubelets, config.tokens_hw, config.tokens_hw, config.width,
    )  # fmt: skip
    labels = {
        "depth_thw": rng.uniform(1, 5, maps), "valid_thw": np.ones(maps),
        "flow_px_thw2": rng.normal(size=(*maps, 2)), "flow_valid_thw": np.ones(maps),
        "motion_thw": rng.uniform(0, 1, maps), "rays_thw6": rng.normal(size=rays),
        "latents": rng.normal(size=latents),
    }  # fmt: skip
    tensors = {name: torch.from_numpy(value.astype(np.float32)) for name, value in labels.items()}
    first = torch.zeros(1, dtype=torch.long)
    return dataclasses.replace(batch, labels=tensors, labelled_rows=first, mapped=first)


def _peak_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
