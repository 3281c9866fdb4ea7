"""`p4d champion`: which student is champion, or was at a time, and why, by the ledger's dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import polars as pl

from p4d.errors import ConfigError
from p4d.project import Project
from p4d.versioning.files.artifact_key import data_version
from p4d.warehouse import Warehouse


def champion_text(project: Project, on: str | None = None) -> str:
    """The champion at `on` as text.

    Args:
        project: where.
        on: an ISO date, which means its end, so that all decisions of that day count; or a
            timestamp, which means that instant. UTC where no zone is given. None: now.

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
        return "\n".join([f"No champion {when}.", *_decision_lines("last decision", last)])
    promoted = decisions.filter(decision="promoted", challenger_md5=last["champion_md5"])
    made = promoted.row(-1, named=True) if promoted.height else last
    lines = [
        f"Champion {when}: student_p4d {data_version(last['champion_md5'])}",
        *_decision_lines("made by", made),
    ]
    if last["decision_order"] != made["decision_order"]:
        lines += _decision_lines("last decision", last)
    lines += [
        f"its evidence: p4d why decision_{made['decision_order']}",
        f"restore it: p4d restore student_p4d DEST --at {last['champion_md5'][:12]}",
    ]
    return "\n".join(lines)


def _decision_lines(word: str, row: dict[str, object]) -> list[str]:
    at = row["recorded_at"]
    dated = f"{at:%Y-%m-%d %H:%M:%S} UTC" if isinstance(at, datetime) else "undated"
    reasons = row["reasons"] if isinstance(row["reasons"], list) else []
    head = f"{word}: decision {row['decision_order']}, {row['decision']}, {dated}"
    if row["try_number"] is not None:
        head += f", try {row['try_number']} at error rate {row['alpha_of_try']:.2g}"
    return [head, *(f"  {reason}" for reason in reasons)]


def _instant(text: str) -> datetime:
    """The instant that a date (its end) or a timestamp means, UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        pass  # no date alone
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date; write 2026-03-01 or 2026-03-01T12:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
