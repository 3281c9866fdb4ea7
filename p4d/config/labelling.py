"""Section labels: the teachers, by name, and which of them counts for which modality."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from p4d.config.section import check, check_at_least_1

MODALITIES = ("depth", "flow", "motion", "camera")
"""What `labels.sources` chooses teachers for. Rays are those of the camera."""

BUILT_IN = ("expert4d", "exact")
"""Teachers that need no settings: the stage `expert`, and truth where clips have it."""

GIVES: Mapping[str, frozenset[str]] = {
    "expert4d": frozenset({"depth", "flow", "motion", "camera", "latents"}),
    "exact": frozenset({"depth", "flow", "motion", "camera"}),
    "depth": frozenset({"depth"}),
    "flow_dis": frozenset({"flow"}),
    "camera_flow": frozenset({"camera", "motion"}),
    "l4p": frozenset({"depth", "flow", "motion", "camera", "latents"}),
    "latents": frozenset({"latents"}),
}
"""What each kind of teacher may give; p4d/teachers/registry.py makes one of each kind."""

WITH_WEIGHTS = frozenset({"depth", "latents", "l4p"})
"""Kinds that read a folder of weights."""

NEEDS: Mapping[str, frozenset[str]] = {"camera_flow": frozenset({"flow", "depth"})}
"""What a kind needs of the teachers that `uses` names."""

CALIBRATED: Mapping[str, frozenset[str]] = {
    "expert4d": frozenset({"flow", "motion"}),
    "exact": frozenset({"flow", "motion"}),
    "flow_dis": frozenset({"flow"}),
}
"""Modalities whose sigma is known of a kind; of others the settings state it."""

FACTS_NEED = ("flow", "motion")
"""Modalities that facts of clips without truth are measured on."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class TeacherParams:
    """Settings of one teacher; docs/teachers.md has the kinds.

    Attributes:
        kind: which code makes it, a key of `GIVES`.
        where: folder of a checkpoint, or its Hub id.
        revision: of a Hub id: the commit. Of a folder: the SHA-256 of its files, or its first 12
            digits and more, so that other files under the same name are an error; empty: any.
        input_px: longer side of the source frames that it reads; 0: that of its kind.
        map_px: side of the maps that it stores; 0: that of the expert.
        batch: frames or clips per call; 0: `labels.batch`.
        device: cpu or cuda.
        uses: teachers before it, whose labels it reads.
        hooks: blocks whose outputs are the latents, counted from 1; empty: the last one.
        flow_sigma_px: error of its flow of a region at rest, in px of its maps; 0: as measured of
            its kind.
        motion_sigma: error of the mean probability of motion of a region; 0: likewise.
    """

    kind: str
    where: str = ""
    revision: str = ""
    input_px: int = 0
    map_px: int = 0
    batch: int = 0
    device: str = "cpu"
    uses: tuple[str, ...] = ()
    hooks: tuple[int, ...] = ()
    flow_sigma_px: float = 0.0
    motion_sigma: float = 0.0

    def sigma(self, modality: str) -> float:
        """The stated sigma of flow or motion; 0: none is stated."""
        return {"flow": self.flow_sigma_px, "motion": self.motion_sigma}.get(modality, 0.0)

    def problem(self) -> str | None:
        """What is wrong with the settings, if anything."""
        numbers = (self.input_px, self.map_px, self.batch, self.flow_sigma_px, self.motion_sigma)
        needs_weights = self.kind in WITH_WEIGHTS
        checks = (
            (self.kind in GIVES, f"kind must be among {sorted(GIVES)}"),
            (self.kind not in BUILT_IN, f"kind {self.kind} is a teacher of that name already"),
            (bool(self.where) == needs_weights, _where_text(needs_weights)),
            (min(numbers) >= 0, "sizes, batch and sigmas must not be negative"),
            (self.input_px <= 8192 and self.map_px <= 1024, "input_px <= 8192, map_px <= 1024"),
            (re.fullmatch(r"cpu|cuda(:\d+)?", self.device), "device must be cpu, cuda or cuda:N"),
            (all(hook >= 1 for hook in self.hooks), "hooks count from 1"),
            (list(self.hooks) == sorted(set(self.hooks)), "hooks must increase"),
            (bool(self.uses) == (self.kind in NEEDS), "uses names teachers of flow and depth"),
        )
        return next((reason for holds, reason in checks if not holds), None)


def _where_text(needed: bool) -> str:
    return "where must name a folder or Hub id" if needed else "this kind has no weights: no where"


@dataclass(frozen=True, kw_only=True)
class LabelsParams:
    """Which teachers label the clips, and which of them counts for which modality.

    `settings` describe each teacher besides `BUILT_IN`. `sources` name, by modality, the teachers
    whose labels facts, regions and `distillation.teacher: sources` take: the first that has it.
    `batch`: clips per call of a teacher.
    """

    teachers: tuple[str, ...]
    settings: Mapping[str, TeacherParams] = field(hash=False)
    sources: Mapping[str, tuple[str, ...]] = field(hash=False)
    batch: int
    threads: int

    def __post_init__(self) -> None:
        for name, one in self.settings.items():
            check(bool(_NAME.fullmatch(name)), self, f"settings: {name!r} is no name [a-z0-9_]")
            check(name not in BUILT_IN, self, f"settings: {name} needs none")
            check(one.problem() is None, self, f"settings.{name}: {one.problem()}")
        known = (*BUILT_IN, *self.settings)
        unknown = sorted(set(self.teachers) - set(known))
        check(
            not unknown,
            self,
            f"teachers must be among {list(known)}, not {unknown}; settings describe others",
        )
        check("expert4d" in self.teachers, self, "teachers must contain expert4d")
        check(len(set(self.teachers)) == len(self.teachers), self, "teachers must differ")
        check_at_least_1(self, "batch", "threads")
        self._check_uses()
        self._check_sources()

    def kind(self, teacher: str) -> str:
        """The kind of a teacher."""
        return teacher if teacher in BUILT_IN else self.settings[teacher].kind

    def gives(self, teacher: str) -> frozenset[str]:
        """What a teacher may give."""
        return GIVES[self.kind(teacher)]

    def _check_uses(self) -> None:
        for at, name in enumerate(self.teachers):
            one = self.settings.get(name)
            if one is None or not one.uses:
                continue
            later = sorted(set(one.uses) - set(self.teachers[:at]))
            check(not later, self, f"settings.{name}: uses {later}, not before it in teachers")
            given = set().union(*(self.gives(used) for used in one.uses))
            lacking = sorted(NEEDS[one.kind] - given)
            check(not lacking, self, f"settings.{name}: nothing that it uses gives {lacking}")

    def _check_sources(self) -> None:
        check(
            set(self.sources) == set(MODALITIES) and all(self.sources.values()),
            self,
            f"sources must name teachers for each of {list(MODALITIES)}",
        )
        for modality, names in self.sources.items():
            for name in names:
                listed = name in self.teachers
                check(listed, self, f"sources.{modality}: {name} is not among teachers")
                gives = modality in self.gives(name)
                check(gives, self, f"sources.{modality}: {name} gives no {modality}")
                known = modality in CALIBRATED.get(self.kind(name), frozenset())
                stated = name in self.settings and self.settings[name].sigma(modality) > 0
                check(
                    known or modality not in FACTS_NEED or stated,
                    self,
                    f"sources.{modality}: no sigma of {name} is known; measure it "
                    f"(docs/teachers.md) and state it in settings.{name}",
                )


def hub_commit(revision: str) -> bool:
    """Whether a revision is a full commit of the Hub."""
    return bool(_COMMIT.fullmatch(revision))
