"""Teachers by the names that params.yaml uses.

A new kind gets a line in `_MAKERS` and its modalities in `GIVES` of p4d/config/labelling.py, which
checks params.yaml without importing torch; a test compares the two lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from p4d.config import LabelsParams, TeacherParams
from p4d.errors import ConfigError
from p4d.teachers.depth_network import DepthNetworkTeacher
from p4d.teachers.exact import ExactTeacher
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.flow_dis import DisFlowTeacher
from p4d.teachers.protocol import LatentTeacher, Teacher

_BUILT_IN: Mapping[str, Callable[[Path], Teacher]] = {
    "expert4d": ExpertTeacher,
    # Truth is sampled to the expert's grid, so that labels of both can be compared.
    "exact": lambda expert_folder: ExactTeacher(expert4d.read_config(expert_folder).map_px),
}

_MAKERS: Mapping[str, Callable[[str, TeacherParams, int], Teacher]] = {
    "depth": DepthNetworkTeacher,
    "flow_dis": DisFlowTeacher,
}
"""Makers of `(name, settings, side of the expert's maps)`."""


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
    map_px = expert4d.read_config(expert_folder).map_px
    made: list[Teacher] = []
    for name in params.teachers:
        if name in _BUILT_IN:
            made.append(_BUILT_IN[name](expert_folder))
        else:
            made.append(_made(name, params.settings[name], map_px))
    return made


def _made(name: str, settings: TeacherParams, map_px: int) -> Teacher:
    if settings.kind not in _MAKERS:
        raise ConfigError(f"no kind of teacher is called {settings.kind!r}")
    return _MAKERS[settings.kind](name, settings, map_px)


def load_latent_teacher(expert_folder: Path) -> LatentTeacher:
    """Load the frozen network whose latents and heads distillation uses."""
    return expert4d.load(expert_folder)
