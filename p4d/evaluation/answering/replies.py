"""A student's reply to one question, and the journal of replies on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from p4d.errors import ContractError
from p4d.ids import canonical_json


@dataclass(frozen=True)
class Reply:
    """A student's reply to one question.

    Attributes:
        option_logp: log-likelihood of each option; empty if options were not scored.
        text: generated text; None if none was requested.
        failure: why there is no reply, or None.
    """

    qa_id: str
    option_logp: tuple[float, ...] = ()
    text: str | None = None
    failure: str | None = None

    @property
    def likeliest(self) -> int | None:
        """Index of the most likely option, the first of equals; None if none was scored."""
        scores = self.option_logp
        return max(range(len(scores)), key=scores.__getitem__) if scores else None


class Journal:
    """Replies on disk: one line per batch, appended and flushed. The first line names the run.

    An incomplete last line, left by a killed process, is dropped.
    """

    def __init__(self, path: Path, run: Mapping[str, object]) -> None:
        """Open or resume the journal at `path`.

        Raises:
            ContractError: the journal belongs to another run.
        """
        self._path = path
        self.replies: dict[str, Reply] = {}
        head = canonical_json({"run": run})
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n") if path.is_file() else []
        complete = [
            line for line in lines[:-1] if line
        ]  # what follows the last newline is incomplete
        if complete and complete[0].decode() != head:
            raise ContractError(
                f"{path} holds replies of another run (model, benchmark or settings differ); "
                "choose another --out, or remove the folder"
            )
        for line in complete[1:]:
            for row in json.loads(line):
                row["option_logp"] = tuple(row["option_logp"])
                self.replies[row["qa_id"]] = Reply(**row)
        with path.open("wb") as stream:
            stream.write(b"".join(line + b"\n" for line in complete or [head.encode()]))
            stream.flush()
            os.fsync(stream.fileno())

    def add(self, replies: Sequence[Reply]) -> None:
        """Append one batch: all of it or none."""
        line = json.dumps([asdict(reply) for reply in replies]) + "\n"
        with self._path.open("ab") as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.replies |= {reply.qa_id: reply for reply in replies}
