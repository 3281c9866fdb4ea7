"""The identity of an artifact and of one version of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p4d.errors import ContractError

PREFIX = "md5:"


@dataclass(frozen=True)
class ArtifactKey:
    """One artifact: the output of a stage, or of one shard of a per-shard stage.

    `str(key)` is `stage` or `stage@shard`, the name that dvc.lock, the ledger and messages use.

    Attributes:
        stage: name of the stage.
        shard: id of the shard, or None for a stage without shards.
    """

    stage: str
    shard: str | None = None

    def __str__(self) -> str:
        """`stage` or `stage@shard`."""
        return self.stage if self.shard is None else f"{self.stage}@{self.shard}"

    @classmethod
    def parse(cls, text: str) -> ArtifactKey:
        """Read `stage` or `stage@shard`.

        Raises:
            ContractError: the text names no stage, or an empty shard.
        """
        stage, at, shard = text.partition("@")
        if not stage or (at and not shard):
            raise ContractError(f"{text!r} is no artifact; write STAGE or STAGE@SHARD")
        return cls(stage, shard or None)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> ArtifactKey:
        """The artifact that a ledger record is about, from its fields `stage` and `shard`."""
        return cls(record["stage"], record["shard"])


@dataclass(frozen=True)
class ArtifactVersion:
    """One version of an artifact.

    Attributes:
        key: which artifact.
        md5: DVC's hash of its files, without a prefix.
    """

    key: ArtifactKey
    md5: str

    def __str__(self) -> str:
        """The artifact and the first digits of the hash, for messages."""
        return f"{self.key} {self.md5[:12]}"

    @property
    def data_version(self) -> str:
        """The hash as Dagster and JSON carry it, with the prefix `md5:`."""
        return data_version(self.md5)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> ArtifactVersion:
        """The version that a ledger record made or checked: its fields `stage`, `shard`, `md5`."""
        return cls(ArtifactKey.of_record(record), record["md5"])

    @classmethod
    def read_by(cls, record: Mapping[str, Any]) -> list[ArtifactVersion]:
        """The versions that a materialization read, in the order of its field `upstream`."""
        return [
            cls(ArtifactKey.parse(name), bare_md5(version))
            for name, version in record["upstream"].items()
        ]


def data_version(md5: str) -> str:
    """A hash with the prefix `md5:`, as Dagster's data versions and JSON files carry it."""
    return PREFIX + md5


def bare_md5(version: str) -> str:
    """A hash without the prefix `md5:` that data versions carry."""
    return version.removeprefix(PREFIX)
