"""Exports a student as one folder that transformers loads, also with `AutoProcessor` and pipelines.

The folder holds nothing of training: every weight belongs to the architecture in its config. Beside
it lie `p4d_time.py`, which adds the encoding of times, and, for students that read p4d's own turns,
`p4d_inference.py`, which asks them without this package.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from p4d.artifacts import read_json, write_json
from p4d.config import ClipsParams
from p4d.errors import ContractError
from p4d.model_folder import ModelFolder
from p4d.students.model.adapters import family_named, load_model
from p4d.students.model.adapters.picture_format import PictureFormat, pictures_of
from p4d.students.model.prompt_settings import PromptSettings
from p4d.students.model.student import no_progress_bars
from p4d.students.use import standalone_inference, time_hook
from p4d.students.use.processor_export import write_processor

EXPORTED_NAME, TIME_NAME = "p4d_inference.py", "p4d_time.py"
"""Names of the copies of `standalone_inference.py` and `time_hook.py` in an exported folder."""


def export_student(student: Path, destination: Path, clips: ClipsParams) -> Path:
    """Copy a student's checkpoint and tokenizer to one folder, with what it takes to use them.

    Args:
        student: the folder of an arm.
        destination: a folder that does not exist yet.
        clips: how the student's clips were sampled; written to `p4d.json`.

    Returns:
        `destination`.

    Raises:
        ContractError: `student` holds no student, or weights of training; or `destination` exists.
    """
    if not (student / "card.json").is_file():
        raise ContractError(f"{student} holds no student: card.json is missing")
    if destination.exists():
        raise ContractError(f"{destination} exists; name a folder that does not")
    if foreign := training_only_weights(student / "model"):
        raise ContractError(
            f"{student}: weights that do not belong to the architecture: {foreign[:3]}"
        )
    shutil.copytree(student / "model", destination)
    shutil.copytree(student / "tokenizer", destination, dirs_exist_ok=True)
    shutil.copyfile(student / "card.json", destination / "card.json")
    model = load_model(destination)
    settings = PromptSettings.of(model)
    family = family_named(model.config.model_type)
    pictures = pictures_of(model, family.picture_format(model, clips.size_px))
    if settings.template == "p4d":
        shutil.copyfile(standalone_inference.__file__, destination / EXPORTED_NAME)
    if settings.time == "tpe":
        shutil.copyfile(time_hook.__file__, destination / TIME_NAME)
    write_processor(destination, model, ModelFolder.checked(destination).tokenizer(), clips)
    stored = asdict(pictures) if isinstance(pictures, PictureFormat) else pictures.stored()
    write_json(
        destination / "p4d.json",
        {
            "pictures": stored,
            "time": settings.time,
            "frames": clips.frames,
            "grid_hz": clips.grid_hz,
            "span": clips.span,
            "size_px": clips.size_px,
            "sees_video": bool(read_json(student / "card.json")["sees_video"]),
        },
    )
    for path in (destination, *destination.rglob("*")):  # weights are written for their owner alone
        path.chmod(0o755 if path.is_dir() else 0o644)
    return destination


def training_only_weights(checkpoint: Path) -> list[str]:
    """Names of stored weights and weight files that do not belong to the network in the config."""
    folder = ModelFolder.checked(checkpoint)
    network = family_named(folder.config().model_type).model
    with no_progress_bars():
        # transformers renames weights as it loads them, so only it knows which are unexpected.
        _, loading = folder.network(network, with_report=True)
    others = {path.name for path in checkpoint.glob("*.safetensors")}
    others -= {name for name in others if name.startswith("model")}  # shards of the network
    return sorted([*loading["unexpected_keys"], *others])
