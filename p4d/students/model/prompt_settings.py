"""How a student reads regions and answers; stored in the model's config, so saved with the weights.

The key in the config is `reading`, as in students of earlier versions and in exported ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from transformers import PreTrainedModel

from p4d.errors import ContractError

KEY = "reading"
TEMPLATES = ("p4d", "own")
TIMES = ("tpe", "text", "burned_in", "none")


@dataclass(frozen=True)
class PromptSettings:
    """The defaults are those of published checkpoints, whose config has no such key.

    Attributes:
        regions: `marks`, a picture with drawn marks precedes the clip, or `tokens`, first-frame
            masks tie the tokens `<obj_k>` to visual tokens (p4d/students/model/region_tokens.py).
        answers: `letter`, or `option`, the text of the option. A letter has to be bound to an
            option first, which a small network learns late; large ones can do it already.
        content_scale: norm of what a region shows, relative to the embedding of `<obj_k>`.
        place_scale: norm of the place of a region, likewise.
        template: `p4d`, the turns of p4d/students/model/chat.py, or `own`, the chat template of the
            checkpoint's tokenizer.
        time: what tells the times of frames: `tpe`, the encoding of the paper; `text`, a sentence
            after the video; `burned_in`, seconds drawn into each frame; `none`. What a family
            writes by itself (the seconds of Qwen3-VL) comes from its template in every case.
    """

    regions: str = "marks"
    answers: str = "letter"
    content_scale: float = 1.5
    place_scale: float = 1.2
    template: str = "p4d"
    time: str = "tpe"

    @classmethod
    def of(cls, model: PreTrainedModel) -> PromptSettings:
        """The settings in the model's config, else the defaults.

        Raises:
            ContractError: the config holds others than these.
        """
        stored = getattr(model.config, KEY, {})
        try:
            found = cls(**stored)
            scales = [math.isfinite(scale) for scale in (found.content_scale, found.place_scale)]
        except TypeError as error:
            raise ContractError(
                f"config.json: {KEY} is no prompt settings: {ascii(stored)[:200]} ({error})"
            ) from error
        if (
            found.regions not in ("marks", "tokens")
            or found.answers not in ("letter", "option")
            or found.template not in TEMPLATES
            or found.time not in TIMES
            or not all(scales)
        ):
            raise ContractError(f"config.json: {KEY} is {ascii(stored)[:200]}")
        return found

    def store(self, model: PreTrainedModel) -> None:
        """Write into the model's config; what came later only if it is not the default.

        Configs with defaults are therefore equal to those of earlier versions.
        """
        stored = asdict(self)
        for name in ("content_scale", "place_scale", "template", "time"):
            if stored[name] == getattr(PromptSettings, name):
                del stored[name]
        setattr(model.config, KEY, stored)
