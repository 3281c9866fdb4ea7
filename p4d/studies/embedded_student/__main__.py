"""Runs a recipe: `python -m p4d.studies.embedded_student WORK [FOLDER] [--tuned]`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration

from p4d.artifacts import write_json
from p4d.config import ClipsParams
from p4d.determinism import deterministic
from p4d.ids import seed_for, sha256_file
from p4d.project import Project
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.samples import Sample
from p4d.students.embedded import FOLDER, TUNED_FOLDER
from p4d.students.model.adapters import adapter_for
from p4d.students.model.adapters.qwen_vl_network import SPECIAL_TOKENS, QwenVisionSizes, build
from p4d.students.model.adapters.sizes import TextSizes
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student, load_checkpoint, save_student
from p4d.students.model.tokenizer import train_tokenizer
from p4d.studies import embedded_student
from p4d.studies.embedded_student.lessons import learn_clips, learn_to_read, learn_to_see, tune
from p4d.studies.embedded_student.recipe import EMBEDDED_RECIPE, TUNED_RECIPE, Recipe
from p4d.studies.embedded_student.samples import picture_sample, reading_sample, tokenizer_texts
from p4d.studies.embedded_student.worlds import RecipeClip, read_worlds


def main(arguments: Sequence[str]) -> None:
    """Command line: WORK holds the worlds; the student is written to FOLDER (default: p4d's).

    `--tuned`: the recipe of p4d/students/embedded_tuned.
    """
    parser = argparse.ArgumentParser(
        description=embedded_student.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--tuned", action="store_true")
    given = parser.parse_args(arguments)
    recipe, home = (TUNED_RECIPE, TUNED_FOLDER) if given.tuned else (EMBEDDED_RECIPE, FOLDER)
    make(given.work, given.folder or home, recipe, _print)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make(work: Path, folder: Path, recipe: Recipe, report: Callable[[str], None]) -> None:
    """Draw worlds, train, and write `model/`, `tokenizer/` and `card.json`.

    `work` keeps the results of finished lessons.
    """
    began = time.process_time()
    params = Project.find(Path.cwd()).params
    every = read_worlds(work, params, recipe, report)
    clips = every[: len(every) - recipe.held_out_clips]
    reading = clips[: recipe.reading_clips]
    tokenizer = train_tokenizer(
        tokenizer_texts(reading, recipe),
        recipe.vocabulary,
        SPECIAL_TOKENS,
        min_frequency=recipe.min_frequency,
    )
    with deterministic(1, recipe.seed):
        model: PreTrainedModel = network(recipe, params.clips, tokenizer)
        lessons = (learn_to_read, learn_to_see, learn_clips)
        for learn in (*lessons, tune) if recipe.tuning_steps else lessons:
            done = work / learn.__name__
            if not (done / "model").is_dir():
                taught = reading if learn is learn_to_read else clips
                student = Student(adapter_for(model), tokenizer, sees_video=True)
                learn(student, taught, recipe, report)
                save_student(done, model, tokenizer)
            model, _ = load_checkpoint(done / "model", done / "tokenizer")
        student = Student(adapter_for(model), tokenizer, sees_video=True)
        accuracy = _accuracy(student, clips, recipe)
        held_out = held_out_accuracy(student, every[len(clips) :])
    small: Any = model
    small = small.to(torch.bfloat16)
    save_student(folder, small, tokenizer)
    write_json(
        folder / "card.json",
        {
            "sees_video": True,
            "recipe": asdict(recipe),
            "clips": len(clips),
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "vocabulary": len(tokenizer),
            "accuracy_on_seen_worlds": accuracy,
            **({"accuracy_on_held_out_clips": held_out} if held_out else {}),
            "cpu_minutes": round((time.process_time() - began) / 60),
            "weights_sha256": sha256_file(folder / "model" / "model.safetensors"),
        },
    )


def network(
    recipe: Recipe, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> Qwen3VLForConditionalGeneration:
    """A Qwen3-VL whose visual tokens are single patches of a tubelet, like those of the expert."""
    vision = QwenVisionSizes(
        width=recipe.vision_width,
        blocks=recipe.vision_blocks,
        heads=recipe.vision_heads,
        mlp_ratio=recipe.vision_mlp_ratio,
        patch_px=recipe.patch_px,
        size_px=clips.size_px,
        merge=1,
        frames_per_slot=recipe.tubelet,
    )
    text = TextSizes(
        width=recipe.width, blocks=recipe.blocks, heads=recipe.heads, mlp_ratio=recipe.mlp_ratio
    )
    model = build("qwen3_vl", vision, text, tokenizer)
    assert isinstance(model, Qwen3VLForConditionalGeneration)
    with torch.no_grad():
        # Scales visual tokens to the norm of word embeddings, which they would dominate otherwise.
        for weight in model.model.visual.merger.linear_fc2.parameters():
            weight.mul_(recipe.visual_scale)
    PromptSettings(regions="tokens", answers="option").store(model)
    return model


@torch.no_grad()
def _accuracy(student: Student, clips: Sequence[RecipeClip], recipe: Recipe) -> dict[str, float]:
    """Accuracy of reading facts and of stills, on some of the clips with other questions."""
    packer = Packer(student.tokenizer, student.adapter)
    rng = np.random.default_rng(seed_for("measured", recipe.seed))
    some = [clips[int(k)] for k in rng.choice(len(clips), min(60, len(clips)), replace=False)]
    pictured = [picture_sample(clip, rng, recipe.questions, moving=False) for clip in some]
    kinds = {
        "stills": [sample for sample in pictured if sample is not None],
        "facts": [
            reading_sample(question, facts) for clip in some for question, facts, _ in clip.read[:8]
        ],
    }
    accuracy = {}
    for name, samples in kinds.items():
        right: list[bool] = []
        for start in range(0, len(samples), 20):
            batch = packer.pack(samples[start : start + 20])
            best = student.answer_scores(batch).argmax(dim=1)
            right += (best == batch.answer_index).tolist()
        accuracy[name] = round(float(np.mean(right)), 3)
    student.adapter.model.train()
    return accuracy


@torch.no_grad()
def held_out_accuracy(student: Student, clips: Sequence[RecipeClip]) -> dict[str, float]:
    """Accuracy of the questions of clips by category, without facts; empty without clips."""
    packer = Packer(student.tokenizer, student.adapter)
    right: dict[str, list[bool]] = {}
    for start in range(0, len(clips), 10):
        samples = [
            Sample(
                clip.clip_id,
                tuple(question for question, _, _ in clip.read),
                Visual(clip.frames, clip.times_s, clip.masks_kthw[:, 0]),
                {},
            )
            for clip in clips[start : start + 10]
        ]
        batch = packer.pack(samples)
        best = student.answer_scores(batch).argmax(dim=1)
        asked = [question for sample in samples for question in sample.questions]
        for question, correct in zip(asked, (best == batch.answer_index).tolist(), strict=True):
            right.setdefault(question.category, []).append(correct)
    student.adapter.model.train()
    return {name: round(float(np.mean(found)), 3) for name, found in sorted(right.items())}


if __name__ == "__main__":
    main(sys.argv[1:])
