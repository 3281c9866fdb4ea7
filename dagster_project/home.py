"""The Dagster instance of a project: one for `make ui`, `make up` and `dvc repro`.

It lies in `.dagster/`, on SQLite, for one person. With `P4D_DAGSTER_POSTGRES_URL` it lies on
PostgreSQL, for the daemon, the webservers and the terminals of several. Only events and switches
are there: versions are those of dvc.lock and the ledger.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg
import yaml

from dagster_project.dagster_internals import initialize_pools
from dagster_project.slots import LABELLING, TRAINING
from dagster_project.todo import POSTGRES
from p4d.atomic import replacing
from p4d.distribution import tool_setting
from p4d.errors import ConfigError, OrchestrationError
from p4d.project import Project

if TYPE_CHECKING:  # of the extra `postgres`
    from psycopg2.extensions import connection

SETTINGS = "dagster.yaml"
DEFINITIONS = "dagster_project.definitions"
"""The code location of a project that names none."""


CONNECT_S = 10
OPENING = 0x70346464
"""Key of the lock under which an instance is opened; any number that no other program takes."""


def prepare_home(project: Project) -> Path:
    """Make `.dagster/`, with the settings of the project; returns it.

    They are a link to dagster.yaml at the root, or with PostgreSQL a copy with its storage. Several
    processes may do this at once.

    Raises:
        ConfigError: the project has no settings, or PostgreSQL is asked for and its package is
            missing or the settings name a storage of their own.
    """
    settings = project.root / SETTINGS
    if not settings.is_file():
        raise ConfigError(f"{settings} does not exist; restore it from the repository")
    home = project.root / ".dagster"
    home.mkdir(exist_ok=True)
    link, target = home / SETTINGS, Path("..") / SETTINGS
    if os.environ.get(POSTGRES):
        text = _on_postgres(settings)
        if link.is_symlink() or not link.is_file() or link.read_text(encoding="utf-8") != text:
            with replacing(link, durable=True) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return home
    if not link.is_symlink() or link.readlink() != target:  # earlier versions kept a copy
        with replacing(link) as temporary:
            temporary.symlink_to(target)
    return home


def open_instance(project: Project) -> dg.DagsterInstance:
    """The instance of the project, with its slots; use it as a context manager.

    Also sets `DAGSTER_HOME` for this process, as Dagster's steps look there for their logs.

    Raises:
        OrchestrationError: PostgreSQL is asked for and does not answer.
    """
    os.environ["DAGSTER_HOME"] = str(prepare_home(project))
    if not (url := os.environ.get(POSTGRES)):
        return _opened()
    # The address with its driver is also for the processes that this one starts.
    os.environ[POSTGRES] = url = _with_driver(url)
    with closing(_connected(url)) as connection, connection.cursor() as cursor:
        # Dagster fails if two processes make its tables at once; the lock ends with the connection.
        cursor.execute("SELECT pg_advisory_lock(%s)", (OPENING,))
        return _opened()


def _opened() -> dg.DagsterInstance:
    instance = dg.DagsterInstance.get()
    initialize_pools(instance, (LABELLING, TRAINING))
    return instance


def _on_postgres(settings: Path) -> str:
    """The settings, with PostgreSQL as the storage of runs, events and schedules."""
    text = settings.read_text(encoding="utf-8")
    if "storage" in (yaml.safe_load(text) or {}):
        raise ConfigError(f"{settings} names a storage and {POSTGRES} another; drop one of them")
    try:
        import dagster_postgres  # noqa: F401 - Dagster loads it by name, with a long trace if absent
    except ImportError as error:
        raise ConfigError(
            f"{POSTGRES} is set and dagster-postgres is not installed; "
            "`pip install 'p4d[postgres]'`, or unset it to use SQLite"
        ) from error
    return f"{text.rstrip()}\nstorage:\n  postgres:\n    postgres_url:\n      env: {POSTGRES}\n"


def _with_driver(url: str) -> str:
    """The address with the driver that dagster-postgres installs; SQLAlchemy 2.1 takes another."""
    kind, separator, rest = url.partition("://")
    return f"postgresql+psycopg2://{rest}" if separator and kind.startswith("postgres") else url


def _connected(url: str) -> connection:
    """A connection; Dagster itself would try for a minute where nobody answers.

    Raises:
        OrchestrationError: it does not; the message has no password.
    """
    import psycopg2

    at = urlsplit(url)
    try:
        return psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=CONNECT_S)
    except psycopg2.Error as error:
        reason = str(error).strip().replace(at.password or "\0", "***")
        raise OrchestrationError(
            f"the database at {at.hostname}{f':{at.port}' if at.port else ''} of {POSTGRES} cannot "
            f"be used ({reason}); start it, or unset {POSTGRES} to use SQLite"
        ) from error


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
