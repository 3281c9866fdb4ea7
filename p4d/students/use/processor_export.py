"""Writes the files of a processor beside an exported student, so that `AutoProcessor` opens it.

A student of a published checkpoint has that checkpoint's chat template and its rules for pictures,
at the size of its clips. Another student gets the turns of `chat.py` as a template, and its square
size as bounds on pixels: its own frames, which are squares of that size, pass unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from p4d.artifacts import write_json
from p4d.config import ClipsParams
from p4d.students.model.adapters import adapter_for, family_named
from p4d.students.model.adapters.picture_format import PictureFormat, pictures_of
from p4d.students.model.published.picture_rule import PictureRule, PublishedPictures

_BICUBIC = 3
_CLASSES = {
    "internvl": ("InternVLProcessor", "GotOcr2ImageProcessor", "InternVLVideoProcessor"),
    "qwen2_5_vl": ("Qwen2_5_VLProcessor", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"),
    "qwen3_vl": ("Qwen3VLProcessor", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"),
    "llava_onevision": (
        "LlavaOnevisionProcessor", "LlavaOnevisionImageProcessor", "LlavaOnevisionVideoProcessor",
    ),
}  # fmt: skip
_MEDIA = {
    "image": "<|vision_start|><|image_pad|><|vision_end|>",
    "video": "<|vision_start|><|video_pad|><|vision_end|>",
}
_TOKENS = {
    "qwen2_5_vl": _MEDIA,
    "qwen3_vl": _MEDIA,
    "internvl": {"image": "<IMG_CONTEXT>", "video": "<video>"},
}
_PLAIN = {"image": "<image>", "video": "<video>"}


def write_processor(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    clips: ClipsParams,
) -> None:
    """Write the settings of pictures and videos, and a chat template if the student has none."""
    family = model.config.model_type
    processor, image, video = _CLASSES[family]
    pictures = _rules(model, clips)
    common = {"processor_class": processor, "do_convert_rgb": True}
    write_json(
        folder / "preprocessor_config.json",
        {**common, "image_processor_type": image, **_settings(model, pictures.image, clips, 1)},
    )
    write_json(
        folder / "video_preprocessor_config.json",
        {
            **common,
            "video_processor_type": video,
            "do_sample_frames": False,
            **_settings(model, pictures.video, clips, clips.frames),
        },
    )
    own: dict[str, Any] = {"processor_class": processor}
    if family == "llava_onevision":
        vision: Any = model.config.vision_config
        own |= {
            "num_image_tokens": (vision.image_size // vision.patch_size) ** 2,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_9",
            "image_token": "<image>",
            "video_token": "<video>",
        }
    if family == "internvl":
        own["image_seq_length"] = adapter_for(model).visual_tokens(1)
    write_json(folder / "processor_config.json", own)
    if tokenizer.chat_template is None:
        template = chat_template(_TOKENS.get(family, _PLAIN))
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def chat_template(media: dict[str, str]) -> str:
    """The turns of `chat.py`; pictures come first, each on the line of the first."""
    cases = "".join(
        f"{{% if content['type'] == '{kind}' %}}{text}{{% endif %}}" for kind, text in media.items()
    )
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for content in message['content'] %}" + cases + "{% endfor %}"
        "{% for content in message['content'] %}"
        "{% if content['type'] == 'text' %}\n{{ content['text'] }}{% endif %}{% endfor %}"
        "{% endif %}\n<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def _rules(model: PreTrainedModel, clips: ClipsParams) -> PublishedPictures:
    family = family_named(model.config.model_type)
    found = pictures_of(model, family.picture_format(model, clips.size_px))
    if isinstance(found, PublishedPictures):
        return found
    return PublishedPictures(_square(found), _square(found))


def _square(pictures: PictureFormat) -> PictureRule:
    size = (pictures.size_px, pictures.size_px)
    return PictureRule(mean=pictures.mean, std=pictures.std, resample=_BICUBIC, fixed_hw=size)


def _settings(
    model: PreTrainedModel, rule: PictureRule, clips: ClipsParams, frames: int
) -> dict[str, Any]:
    """A rule as transformers' processors store it; a fixed size becomes bounds on pixels (Qwen)."""
    found: dict[str, Any] = {
        "image_mean": list(rule.mean),
        "image_std": list(rule.std),
        "rescale_factor": rule.rescale,
        "resample": rule.resample,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
    }
    assert rule.fixed_hw is not None  # a trained student has one size
    height, width = rule.fixed_hw
    vision: Any = model.config.vision_config
    if not hasattr(vision, "spatial_merge_size"):
        if frames == 1 and model.config.model_type == "llava_onevision":
            found["image_grid_pinpoints"] = [[height, width]]
        return {**found, "size": {"height": height, "width": width}}
    whole = model.config.model_type == "qwen3_vl" and frames > 1
    pixels = height * width * (frames if whole else 1)
    return {
        **found,
        "patch_size": vision.patch_size,
        "merge_size": vision.spatial_merge_size,
        "temporal_patch_size": vision.temporal_patch_size,
        "size": {"shortest_edge": pixels, "longest_edge": pixels},
    }
