"""The ledger by version: who made it, from what, and which checks judged exactly these bytes.

One pass over the ledger, then look-ups: a tree of a thousand versions asks for each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from p4d.versioning.ledger.ledger import Ledger, Record, bare

Instance = tuple[str, str | None]
Version = tuple[str, str | None, str]
"""A stage, a shard or None, and the MD5 of what was made."""


class History:
    """All materializations and checks on record, as they are now.

    Attributes:
        made: records of each instance, oldest first.
        line: number of the ledger line of each materialization, by the record's id.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Read the whole ledger once."""
        self.made: dict[Instance, list[Record]] = defaultdict(list)
        self.line: dict[str, int] = {}
        self._of_version: dict[Version, list[Record]] = defaultdict(list)
        self._checks: dict[Version, dict[str, Record]] = defaultdict(dict)
        for number, record in enumerate(ledger.records(), start=1):
            kind = record.get("kind")
            if kind == "materialization":
                version = (record["stage"], record["shard"], record["md5"])
                self.made[version[:2]].append(record)
                self._of_version[version].append(record)
                self.line[record["id"]] = number
            elif kind == "check":
                version = (record["stage"], record["shard"], record["md5"])
                # A later verdict on the same bytes replaces an earlier one.
                self._checks[version][record["name"]] = record

    def record(self, stage: str, shard: str | None, md5: str) -> Record | None:
        """The last record that made a version, or None."""
        found = self._of_version.get((stage, shard, bare(md5)))
        return found[-1] if found else None

    def latest(self, stage: str, shard: str | None) -> Record | None:
        """The last record of an instance, or None."""
        found = self.made.get((stage, shard))
        return found[-1] if found else None

    def checks(self, stage: str, shard: str | None, md5: str) -> Mapping[str, Record]:
        """The latest verdict of each check on a version, by name."""
        return self._checks.get((stage, shard, bare(md5)), {})

    def versions(self, stage: str) -> list[Version]:
        """Every version of a stage's instances, by when it was made last, oldest first."""
        found = {
            (stage, shard, record["md5"]): self.line[record["id"]]
            for (name, shard), records in self.made.items()
            if name == stage
            for record in records
        }
        return sorted(found, key=lambda version: found[version])

    def named(self, md5: str) -> list[Version]:
        """Versions whose hash begins with these digits, oldest first."""
        wanted = bare(md5)
        return [version for version in self._of_version if version[2].startswith(wanted)]

    def lineage(self, stage: str, shard: str | None, md5: str) -> list[Version]:
        """A version and everything it derives from, by the exact versions that were read.

        In pipeline order: what was read comes before its reader. A version that is on no record is
        listed too; what it was made of is unknown.
        """
        ordered: dict[Version, None] = {}
        waiting: list[tuple[Version, bool]] = [((stage, shard, bare(md5)), False)]
        seen: set[Version] = set()
        while waiting:
            version, done = waiting.pop()
            if done:
                ordered[version] = None
                continue
            if version in seen:
                continue
            seen.add(version)
            waiting.append((version, True))
            record = self.record(*version)
            if record is not None:
                for upstream, of in reversed(list(record["upstream"].items())):
                    name, _, part = upstream.partition("@")
                    waiting.append(((name, part or None, bare(of)), False))
        return list(ordered)

    def downstream(self, roots: set[Version]) -> list[Version]:
        """The given versions and every version ever made from them, oldest first.

        What an append-only stage continued is not followed: it carries decisions on, not data. A
        version that was later made again, byte for byte, without any of them is not among them.
        """
        reached = set(roots)
        ordered = dict.fromkeys(roots, 0)
        records = sorted(
            (record for records in self.made.values() for record in records),
            key=lambda record: self.line[record["id"]],
        )
        for record in records:
            version = (record["stage"], record["shard"], record["md5"])
            reads = {
                (name, part or None, bare(of))
                for upstream, of in record["upstream"].items()
                for name, _, part in [upstream.partition("@")]
            }
            if version in roots or reads & reached:
                reached.add(version)
                ordered.setdefault(version, self.line[record["id"]])
            elif version in reached:  # the same bytes were made again, from other inputs alone
                reached.discard(version)
                del ordered[version]
        return sorted(ordered, key=lambda version: ordered[version])
