"""What stopped an artifact in a run: recorded by the step, read by sensors and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import dagster as dg

from p4d.quality.finding import HOW_TO_LIST, finding
from p4d.quality.results import CheckResult
from p4d.versioning.files.artifact_key import ArtifactKey

_LIST = "failed artifacts"
_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class ArtifactFailure:
    """An artifact that was not made, or that a blocking check stops.

    Attributes:
        artifact: its key, `stage` or `stage@shard`.
        reason: why, as the library reports it.
        check: name of the check that failed, if one did.
    """

    artifact: str
    reason: str
    check: str | None = None

    @property
    def key(self) -> ArtifactKey:
        """Which artifact."""
        return ArtifactKey.parse(self.artifact)

    @property
    def text(self) -> str:
        """One line with artifact, check and reason."""
        return ": ".join(filter(None, (self.artifact, self.check, self.reason)))


def check_failure(key: ArtifactKey, result: CheckResult) -> ArtifactFailure:
    """What a failed check of a version found, and the command that shows the rows at fault."""
    reason = f"{result.description} Found: {finding(result.details)}. Rows at fault: {HOW_TO_LIST}"
    return ArtifactFailure(artifact=str(key), check=result.name, reason=reason)


def as_failure(failures: Sequence[ArtifactFailure], shards: int) -> dg.Failure:
    """The exception that ends a step in which some of `shards` shards failed."""
    named = [failure.text for failure in failures[:_NAMED]]
    if len(failures) > _NAMED:
        named.append(f"and {len(failures) - _NAMED} more")
    failed = len({failure.key.shard for failure in failures})
    title = [f"{failed} of {shards} shards failed; the others are published"] if shards > 1 else []
    return dg.Failure(
        description="\n".join([*title, *named]),
        metadata={_LIST: dg.MetadataValue.json([asdict(failure) for failure in failures])},
        allow_retries=False,
    )


def failures_of(event: dg.DagsterEvent) -> list[ArtifactFailure]:
    """The failures that a failed step recorded by `as_failure`; empty if it ended otherwise."""
    given = event.step_failure_data.user_failure_data if event.is_step_failure else None
    found = given.metadata.get(_LIST) if given else None
    listed = found.value if isinstance(found, dg.JsonMetadataValue) else None
    return [ArtifactFailure(**each) for each in listed] if isinstance(listed, list) else []
