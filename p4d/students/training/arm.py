"""What training optimises: a student and, where it distils, all that only training needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from p4d.students.data.batch import IGNORED, Batch
from p4d.students.distillation.losses import counts, explicit_losses, latent_loss, sft_loss
from p4d.students.distillation.perception import LatentStats, PerceptionDecoder
from p4d.students.model.adapters import StudentAdapter
from p4d.students.model.student import embedded_tokens, hidden_states
from p4d.teachers.protocol import DenseMaps, LatentTeacher


@dataclass(frozen=True)
class Distillation:
    """The decoder, the frozen expert, and what is compared.

    Attributes:
        decoder: from visual tokens to the expert's latents; trained, and left behind.
        layer: which hidden states of visual tokens it reads (`distillation.student_layer`).
        expert: its heads turn predicted latents into maps; never trained.
        stats: the expert's latents by hook and channel.
        modalities: explicit terms.
        latents: whether latents are compared, too; without, maps alone teach.
    """

    decoder: PerceptionDecoder
    expert: LatentTeacher
    stats: LatentStats
    modalities: tuple[str, ...]
    latents: bool = True
    layer: int = -1

    @property
    def names(self) -> tuple[str, ...]:
        """The distillation terms."""
        return (*(["latent"] if self.latents else []), *self.modalities)

    def maps(self, tokens: Tensor) -> DenseMaps:
        """What the expert's heads see in visual tokens `[B, slots, rows, columns, C]`."""
        return self.expert.decode(self.stats.restore(self.decoder(tokens).float()))

    def terms(
        self,
        tokens: Tensor,
        labels: Mapping[str, Tensor],
        mapped: Tensor,
        of_step: Mapping[str, float],
    ) -> dict[str, Tensor]:
        """Distillation terms from visual tokens `[B, slots, rows, columns, C]`.

        Args:
            tokens: of the labelled rows of a batch.
            labels: as in `Batch.labels`.
            mapped: `[M]` which of the rows are compared in maps.
            of_step: what each term is a mean over (p4d/students/distillation/losses.py).
        """
        predicted = self.decoder(tokens).float()
        terms = {}
        if self.latents:
            target = self.stats.standardise(labels["latents"].float())
            terms["latent"] = latent_loss(predicted, target, of_step["latent"])
        if len(mapped):
            maps = self.expert.decode(self.stats.restore(predicted[mapped]))
            terms |= explicit_losses(maps, labels, self.modalities, of_step)
        else:
            terms |= {name: predicted.sum() * 0.0 for name in self.modalities}
        return terms


class Arm(nn.Module):
    """The student and, where it distils, the perception decoder."""

    def __init__(self, adapter: StudentAdapter, distillation: Distillation | None) -> None:
        """The expert stays outside of the module: it is not trained, saved or counted."""
        super().__init__()
        self.student = adapter.model
        self.decoder = distillation.decoder if distillation else None
        self._adapter = [adapter]
        self._distillation = [distillation]
        # What accelerate shards one by one; the decoder stays in the outer unit.
        inside = {type(module).__name__ for module in self.student.modules()}
        self._no_split_modules = sorted(inside & set(self.student._no_split_modules or ()))

    @property
    def distils(self) -> bool:
        """Whether there is a teacher."""
        return self._distillation[0] is not None

    def place(self, device: str) -> None:
        """Move everything, the expert too, to `device`."""
        self.to(device)
        if self._distillation[0] is not None:
            self._distillation[0].expert.to(device)

    def counts(self, batch: Batch) -> dict[str, float]:
        """What each term of a batch is a mean over (p4d/students/distillation/losses.py)."""
        distillation = self._distillation[0]
        return counts(
            int((batch.targets != IGNORED).sum()),
            batch.labels,
            distillation.modalities if distillation else (),
            latents=distillation is not None and distillation.latents,
        )

    def forward(
        self,
        batch: Batch,
        of_step: Mapping[str, float] | None = None,
        *,
        look: bool = False,
        ask: bool = True,
        distil: bool = True,
    ) -> dict[str, Tensor]:
        """Raw loss terms of a batch, `sft` first.

        Args:
            batch: packed rows.
            of_step: `counts` of the step that the batch is part of; default: of the batch.
            look: instead of terms, the maps that the expert's heads see in every row.
            ask: without, no question is answered and `sft` is 0. Where the decoder reads what
                enters the language model, that is not run at all.
            distil: without, `sft` is the only term.

        A method of its own would be cleaner for `look`, but wrappers that gather sharded weights
        do so around `forward` alone.
        """
        adapter, distillation = self._adapter[0], self._distillation[0]
        of_step = of_step or self.counts(batch)
        batch = batch.to(next(self.student.parameters()).device)
        states: Sequence[Tensor]
        if not ask and distillation and distillation.layer == 0:
            states = (embedded_tokens(adapter, batch),)
        else:
            states = hidden_states(adapter, batch)
        if look:
            return self._looked(states, batch)
        terms = {"sft": self._sft(states[-1], batch, of_step) if ask else self._nothing()}
        if distillation and distil and batch.frames is not None:
            rows = batch.labelled_rows
            if len(rows):
                tokens = self._clip_tokens(states, batch, rows)
                terms |= distillation.terms(tokens, batch.labels, batch.mapped, of_step)
            else:
                terms |= {name: states[-1].sum() * 0.0 for name in distillation.names}
        return terms

    def _sft(self, hidden: Tensor, batch: Batch, of_step: Mapping[str, float]) -> Tensor:
        asked = batch.targets != IGNORED
        logits = self._adapter[0].logits(hidden[asked])
        return sft_loss(logits, batch.targets[asked], of_step["sft"])

    def _nothing(self) -> Tensor:
        """Zero that every weight takes part in: processes wait for all gradients."""
        return sum((w.sum() for w in self.student.parameters()), torch.zeros(())) * 0.0

    def _looked(self, states: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        distillation = self._distillation[0]
        assert distillation is not None, "only an arm that distils can be looked at"
        every = torch.arange(len(batch.clip_ids), device=states[-1].device)
        maps = distillation.maps(self._clip_tokens(states, batch, every))
        return {
            "depth": maps.log_depth_bthw.exp(),
            "flow": maps.flow_px_bthw2,
            "motion": torch.sigmoid(maps.motion_logit_bthw),
            "rays": maps.rays_bthw6,
        }

    def _clip_tokens(self, states: Sequence[Tensor], batch: Batch, rows: Tensor) -> Tensor:
        """Visual tokens of the clips of some rows, `[rows, slots, rows, columns, C]`.

        Stills are left out: the expert has never seen the picture with the drawn marks.
        """
        distillation = self._distillation[0]
        assert batch.times_s is not None and distillation is not None
        hidden = states[distillation.layer]
        return self._adapter[0].frame_tokens(
            hidden[rows], batch.input_ids[rows], batch.times_s[rows]
        )
