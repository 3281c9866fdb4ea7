"""Compares a release with the frozen list of digests that figures refer to."""

from __future__ import annotations

import re
from pathlib import Path

from p4d.artifacts import write_bytes
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.r4d_world.release import SUMS

FROZEN = Path(__file__).with_name("r4d_world.sha256")
_SHARD = re.compile(r"(?<=/)(\d{4})-[0-9a-f]{8}(?=/)")
# Bytes of exact truth, which name the shards, differ between processors; questions.parquet may not.
_OF_TRUTH = re.compile(r"stages/(clips/\d+/clips|facts/\d+/facts)\.parquet|test\.json")


def compare_with_frozen(
    folder: Path, *, full: bool, freeze: bool, frozen: Path | None = None
) -> str:
    """Compare the digests of a release with the frozen list, and describe the result.

    Args:
        folder: the release.
        full: whether it has the full size; a smaller one is not compared.
        freeze: write the frozen list instead of comparing.
        frozen: the list of another edition; None: `FROZEN`.

    Raises:
        ContractError: questions, answers, videos or pictures differ.
    """
    listed = frozen or FROZEN
    if not full:
        return "small: not compared with the frozen list"
    sums = (folder / SUMS).read_text(encoding="utf-8")
    if freeze:
        write_bytes(listed, sums.encode())
        return f"frozen: {listed.name} written; commit it"
    if not listed.is_file():
        return "not frozen yet: run again with --freeze and commit the list"
    before = listed.read_text(encoding="utf-8")
    if sums == before:
        return "equal to the frozen list, byte by byte"
    mine, theirs = _by_name(sums), _by_name(before)
    differing = sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
    if mine.keys() == theirs.keys() and all(_OF_TRUTH.fullmatch(name) for name in differing):
        return (
            "the frozen questions, answers, videos and pictures, byte by byte; values of truth, or "
            f"shards named by them, differ in {', '.join(differing)}, as on another processor"
        )
    raise ContractError(
        f"{len(differing)} files are not those of the frozen release, for example "
        f"{', '.join(differing[:3])}; {folder} is kept. Code or machine differ: use the frozen "
        "release, or freeze a new one with --freeze"
    )


def _by_name(sums: str) -> dict[str, str]:
    """Return digests by file name; shards by number, because their names depend on the truth."""
    lines = (line.split("  ", 1) for line in sums.splitlines())
    return {_SHARD.sub(r"\1", name): digest for digest, name in lines}
