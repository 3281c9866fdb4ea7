"""How a command ends: with its status, or with one message that names the way out.

What is left to Python, with its trace, is a fault of the code.
"""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import click

from p4d.atomic import out_of_space
from p4d.cli.echo import echo
from p4d.errors import P4DError

STOPPED = "Stopped. What was published stays; the same command goes on from there."
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


def run(command: click.Command) -> NoReturn:
    """Run a command with the arguments of the process, and end the process.

    An error of p4d, a full disk, a file without the right to write it and Ctrl-C end with status 1.
    """
    try:
        status = command.main(standalone_mode=False)
    except click.Abort:
        _fail(f"\n{STOPPED}")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except P4DError as error:
        _fail(f"{type(error).__name__}: {error}")
    except Exception as error:
        message = _of_the_disk(error)
        if message is None:
            raise
        _fail(message)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    echo(message, err=True)
    sys.exit(1)


def _of_the_disk(error: Exception) -> str | None:
    """The message for an error of the disk, or None for any other."""
    # Dagster's database is SQLite; SQLAlchemy wraps the errors of it.
    if "SQLITE_FULL" in (_code(error), _code(error.__cause__)):
        return _no_space(Path.cwd(), "Dagster's database cannot grow")
    if not isinstance(error, OSError):
        return None
    if out_of_space(error):
        # A write does not say of which file it was; the project is where it was most likely.
        place = Path(error.filename).parent if isinstance(error.filename, str) else Path.cwd()
        return _no_space(place, error.strerror)
    if error.errno in _NO_RIGHT and error.filename is not None:
        return (
            f"{error.filename}: {error.strerror}. Change the owner or the mode of this place, or "
            "name another one"
        )
    return None


def _code(error: BaseException | None) -> str | None:
    return getattr(error, "sqlite_errorname", None)


def _no_space(place: Path, why: str | None) -> str:
    free = f", {shutil.disk_usage(place).free / 2**20:.0f} MiB free" if place.is_dir() else ""
    return (
        f"No space left on the disk of {place} ({why}{free}). Free some; what was published stays, "
        "and the same command goes on from there"
    )
