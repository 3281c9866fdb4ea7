"""The identity of an artifact and of one version of it."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class ArtifactVersion:
    """One version of an artifact.

    Attributes:
        key: which artifact.
        md5: DVC's hash of its files, without a prefix.
    """

    key: ArtifactKey
    md5: str

    @property
    def data_version(self) -> str:
        """The hash as Dagster and JSON carry it, with the prefix `md5:`."""
        return PREFIX + self.md5


def bare_md5(version: str) -> str:
    """A hash without the prefix `md5:` that data versions carry."""
    return version.removeprefix(PREFIX)
