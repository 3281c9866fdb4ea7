"""What was champion at an instant, and why: for people, from the ledger's own dates."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from p4d.errors import ConfigError
from p4d.project import Project
from p4d.versioning.files.artifact_key import data_version
from p4d.warehouse import Warehouse


def champion_text(project: Project, on: str | None = None) -> str:
    """The champion at `on` (an ISO date or timestamp, UTC; a date means its end), as text.

    Raises:
        ConfigError: `on` is no date.
    """
    decisions = Warehouse(project).query("champions")
    if on is not None:
        decisions = decisions.filter(pl.col("recorded_at") <= _instant(on))
    when = f"on {on}" if on else "now"
    if decisions.is_empty():
        return f"No champion {when}: nothing had been decided."
    last = decisions.row(-1, named=True)
    if last["champion_md5"] is None:
        return "\n".join([f"No champion {when}.", *_told("last decision", last)])
    promoted = decisions.filter(decision="promoted", challenger_md5=last["champion_md5"])
    made = promoted.row(-1, named=True) if promoted.height else last
    lines = [
        f"Champion {when}: student_p4d {data_version(last['champion_md5'])}",
        *_told("made by", made),
    ]
    if last["decision_order"] != made["decision_order"]:
        lines += _told("last decision", last)
    lines += [
        f"what stands behind it: p4d why decision_{made['decision_order']}",
        f"bring it back: p4d restore student_p4d DEST --at {last['champion_md5'][:12]}",
    ]
    return "\n".join(lines)


def _told(word: str, row: dict[str, object]) -> list[str]:
    at = row["recorded_at"]
    dated = f"{at:%Y-%m-%d %H:%M:%S} UTC" if isinstance(at, datetime) else "undated"
    reasons = row["reasons"] if isinstance(row["reasons"], list) else []
    head = f"{word}: decision {row['decision_order']}, {row['decision']}, {dated}"
    return [head, *(f"  {reason}" for reason in reasons)]


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date; write 2026-03-01 or 2026-03-01T12:00") from error
    if len(text) == len("2026-03-01"):
        found = found.replace(hour=23, minute=59, second=59, microsecond=999999)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
