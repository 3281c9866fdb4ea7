"""Makes the embedded base student: it learns to read, then to see single pictures.

    python -m p4d.studies.embedded_student WORK [FOLDER]

1. Worlds with seeds of their own, their regions, facts and questions, through the stages.
2. Reading, text only: facts and a question, answered in the text of an option. At first only the
   facts that answer; then all of the kind. Every token is a target, too, at a smaller weight.
3. Seeing: questions about stills (stills.py), at first about the colours of regions alone.
4. Clips: by turns the facts and questions of before beside a clip that adds nothing, questions
   about a clip's first frame, reading as before, and stills. Without this, a clip in front of a
   question is so strange to the student that it stops reading.

A killed run goes on with the step it was at.

It never sees a question about depth, motion or time together with a picture. Runs of equal versions
on equal machines give equal weights.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3VLForConditionalGeneration,
)

from p4d.artifacts import Arrays, read_table, write_json
from p4d.config import ClipsParams, Params, replace_params
from p4d.determinism import deterministic
from p4d.ids import seed_for, sha256_file
from p4d.project import Project
from p4d.standalone import run_stages
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.data.samples import Sample
from p4d.students.embedded import CORE_FAMILIES, FOLDER
from p4d.students.model.adapters import adapter_for
from p4d.students.model.adapters.qwen_vl_network import SPECIAL_TOKENS, QwenVisionSizes, build
from p4d.students.model.adapters.sizes import TextSizes
from p4d.students.model.batch import IGNORED, PackedBatch
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student, hidden_states, load_checkpoint, save_student
from p4d.students.model.tokenizer import train_tokenizer
from p4d.studies.fact_text import FactTexts, questions_of, with_facts
from p4d.studies.stills import shown, still_questions
from p4d.teachers.expert4d import embedded as expert
from p4d.worlds.clip_shards import write_clip_shard


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides what the student becomes."""

    first_world: int = 8_000_000
    worlds: int = 300
    worlds_per_shard: int = 150
    seed: int = 11
    vocabulary: int = 1280
    min_frequency: int = 2
    width: int = 96
    blocks: int = 4
    heads: int = 4
    mlp_ratio: int = 2
    vision_width: int = 128
    vision_blocks: int = 3
    vision_heads: int = 4
    vision_mlp_ratio: int = 4
    patch_px: int = 8
    tubelet: int = 4
    reading_steps: int = 900
    reading_rows: int = 32
    colour_steps: int = 100
    seeing_steps: int = 400
    clip_steps: int = 400
    stills: int = 24
    clips: int = 12
    questions: int = 6
    learning_rate: float = 3e-3
    seeing_rate: float = 2e-3


VISUAL_SCALE = 0.2


@dataclass(frozen=True)
class _Clip:
    clip_id: str
    frames: np.ndarray
    times_s: np.ndarray
    masks_kthw: np.ndarray
    kinds: tuple[tuple[str, str], ...]  # colour and shape per region
    read: tuple[tuple[Question, str, str], ...]  # question, all facts, the facts that answer


def main(arguments: Sequence[str]) -> None:
    """Command line: WORK holds the worlds; FOLDER, default this package, gets the student."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    given = parser.parse_args(arguments)
    make(given.work, given.folder, Recipe(), _say)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make(work: Path, folder: Path, recipe: Recipe, say: Callable[[str], None]) -> None:
    """Draw worlds, train, and write `model/`, `tokenizer/` and `card.json`; `work` keeps steps."""
    began = time.process_time()
    params = Project.find(Path.cwd()).params
    clips = read_worlds(work, params, recipe, say)
    tokenizer = train_tokenizer(
        _texts(clips, recipe), recipe.vocabulary, SPECIAL_TOKENS, min_frequency=recipe.min_frequency
    )
    with deterministic(1, recipe.seed):
        model: PreTrainedModel = network(recipe, params.clips, tokenizer)
        for learn in (learn_to_read, learn_to_see, learn_clips):
            done = work / learn.__name__
            if not (done / "model").is_dir():
                learn(Student(adapter_for(model), tokenizer, sees_video=True), clips, recipe, say)
                save_student(done, model, tokenizer)
            model, _ = load_checkpoint(done / "model", done / "tokenizer")
        student = Student(adapter_for(model), tokenizer, sees_video=True)
        accuracy = _measured(student, clips, recipe)
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
            "cpu_minutes": round((time.process_time() - began) / 60),
            "weights_sha256": sha256_file(folder / "model" / "model.safetensors"),
        },
    )


def network(
    recipe: Recipe, clips: ClipsParams, tokenizer: PreTrainedTokenizerBase
) -> Qwen3VLForConditionalGeneration:
    """A Qwen3-VL whose visual tokens are single patches of a tubelet, as the expert's are."""
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
        # Visual tokens as large as the embeddings of words, which would drown among them otherwise.
        for weight in model.model.visual.merger.linear_fc2.parameters():
            weight.mul_(VISUAL_SCALE)
    PromptSettings(regions="tokens", answers="option").store(model)
    return model


