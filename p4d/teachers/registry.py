"""Teachers by the names that params.yaml uses.

A new teacher gets a line in `_MAKERS` and its name in `TEACHERS` of p4d/config/teaching.py, which
checks params.yaml without importing torch; a test compares the two lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from p4d.errors import ConfigError
from p4d.teachers.exact import ExactTeacher
from p4d.teachers.expert4d import network as expert4d
from p4d.teachers.expert4d.teacher import ExpertTeacher
from p4d.teachers.protocol import LatentTeacher, Teacher

_MAKERS: Mapping[str, Callable[[Path], Teacher]] = {
    "expert4d": ExpertTeacher,
    # Truth is sampled to the expert's grid, so that labels of both can be compared.
    "exact": lambda expert_folder: ExactTeacher(expert4d.read_config(expert_folder).map_px),
}


def known_teachers() -> tuple[str, ...]:
    """Names that `make_teacher` accepts."""
    return tuple(_MAKERS)


def make_teacher(name: str, expert_folder: Path) -> Teacher:
    """Make the teacher called `name`; `expert_folder` is the output of stage `expert`.

    Raises:
        ConfigError: no teacher has this name; the known names are listed.
    """
    if name not in _MAKERS:
        raise ConfigError(f"no teacher is called {name!r}; known are {', '.join(_MAKERS)}")
    return _MAKERS[name](expert_folder)


def load_latent_teacher(expert_folder: Path) -> LatentTeacher:
    """Load the frozen network whose latents and heads distillation uses."""
    return expert4d.load(expert_folder)
