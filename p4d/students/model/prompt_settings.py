"""How a student reads regions and gives answers: two habits that stay with its weights.

They are kept in the model's config under `reading`, so that whoever loads a student asks it in the
way it was taught.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from transformers import PreTrainedModel

KEY = "reading"


@dataclass(frozen=True)
class Reading:
    """The two habits; the defaults are those of published checkpoints.

    Attributes:
        regions: `marks`, a picture with drawn marks precedes the clip, or `tokens`, first-frame
            masks tie the tokens `<obj_k>` to visual tokens (p4d/students/model/region_tokens.py).
        answers: `letter`, or `option`, the text of the option. A letter has to be bound to an
            option first, which a small network learns late; large ones bring it along.
    """

    regions: str = "marks"
    answers: str = "letter"

    @classmethod
    def of(cls, model: PreTrainedModel) -> Reading:
        """What the model's config says, else the defaults."""
        return cls(**getattr(model.config, KEY, {}))

    def store(self, model: PreTrainedModel) -> None:
        """Write into the model's config, which is saved with it."""
        setattr(model.config, KEY, asdict(self))
