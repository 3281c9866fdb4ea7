"""The stage `base_student`: the tokenizer and the initial weights that all arms share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from p4d.artifacts import write_json
from p4d.config import ClipsParams, StudentParams
from p4d.errors import ContractError
from p4d.pipeline import StageInputs, StageReport
from p4d.students.data.questions import load_questions
from p4d.students.embedded import FOLDERS
from p4d.students.model.adapters import adapter_for, family_named, initial_model
from p4d.students.model.chat import opening, question_turn
from p4d.students.model.pretrained import from_checkpoint
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import Student, save_student
from p4d.students.model.tokenizer import letter_ids, train_tokenizer


def build_base_student(inputs: StageInputs, out: Path) -> StageReport:
    """Load a checkpoint, or train a tokenizer on the train split and initialise a network.

    Writes `tokenizer/`, `model/` and `card.json`.

    Raises:
        ContractError: the release has no train questions, or the checkpoint cannot be used.
    """
    params: StudentParams = inputs.params("student")
    clips: ClipsParams = inputs.params("clips")
    questions = load_questions(inputs.folder("release"), "train")
    if not questions:
        raise ContractError("the release has no questions in its train split")
    if params.checkpoint:
        model, tokenizer, origin = from_checkpoint(
            str(FOLDERS.get(params.checkpoint, params.checkpoint)),
            size_px=clips.size_px,
            seed=params.seed,
            frames=clips.frames,
            settings=None if params.checkpoint in FOLDERS else _settings(params),
        )
        if params.checkpoint in FOLDERS:  # it has its own regions and answers; times are chosen
            replace(PromptSettings.of(model), time=params.time).store(model)
    else:
        texts = [question_turn(item.question, item.options) for item in questions]
        tokenizer = train_tokenizer(
            [opening(sees_video=True), *texts],
            params.vocabulary,
            family_named(params.architecture).special_tokens,
            min_frequency=params.tokenizer_min_frequency,
        )
        model = initial_model(params, clips, tokenizer)
        origin = {"tokenizer_texts": len(texts), "seed": params.seed}
        _settings(params).store(model)
    settings = PromptSettings.of(model)
    letter_ids(tokenizer)
    adapter = adapter_for(model)
    parameters = sum(weight.numel() for weight in model.parameters())
    card = {
        "architecture": model.config.model_type,
        "origin": origin,
        "parameters": parameters,
        "vocabulary": len(tokenizer),
        "frames": clips.frames,
        "visual_tokens": Student(adapter, tokenizer, sees_video=True).visual_tokens(clips.frames),
        "region_prompt": settings.regions,
        "answers": settings.answers,
        "tokens_per_frame_rows_columns": list(adapter.frame_grid()),
        "sees_video": True,
    }
    save_student(out, model, tokenizer)
    write_json(out / "card.json", card)
    return StageReport(metrics={"parameters": parameters, "vocabulary": len(tokenizer)})


def _settings(params: StudentParams) -> PromptSettings:
    return PromptSettings(
        regions=params.region_prompt,
        answers=params.answers,
        content_scale=params.region_content_scale,
        place_scale=params.region_place_scale,
        time=params.time,
    )
