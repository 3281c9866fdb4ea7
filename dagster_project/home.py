"""The Dagster instance of a project: one for `make ui`, `make up` and `dvc repro`."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from dagster_project.dagster_internals import initialize_pools
from dagster_project.slots import LABELLING, TRAINING
from p4d.distribution import tool_setting
from p4d.errors import ConfigError
from p4d.project import Project

SETTINGS = "dagster.yaml"
DEFINITIONS = "dagster_project.definitions"
"""The code location of a project that names none."""


def prepare_home(project: Project) -> Path:
    """Make `.dagster/`, with a link to the settings at the root of the project; returns it.

    Raises:
        ConfigError: the project has no settings.
    """
    settings = project.root / SETTINGS
    if not settings.is_file():
        raise ConfigError(f"{settings} does not exist; restore it from the repository")
    home = project.root / ".dagster"
    home.mkdir(exist_ok=True)
    link, target = home / SETTINGS, Path("..") / SETTINGS
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)  # earlier versions kept a copy
        link.symlink_to(target)
    return home


def open_instance(project: Project) -> dg.DagsterInstance:
    """The instance of the project, with its slots; use it as a context manager.

    Also sets `DAGSTER_HOME` for this process, as Dagster's steps look there for their logs.
    """
    os.environ["DAGSTER_HOME"] = str(prepare_home(project))
    instance = dg.DagsterInstance.get()
    initialize_pools(instance, (LABELLING, TRAINING))
    return instance


def definitions_module(project: Project) -> str:
    """The module that Dagster loads for a project: `module_name` of `[tool.dagster]`.

    `dagster dev` reads the same entry of pyproject.toml, so a project can bring assets of its own.

    Raises:
        ConfigError: pyproject.toml is no TOML.
    """
    return tool_setting(project.root, "dagster", "module_name") or DEFINITIONS


def foreign_home(project: Project) -> str | None:
    """What to do if `DAGSTER_HOME` is not the project's; None if it is.

    `dagster dev` without it works on an empty instance that it deletes at its end.
    """
    home, given = project.root / ".dagster", os.environ.get("DAGSTER_HOME")
    if given and Path(given).resolve() == home.resolve():
        return None
    return (
        f"DAGSTER_HOME is {given or 'not set'}: this is not the project's instance, so its shards, "
        f"history, sensors and limits are missing here. Use `make ui`, or first: "
        f"export DAGSTER_HOME={home}"
    )
