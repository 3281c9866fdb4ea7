"""The protocol of a reader: one published folder layout, turned into sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from p4d.datasets.capture import Capture
from p4d.errors import DatasetError

Options = Mapping[str, str]
"""What the user sets beside the folder, by name: `--set depth_per_m=5208`."""


@dataclass(frozen=True)
class Option:
    """A value that a folder does not state and that a user may set.

    Attributes:
        name: of `--set NAME=VALUE`.
        default: used if the user sets nothing; an empty one means that the reader decides.
        meaning: one line, with the unit.
    """

    name: str
    default: str
    meaning: str


class DatasetReader(Protocol):
    """Reads one layout. An instance keeps nothing: it is called in several processes.

    Attributes:
        format: name in the registry and on the command line.
        title: what the layout is called.
        options: that it takes.
    """

    format: str
    title: str
    options: Sequence[Option]

    def recognise(self, folder: Path) -> bool:
        """Whether a folder is the root of such a dataset, by the names of a few files alone."""

    def sequences(self, folder: Path, options: Options) -> Sequence[str]:
        """Names of the sequences of a folder, sorted. Reads names and lists, no pictures.

        Raises:
            DatasetError: the folder is not of this layout; what is missing, and what to do.
        """

    def read(self, folder: Path, sequence: str, options: Options) -> Capture:
        """One of the sequences.

        Raises:
            DatasetError: nothing of it can be used; file, line and way out. What can be kept is
                kept, and named under `problems`.
        """


def some_of(found: Sequence[str], folder: Path, expected: str) -> Sequence[str]:
    """The sequences that were found.

    Raises:
        DatasetError: there is none; `expected` says what the layout has in it.
    """
    if not found:
        raise DatasetError(f"{folder.name} holds no sequences: expected {expected}")
    return found


def option(reader: DatasetReader, options: Options, name: str) -> str:
    """The value of an option that the reader declares."""
    declared = {each.name: each.default for each in reader.options}
    return options.get(name, declared[name])


def number_option(reader: DatasetReader, options: Options, name: str) -> float:
    """The value of an option, as a positive number.

    Raises:
        DatasetError: it is none.
    """
    text = option(reader, options, name)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise DatasetError(f"--set {name}={text}: expected a positive number")
    return value


def check_options(reader: DatasetReader, options: Options) -> None:
    """Check that the reader knows every option that is set.

    Raises:
        DatasetError: it does not.
    """
    known = [each.name for each in reader.options]
    if unknown := sorted(set(options) - set(known)):
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise DatasetError(f"format {reader.format} has no option {unknown[0]!r}; {takes}")
