"""Reads the settings of a checkpoint's processor: pictures, frames and the chat template.

Older checkpoints have `preprocessor_config.json` (also for videos) and `chat_template.json`; newer
ones `video_preprocessor_config.json`, `processor_config.json` and `chat_template.jinja`. Values
that a file leaves out are the defaults of transformers' class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.errors import ContractError
from p4d.model_folder import ModelFolder
from p4d.students.model.published.frame_sampling import FrameSampling
from p4d.students.model.published.picture_rule import Colour, PictureRule, PublishedPictures

HALF: Colour = (0.5, 0.5, 0.5)
IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
CLIP_MEAN: Colour = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Colour = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class ProcessorDefaults:
    """What transformers' classes use where a file says nothing.

    Attributes:
        image: settings of the image processor.
        video: settings of the video processor.
        sampling: how the video processor picks frames.
        cells: whether pictures are cut into cells of patches and keep their aspect (Qwen).
        per_clip: whether the bounds on pixels of a video are those of the whole clip.
    """

    image: Mapping[str, Any]
    video: Mapping[str, Any]
    sampling: FrameSampling
    cells: bool
    per_clip: bool = False


@dataclass(frozen=True)
class Processor:
    """What the files of a checkpoint say.

    Attributes:
        pictures: how stills and videos are resized and scaled.
        sampling: which frames of a video are taken.
        template: the chat template, in Jinja.
    """

    pictures: PublishedPictures
    sampling: FrameSampling
    template: str


def read_processor(
    folder: ModelFolder, defaults: ProcessorDefaults, template: str | None
) -> Processor | None:
    """The processor of a checkpoint, or None if the folder has none.

    Args:
        folder: the checked folder of the checkpoint.
        defaults: those of its family.
        template: the chat template of its tokenizer; a file of the processor replaces it.

    Raises:
        ContractError: a setting cannot be used, or there are settings but no chat template.
    """
    both = folder.setting("processor_config.json")
    image = folder.setting("preprocessor_config.json") or both.get("image_processor") or {}
    video = folder.setting("video_preprocessor_config.json") or both.get("video_processor") or image
    if not (image or video):
        return None
    text = folder.setting("chat_template.json").get("chat_template") or folder.text(
        "chat_template.jinja"
    )
    template = text or template
    if not isinstance(template, str):
        # Students of this project that were saved with a processor's scale only.
        return None
    for settings in (image, video):
        _check_supported(folder, settings)
    return Processor(
        PublishedPictures(
            _rule({**defaults.image, **image}, defaults.cells, per_clip=False, video=False),
            _rule({**defaults.video, **video}, defaults.cells, defaults.per_clip, video=True),
        ),
        defaults.sampling.changed_by(video),
        template,
    )


def _check_supported(folder: ModelFolder, settings: Mapping[str, Any]) -> None:
    """Refuse what no published checkpoint of the families does."""
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if settings.get(key, True) is not True:
            raise ContractError(f"{folder.path}: its processor has {key}: false, which p4d lacks")
    if settings.get("do_center_crop"):
        raise ContractError(f"{folder.path}: its processor has do_center_crop, which p4d lacks")


def _rule(settings: Mapping[str, Any], cells: bool, per_clip: bool, *, video: bool) -> PictureRule:
    size = settings["size"]
    common: dict[str, Any] = {
        "mean": tuple(settings["image_mean"]),
        "std": tuple(settings["image_std"]),
        "rescale": settings.get("rescale_factor", 1 / 255),
        "resample": settings.get("resample", 3),
    }
    if not isinstance(size, Mapping):
        raise ContractError(f"settings of a processor: size is {ascii(size)[:200]}")
    if not cells:
        side = size.get("longest_edge") or size.get("shortest_edge")
        fixed = size.get("height", side), size.get("width", side)
        return PictureRule(**common, fixed_hw=fixed)
    least: Any = settings.get("min_pixels") or size.get("shortest_edge")
    most: Any = settings.get("max_pixels") or size.get("longest_edge")
    capped = settings.get("cap_pixels_per_frame") and video
    return PictureRule(
        **common,
        cell_px=settings["patch_size"] * settings["merge_size"],
        min_pixels=least,
        max_pixels=most,
        per_clip=per_clip,
        cap_tokens=settings.get("max_video_tokens") if capped else None,
        tubelet=settings["temporal_patch_size"],
    )
