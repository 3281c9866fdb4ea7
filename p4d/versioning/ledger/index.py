"""The ledger by version: who made it, from what, and which checks judged exactly these bytes.

One pass over the ledger, then look-ups: a tree of a thousand versions asks for each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.ledger.ledger import Ledger, Record


class History:
    """All materializations and checks on record, as they are now.

    Attributes:
        made: records of each artifact, oldest first.
        line: number of the ledger line of each materialization, by the record's id.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Read the whole ledger once."""
        self.made: dict[ArtifactKey, list[Record]] = defaultdict(list)
        self.line: dict[str, int] = {}
        self._of_version: dict[ArtifactVersion, list[Record]] = defaultdict(list)
        self._checks: dict[ArtifactVersion, dict[str, Record]] = defaultdict(dict)
        for number, record in enumerate(ledger.records(), start=1):
            kind = record.get("kind")
            if kind == "materialization":
                version = ArtifactVersion.of_record(record)
                self.made[version.key].append(record)
                self._of_version[version].append(record)
                self.line[record["id"]] = number
            elif kind == "check":
                # A later verdict on the same bytes replaces an earlier one.
                self._checks[ArtifactVersion.of_record(record)][record["name"]] = record

    def record(self, version: ArtifactVersion) -> Record | None:
        """The last record that made a version, or None."""
        found = self._of_version.get(version)
        return found[-1] if found else None

    def latest(self, key: ArtifactKey) -> Record | None:
        """The last record of an artifact, or None."""
        found = self.made.get(key)
        return found[-1] if found else None

    def checks(self, version: ArtifactVersion) -> Mapping[str, Record]:
        """The latest verdict of each check on a version, by name."""
        return self._checks.get(version, {})

    def versions(self, stage: str) -> list[ArtifactVersion]:
        """Every version of a stage's artifacts, by when it was made last, oldest first."""
        found = {
            ArtifactVersion(key, record["md5"]): self.line[record["id"]]
            for key, records in self.made.items()
            if key.stage == stage
            for record in records
        }
        return sorted(found, key=lambda version: found[version])

    def named(self, md5: str) -> list[ArtifactVersion]:
        """Versions whose hash begins with these digits, oldest first."""
        wanted = bare_md5(md5)
        return [version for version in self._of_version if version.md5.startswith(wanted)]

    def lineage(self, root: ArtifactVersion) -> list[ArtifactVersion]:
        """A version and everything it derives from, by the exact versions that were read.

        In pipeline order: what was read comes before its reader. A version that is on no record is
        listed too; what it was made of is unknown.
        """
        ordered: dict[ArtifactVersion, None] = {}
        waiting: list[tuple[ArtifactVersion, bool]] = [(root, False)]
        seen: set[ArtifactVersion] = set()
        while waiting:
            version, done = waiting.pop()
            if done:
                ordered[version] = None
                continue
            if version in seen:
                continue
            seen.add(version)
            waiting.append((version, True))
            record = self.record(version)
            if record is not None:
                waiting += [(read, False) for read in reversed(ArtifactVersion.read_by(record))]
        return list(ordered)

    def downstream(self, roots: set[ArtifactVersion]) -> list[ArtifactVersion]:
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
            version = ArtifactVersion.of_record(record)
            if version in roots or not reached.isdisjoint(ArtifactVersion.read_by(record)):
                reached.add(version)
                ordered.setdefault(version, self.line[record["id"]])
            elif version in reached:  # the same bytes were made again, from other inputs alone
                reached.discard(version)
                del ordered[version]
        return sorted(ordered, key=lambda version: ordered[version])
