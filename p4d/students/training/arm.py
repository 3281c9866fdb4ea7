"""The module that training optimises: a student and, if it distils, the perception decoder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from p4d.students.distillation.losses import counts, explicit_losses, latent_loss, sft_loss
from p4d.students.distillation.perception import LatentStats, PerceptionDecoder
from p4d.students.distillation.regions import (
    RegionDecoder,
    region_latents,
    region_loss,
    regions_counted,
)
from p4d.students.model.adapters import StudentAdapter
from p4d.students.model.batch import IGNORED, PackedBatch
from p4d.students.model.student import REGIONS, embedded_states, hidden_states
from p4d.teachers.protocol import DenseMaps, LatentTeacher

States = Mapping[int, Tensor]
"""Hidden states by layer (`hidden_states`)."""


@dataclass(frozen=True)
class Distillation:
    """The decoder, the frozen expert, and what is compared.

    Attributes:
        decoder: predicts the expert's latents from visual tokens; trained, not exported.
        expert: its heads turn predicted latents into maps; frozen.
        stats: statistics of the expert's latents by hook and channel.
        modalities: explicit terms.
        latents: whether the latent term is computed.
        layer: which hidden states of visual tokens are read (`distillation.student_layer`).
        losses: how the terms compare (`distillation.losses`).
        regions: predicts the expert's latents under regions; trained, not exported. None: there
            is no region term.
    """

    decoder: PerceptionDecoder
    expert: LatentTeacher
    stats: LatentStats
    modalities: tuple[str, ...]
    latents: bool = True
    layer: int = -1
    losses: str = "p4d"
    regions: RegionDecoder | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The distillation terms."""
        region = ["region"] if self.regions else []
        return (*(["latent"] if self.latents else []), *self.modalities, *region)

    @property
    def layers(self) -> tuple[int, ...]:
        """Which of `hidden_states` the terms read."""
        return (self.layer, *((REGIONS,) if self.regions else ()))

    def maps(self, tokens: Tensor) -> DenseMaps:
        """The maps of visual tokens `[B, slots, rows, columns, C]`, by the expert's heads."""
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
            tokens: visual tokens of the labelled rows of a batch.
            labels: as in `PackedBatch.labels`.
            mapped: `[M]` which of the rows have their maps compared.
            of_step: number of elements each term is averaged over (`losses.counts`).
        """
        predicted = self.decoder(tokens).float()
        terms = {}
        if self.latents:
            terms["latent"] = self._latent(predicted, labels["latents"].float(), of_step["latent"])
        if len(mapped) and self.modalities:
            maps = self.expert.decode(self.stats.restore(predicted[mapped]))
            terms |= explicit_losses(maps, labels, self.modalities, of_step, losses=self.losses)
        else:
            terms |= {name: predicted.sum() * 0.0 for name in self.modalities}
        return terms

    def region_term(
        self, read_bkd: Tensor, labels: Mapping[str, Tensor], masks_bkss: Tensor, count: float
    ) -> Tensor:
        """The region term of the labelled rows of a batch.

        Args:
            read_bkd: what is read at their regions.
            labels: as in `PackedBatch.labels`.
            masks_bkss: their regions in the first frame.
            count: number of elements that the term is averaged over.
        """
        assert self.regions is not None
        latents = self.stats.standardise(labels["latents"].float())
        there, target = region_latents(latents, masks_bkss)
        return region_loss(self.regions(read_bkd[there]), target, count)

    def _latent(self, predicted: Tensor, labelled: Tensor, count: float) -> Tensor:
        if self.losses == "p4d":
            return latent_loss(predicted, self.stats.standardise(labelled), count)
        raw = self.stats.restore(predicted)
        return latent_loss(raw, labelled, count, squared=self.losses == "release")


class Arm(nn.Module):
    """The student and, if it distils, the perception decoder."""

    def __init__(self, adapter: StudentAdapter, distillation: Distillation | None) -> None:
        """The expert is kept outside the module tree: it is not trained, saved or counted."""
        super().__init__()
        self.student = adapter.model
        self.decoder = distillation.decoder if distillation else None
        self.regions = distillation.regions if distillation else None
        self._adapter = [adapter]
        self._distillation = [distillation]
        # The units that accelerate shards; the decoder stays in the outer unit.
        inside = {type(module).__name__ for module in self.student.modules()}
        self._no_split_modules = sorted(inside & set(self.student._no_split_modules or ()))

    @property
    def distils(self) -> bool:
        """Whether there is a teacher."""
        return self._distillation[0] is not None

    @property
    def encoder(self) -> nn.Module:
        """The vision encoder of the student."""
        return self._adapter[0].encoder()

    def place(self, device: str) -> None:
        """Move everything that has numbers, including the expert, to `device`."""
        if not any(weight.is_meta for weight in self.parameters()):
            self.to(device)
        if self._distillation[0] is not None:
            self._distillation[0].expert.to(device)

    def counts(self, batch: PackedBatch) -> dict[str, float]:
        """Number of elements each term of a batch is averaged over (`losses.counts`)."""
        distillation = self._distillation[0]
        found = counts(
            int((batch.targets != IGNORED).sum()),
            batch.labels,
            distillation.modalities if distillation else (),
            latents=distillation is not None and distillation.latents,
        )
        if distillation and distillation.regions:
            masks = None if batch.masks is None else batch.masks[batch.labelled_rows]
            latents = batch.labels.get("latents")
            found["region"] = 0.0 if latents is None else regions_counted(latents, masks)
        return found

    def forward(
        self,
        batch: PackedBatch,
        of_step: Mapping[str, float] | None = None,
        *,
        probe: bool = False,
        ask: bool = True,
        distil: bool = True,
        unweighted: Collection[str] = (),
    ) -> dict[str, Tensor]:
        """Raw loss terms of a batch, `sft` first.

        Args:
            batch: packed rows.
            of_step: `counts` of the step that the batch is part of; default: of the batch.
            probe: return the maps that the expert's heads predict for every row, not terms.
            ask: if False, no question is answered and `sft` is 0. If the decoder then reads the
                input of the language model, the language model does not run.
            distil: if False, `sft` is the only term.
            unweighted: terms whose weight is 0. If all that read visual tokens are, they are
                computed without their gradients, which would be zero.

        `probe` is an argument and not a method because wrappers of sharded models gather weights
        around `forward` only.
        """
        adapter, distillation = self._adapter[0], self._distillation[0]
        of_step = of_step or self.counts(batch)
        batch = batch.to(next(self.student.parameters()).device)
        # Sharded weights are gathered around whole forward passes: none may end at the first block.
        whole = ask or any(isinstance(weight, DTensor) for weight in self.student.parameters())
        if not whole and distillation and distillation.layer == 0:
            states = embedded_states(adapter, batch)
            states[-1] = states[0]
        else:
            states = hidden_states(adapter, batch, distillation.layers if distillation else ())
        if probe:
            return self._predicted_maps(states, batch)
        if ask:
            terms = {"sft": self._sft(states[-1], batch, of_step)}
        else:
            terms = {"sft": states[-1].sum() * 0.0 if whole else _nothing(self.student)}
        if distillation and distil and batch.frames is not None:
            rows = batch.labelled_rows
            if len(rows):
                terms |= self._token_terms(states, batch, of_step, unweighted)
                if distillation.regions:
                    terms["region"] = self._region(states, batch, of_step["region"])
            else:
                terms |= {name: states[-1].sum() * 0.0 for name in distillation.names}
        return terms

    def _sft(self, hidden: Tensor, batch: PackedBatch, of_step: Mapping[str, float]) -> Tensor:
        asked = batch.targets != IGNORED
        logits = self._adapter[0].logits(hidden[asked])
        return sft_loss(logits, batch.targets[asked], of_step["sft"])

    def _region(self, states: States, batch: PackedBatch, count: float) -> Tensor:
        """The region term; zero if no clip of the batch has a region."""
        distillation, rows = self._distillation[0], batch.labelled_rows
        assert distillation is not None and self.regions is not None
        if batch.masks is None:
            return _nothing(self.regions)
        return distillation.region_term(
            states[REGIONS][rows], batch.labels, batch.masks[rows], count
        )

    def _token_terms(
        self,
        states: States,
        batch: PackedBatch,
        of_step: Mapping[str, float],
        unweighted: Collection[str],
    ) -> dict[str, Tensor]:
        """The terms that read visual tokens of the labelled rows."""
        distillation, rows = self._distillation[0], batch.labelled_rows
        assert distillation is not None and self.decoder is not None
        idle = set(distillation.names) - {"region"} <= set(unweighted)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not idle):
            tokens = self._clip_tokens(states, batch, rows)
            terms = distillation.terms(tokens, batch.labels, batch.mapped, of_step)
        if not idle:
            return terms
        zero = _nothing(self.decoder)
        return {name: value + zero for name, value in terms.items()}

    def _predicted_maps(self, states: States, batch: PackedBatch) -> dict[str, Tensor]:
        distillation = self._distillation[0]
        assert distillation is not None, "only an arm that distils predicts maps"
        every = torch.arange(len(batch.clip_ids), device=states[-1].device)
        maps = distillation.maps(self._clip_tokens(states, batch, every))
        return {
            "depth": maps.log_depth_bthw.exp(),
            "flow": maps.flow_px_bthw2,
            "motion": torch.sigmoid(maps.motion_logit_bthw),
            "rays": maps.rays_bthw6,
        }

    def _clip_tokens(self, states: States, batch: PackedBatch, rows: Tensor) -> Tensor:
        """Visual tokens of the clips of some rows, `[rows, slots, rows, columns, C]`.

        Stills are left out: the expert's labels do not cover the picture with the drawn marks.
        """
        distillation = self._distillation[0]
        assert batch.times_s is not None and distillation is not None
        hidden = states[distillation.layer]
        return self._adapter[0].frame_tokens(
            hidden[rows], batch.input_ids[rows], batch.times_s[rows]
        )


def _nothing(module: nn.Module) -> Tensor:
    """Zero that depends on every weight: processes wait for all gradients."""
    return sum((w.sum() for w in module.parameters()), torch.zeros(())) * 0.0
