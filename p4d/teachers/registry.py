"""Teachers by the names that params.yaml uses.

A new kind gets a line in `_MAKERS` and its modalities in `GIVES` of p4d/config/labelling.py, which
checks params.yaml without importing torch; a test compares the two lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.config import LabelsParams, TeacherParams
from p4d.errors import ConfigError
from p4d.teachers.exact import ExactTeacher
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.protocol import LatentTeacher, Teacher

_BUILT_IN: Mapping[str, Callable[[Path], Teacher]] = {
    "expert4d": ExpertTeacher,
    # Truth is sampled to the expert's grid, so that labels of both can be compared.
    "exact": lambda expert_folder: ExactTeacher(expert4d.read_config(expert_folder).map_px),
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """A teacher of the settings, as its maker sees it.

    Attributes:
        name: its name.
        settings: its settings.
        map_px: side of the expert's maps.
        frames: of a clip.
        used: the first teacher of `uses` that gives a modality, by modality.
    """

    name: str
    settings: TeacherParams
    map_px: int
    frames: int
    used: Mapping[str, Teacher]


# Each imports its teacher when it is made: those of published networks import transformers, which
# takes longer than the default teachers need for a small shard.


def _depth(one: Described) -> Teacher:
    from p4d.teachers.depth_network import DepthNetworkTeacher

    return DepthNetworkTeacher(one.name, one.settings, one.map_px)


def _flow_dis(one: Described) -> Teacher:
    from p4d.teachers.flow_dis import DisFlowTeacher

    return DisFlowTeacher(one.name, one.settings, one.map_px)


def _camera_flow(one: Described) -> Teacher:
    from p4d.teachers.camera_from_flow import FlowCameraTeacher

    return FlowCameraTeacher(
        one.name, one.settings, flow_by=one.used["flow"], depth_by=one.used["depth"]
    )


def _l4p(one: Described) -> Teacher:
    from p4d.teachers.l4p.teacher import L4PTeacher

    return L4PTeacher(one.name, one.settings, one.frames)


def _latents(one: Described) -> Teacher:
    from p4d.teachers.latent_network import LatentNetworkTeacher

    return LatentNetworkTeacher(one.name, one.settings, one.map_px, one.frames)


_MAKERS: Mapping[str, Callable[[Described], Teacher]] = {
    "depth": _depth,
    "flow_dis": _flow_dis,
    "camera_flow": _camera_flow,
    "l4p": _l4p,
    "latents": _latents,
}


def known_kinds() -> tuple[str, ...]:
    """Kinds of teachers that `make_teachers` can make."""
    return (*_BUILT_IN, *_MAKERS)


def make_teachers(params: LabelsParams, expert_folder: Path) -> list[Teacher]:
    """Make the teachers that `params` names, in order; weights are loaded and checked here.

    Args:
        params: names and settings.
        expert_folder: output of stage `expert`.

    Raises:
        ConfigError: settings or weights of a teacher cannot be used; the message names both.
    """
    sizes = expert4d.read_config(expert_folder)
    made: dict[str, Teacher] = {}
    for name in params.teachers:
        if name in _BUILT_IN:
            made[name] = _BUILT_IN[name](expert_folder)
            continue
        settings = params.settings[name]
        if settings.kind not in _MAKERS:
            raise ConfigError(f"no kind of teacher is called {settings.kind!r}")
        described = Described(
            name=name, settings=settings, map_px=sizes.map_px, frames=sizes.frames,
            used=_used(params, settings.uses, made),
        )  # fmt: skip
        made[name] = _MAKERS[settings.kind](described)
    return list(made.values())


def _used(
    params: LabelsParams, names: Sequence[str], made: Mapping[str, Teacher]
) -> dict[str, Teacher]:
    found: dict[str, Teacher] = {}
    for name in names:
        for modality in params.gives(name):
            found.setdefault(modality, made[name])
    return found


def load_latent_teacher(expert_folder: Path) -> LatentTeacher:
    """Load the frozen network whose latents and heads distillation uses."""
    return expert4d.load(expert_folder)