def read_worlds(
    work: Path, params: Params, recipe: Recipe, say: Callable[[str], None]
) -> list[_Clip]:
    """Clips of the recipe's worlds with regions, facts and questions; what is there is kept."""
    params = replace_params(
        params,
        release={"test_fraction": 1e-9, "val_fraction": 0.0},
        questions={"families": CORE_FAMILIES},
    )
    if not (work / "expert").is_dir():
        shutil.copytree(expert.FOLDER, work / "expert", ignore=shutil.ignore_patterns("__*"))
    clips: list[_Clip] = []
    for number in range(recipe.worlds // recipe.worlds_per_shard):
        first = recipe.first_world + number * recipe.worlds_per_shard
        shard = f"{number:04d}-{first % 2**32:08x}"
        target = work / "clips" / shard
        if not target.is_dir():
            partial = target.with_name(f".{shard}.partial")
            seeds = range(first, first + recipe.worlds_per_shard)
            write_clip_shard(partial, seeds, params.clips, shard=shard, workers=2)
            partial.rename(target)
        run_stages(work, params, ("labels", "regions", "facts", "questions"), [shard])
        clips += _clips_of(work, shard)
        say(f"{len(clips)} clips")
    return clips


def _clips_of(work: Path, shard: str) -> Iterator[_Clip]:
    folders = {name: work / name / shard for name in ("clips", "regions", "facts", "questions")}
    frames = Arrays(folders["clips"] / "frames.safetensors")
    masks = Arrays(folders["regions"] / "masks.safetensors")
    table = read_table(folders["clips"] / "clips.parquet")
    things = {
        (row["clip_id"], row["instance"]): (row["colour"], row["shape"])
        for row in read_table(folders["clips"] / "objects.parquet").iter_rows(named=True)
    }
    kinds: dict[str, list[tuple[str, str]]] = {}
    regions = read_table(folders["regions"] / "regions.parquet")
    for row in regions.sort("clip_id", "mark").iter_rows(named=True):
        if row["outcome"] == "ok":
            found = things[(row["clip_id"], row["instance"])]
            kinds.setdefault(row["clip_id"], []).append(found)
    texts = FactTexts(folders["regions"], folders["facts"], folders["questions"])
    read: dict[str, list[tuple[Question, str, str]]] = {}
    for question in questions_of(folders["questions"], shard):
        entry = (question, texts.of(question), texts.short(question))
        read.setdefault(question.clip_id, []).append(entry)
    for row in table.sort("clip_id").iter_rows(named=True):
        clip_id = row["clip_id"]
        if clip_id in kinds and clip_id in read:
            yield _Clip(
                clip_id=clip_id,
                frames=frames[f"{clip_id}.rgb_thw3"],
                times_s=(np.asarray(row["frame_pts_ns"]) - row["start_ns"]) / 1e9,
                masks_kthw=masks[f"{clip_id}.masks_kthw"],
                kinds=tuple(kinds[clip_id]),
                read=tuple(sorted(read[clip_id], key=lambda entry: entry[0].qa_id)),
            )


def learn_to_read(
    student: Student, clips: Sequence[_Clip], recipe: Recipe, say: Callable[[str], None]
) -> None:
    """Text only; the encoder is not touched."""
    rows = [entry for clip in clips for entry in clip.read]
    every = [_read(question, facts) for question, facts, _ in rows]
    needed = [_read(question, facts) for question, _, facts in rows]
    order = _Alike(every, recipe.reading_rows, "reading", recipe.seed)
    packer = Packer(student.tokenizer, student.adapter)
    model: Any = student.adapter.model
    learning = _Learning(
        list(model.model.language_model.parameters()), recipe.learning_rate, recipe.reading_steps
    )
    for step in range(recipe.reading_steps):
        easy = order.rng.random() < max(0.1, 1 - step / 300)
        batch = packer.pack([(needed if easy else every)[k] for k in next(order)], scored=False)
        hidden = hidden_states(student.adapter, batch)[-1]
        loss = _answer_loss(student, hidden, batch)
        if step % 2 == 0:
            loss = loss + 0.3 * _text_loss(student, hidden, batch)
        learning.step(loss)
        if step % 100 == 99:
            say(f"reading {step + 1}: {learning.recent():.3f}")


def learn_to_see(
    student: Student, clips: Sequence[_Clip], recipe: Recipe, say: Callable[[str], None]
) -> None:
    """Stills; their colours come first and alone, which ties a region's name to what it shows."""
    packer = Packer(student.tokenizer, student.adapter)
    learning = _Learning(
        list(student.adapter.model.parameters()), recipe.seeing_rate, recipe.seeing_steps
    )
    rng = np.random.default_rng(seed_for("seeing", recipe.seed))
    for step in range(recipe.seeing_steps):
        only = ("colour",) if step < recipe.colour_steps else ()
        samples = _drawn(clips, rng, recipe.stills, recipe, moving=False, only=only)
        _practise(student, packer, learning, samples, say, f"seeing {step + 1}")


def learn_clips(
    student: Student, clips: Sequence[_Clip], recipe: Recipe, say: Callable[[str], None]
) -> None:
    """Facts beside a clip, first frames, facts alone and stills, by turns."""
    rows = [_read(question, facts) for clip in clips for question, facts, _ in clip.read]
    order = _Alike(rows, recipe.reading_rows, "reading on", recipe.seed)
    packer = Packer(student.tokenizer, student.adapter)
    learning = _Learning(
        list(student.adapter.model.parameters()), recipe.seeing_rate, recipe.clip_steps
    )
    rng = np.random.default_rng(seed_for("clips", recipe.seed))
    for step in range(recipe.clip_steps):
        kind = step % 4
        if kind == 0:
            samples = _read_beside(clips, rng, recipe)
        elif kind == 2:
            samples = [rows[k] for k in next(order)]
        else:
            count = recipe.clips if kind == 1 else recipe.stills
            samples = _drawn(clips, rng, count, recipe, moving=kind == 1)
        _practise(student, packer, learning, samples, say, f"clips {step + 1}")


def _read_beside(clips: Sequence[_Clip], rng: np.random.Generator, recipe: Recipe) -> list[Sample]:
    """Facts and questions of clips, with the clips themselves before them."""
    samples = []
    for k in rng.choice(len(clips), min(recipe.clips, len(clips)), replace=False):
        clip = clips[int(k)]
        chosen = rng.permutation(len(clip.read))[: recipe.questions]
        asked = tuple(with_facts(clip.read[i][0], clip.read[i][1]) for i in chosen)
        visual = Visual(clip.frames, clip.times_s, clip.masks_kthw[:, 0])
        samples.append(Sample(clip.clip_id, asked, visual, {}))
    return samples


def _practise(
    student: Student,
    packer: Packer,
    learning: _Learning,
    samples: Sequence[Sample],
    say: Callable[[str], None],
    where: str,
) -> None:
    batch = packer.pack(samples, scored=False)
    learning.step(_answer_loss(student, hidden_states(student.adapter, batch)[-1], batch))
    if len(learning.losses) % 50 == 0:
        say(f"{where}: {learning.recent():.3f}")


def _drawn(
    clips: Sequence[_Clip],
    rng: np.random.Generator,
    count: int,
    recipe: Recipe,
    *,
    moving: bool,
    only: Collection[str] = (),
) -> list[Sample]:
    """Questions about pictures of `count` clips; clips that show too little are left out."""
    chosen = rng.choice(len(clips), min(count, len(clips)), replace=False)
    made = (
        _pictured(clips[int(k)], rng, recipe.questions, moving=moving, only=only) for k in chosen
    )
    return [sample for sample in made if sample is not None]


def _read(question: Question, facts: str) -> Sample:
    return Sample(question.clip_id, (with_facts(question, facts),), None, {})


def _pictured(
    clip: _Clip,
    rng: np.random.Generator,
    count: int,
    *,
    moving: bool,
    only: Collection[str] = (),
) -> Sample | None:
    """Questions about one picture: any frame as a still, or the first frame of the clip."""
    frame = 0 if moving else int(rng.integers(len(clip.frames)))
    masks = clip.masks_kthw[:, frame]
    seen = [k for k, mask in enumerate(masks) if mask.sum() >= 30]
    if not seen:
        return None
    objects = [shown(masks[k], *clip.kinds[k]) for k in seen]
    questions = still_questions(clip.clip_id, objects, rng, count, only)
    if moving:
        # Marks are numbered among the regions of the clip, which all show in its first frame.
        if len(seen) < len(masks):
            return None
        visual = Visual(clip.frames, clip.times_s, masks)
    else:
        visual = Visual(clip.frames[frame : frame + 1], np.array([np.nan]), masks[seen])
    return Sample(clip.clip_id, questions, visual, {}) if questions else None


class _Alike:
    """Batches of rows of like length, drawn with repetition over batches."""

    def __init__(self, rows: Sequence[Sample], batch: int, purpose: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed_for(purpose, seed))
        self._lengths = np.array([len(row.questions[0].question) for row in rows])
        self._batch = batch

    def __next__(self) -> list[int]:
        several = 8
        ids = self.rng.choice(len(self._lengths), min(len(self._lengths), self._batch * several))
        ids = ids[np.argsort(self._lengths[ids], kind="stable")]
        start = int(self.rng.integers(several)) * self._batch
        return [int(k) for k in ids[start : start + self._batch]]


class _Learning:
    """AdamW with one rise and fall of the rate."""

    def __init__(self, weights: list[nn.Parameter], rate: float, steps: int) -> None:
        self._weights = weights
        groups = [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": 0.05},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, rate, betas=(0.9, 0.98))
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, rate, steps + 1, pct_start=0.1, cycle_momentum=False,
            final_div_factor=100,
        )  # fmt: skip
        self.losses: list[float] = []

    def step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._schedule.step()
        self.losses.append(float(loss.detach()))

    def recent(self) -> float:
        return float(np.mean(self.losses[-100:]))


def _answer_loss(student: Student, hidden: Tensor, batch: PackedBatch) -> Tensor:
    asked = batch.targets != IGNORED
    return functional.cross_entropy(student.adapter.logits(hidden[asked]), batch.targets[asked])


def _text_loss(student: Student, hidden: Tensor, batch: PackedBatch) -> Tensor:
    here = batch.token_mask[:, 1:]
    scores = student.adapter.logits(hidden[:, :-1][here])
    return functional.cross_entropy(scores, batch.input_ids[:, 1:][here])


def _texts(clips: Sequence[_Clip], recipe: Recipe) -> list[str]:
    rng = np.random.default_rng(seed_for("texts", recipe.seed))
    texts = []
    for clip in clips[:300]:
        texts += [with_facts(question, facts).turn() for question, facts, _ in clip.read]
        sample = _pictured(clip, rng, 6, moving=False)
        texts += [question.turn() for question in sample.questions] if sample else []
    return texts


@torch.no_grad()
def _measured(student: Student, clips: Sequence[_Clip], recipe: Recipe) -> dict[str, float]:
    """Accuracy of reading facts and of stills, on some of the clips with other questions."""
    packer = Packer(student.tokenizer, student.adapter)
    rng = np.random.default_rng(seed_for("measured", recipe.seed))
    some = [clips[int(k)] for k in rng.choice(len(clips), min(60, len(clips)), replace=False)]
    pictured = [_pictured(clip, rng, recipe.questions, moving=False) for clip in some]
    kinds = {
        "stills": [sample for sample in pictured if sample is not None],
        "facts": [_read(question, facts) for clip in some for question, facts, _ in clip.read[:8]],
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


if __name__ == "__main__":
    main(sys.argv[1:])
