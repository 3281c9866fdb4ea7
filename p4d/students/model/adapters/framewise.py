"""What families share whose frames have one slot of visual tokens each and no M-RoPE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from p4d.errors import ContractError
from p4d.students.model.adapters.protocol import media_of_rows


class FramewiseAdapter:
    """One slot of visual tokens per frame; one tower, one projector, plain positions.

    A family sets `_side` (visual tokens per side of a frame) and `_shown` (their placeholder), and
    adds what differs: how pictures become features and tokens of the text.
    """

    frames_per_slot = 1
    _side: int
    _shown: int

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - the networks share no type
        """Wrap `model`; the model itself is not changed."""
        self.model = model
        self.hidden_width: int = model.config.text_config.hidden_size

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table."""
        rows: int = self.model.lm_head.out_features
        return rows

    def encoder(self) -> nn.Module:
        """The vision tower."""
        tower: nn.Module = self.model.model.vision_tower
        return tower

    def projector(self) -> list[nn.Module]:
        """The layers between the encoder and the language model."""
        return [self.model.model.multi_modal_projector]

    def frame_grid(self) -> tuple[int, int]:
        """Rows and columns of visual tokens."""
        return self._side, self._side

    def visual_tokens(self, frames: int, stills: int = 0) -> int:
        """Tokens of all pictures."""
        return (frames + stills) * self._side**2

    def visual_mask(self, input_ids: Tensor) -> Tensor:
        """Positions of the placeholder."""
        return input_ids == self._shown

    def last_state(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Run the network without its language head."""
        inputs["attention_mask"] = inputs.pop("blocks_mask", inputs["attention_mask"])
        cached = inputs.get("past_key_values") is not None
        last: Tensor = self.model.model(**inputs, use_cache=cached).last_hidden_state
        return last

    def text_shift(self, input_ids: Tensor, **pictures: Any) -> Tensor:  # noqa: ANN401
        """None: positions are plain."""
        del pictures
        return input_ids.new_zeros(len(input_ids))

    def blocks(self) -> nn.ModuleList:
        """The blocks of the language model."""
        blocks: nn.ModuleList = self.model.model.language_model.layers
        return blocks

    def generate(self, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Generate with `transformers`."""
        tokens: Tensor = self.model.generate(**inputs)
        return tokens

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the language head."""
        scores: Tensor = self.model.lm_head(hidden)
        return scores

    def frame_tokens(self, hidden: Tensor, input_ids: Tensor, times_s: Tensor) -> Tensor:
        """Gather by mask; stills, and what ends a medium, are dropped."""
        wanted = [
            not medium.is_still and at < medium.frames * self._side**2
            for medium in media_of_rows(times_s)
            for at in range(self.visual_tokens(medium.frames))
        ]
        gathered = hidden[self.visual_mask(input_ids)]
        slots, rest = divmod(sum(wanted), len(hidden) * self._side**2)
        if len(gathered) != len(wanted) or rest:
            raise ContractError(
                f"rows hold {len(gathered)} visual tokens; their frames need {len(wanted)}, and "
                "every row as many"
            )
        kept = gathered[torch.tensor(wanted, dtype=torch.bool, device=hidden.device)]
        return kept.view(len(hidden), slots, self._side, self._side, -1)
