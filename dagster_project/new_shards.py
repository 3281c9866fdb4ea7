"""Which new shards `landing_sensor` requests: each once, and again after a failure.

A shard is new until every per-shard stage has a version on the ledger. It is left alone while a run
has it, if a blocking check stopped it, or if a person cancelled its last run. A shard whose run
failed is requested again after a pause that doubles; after the third failure it waits for a change
of parameters or code, as the same inputs would fail again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

import dagster as dg

from dagster_project.jobs import NOT_FINISHED
from dagster_project.partitions import partitions_of
from dagster_project.run_plan import SHARDS_PER_RUN
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.blocked import read_blocked
from p4d.versioning.state.workspace import code_versions

ATTEMPTS = 3


@dataclass(kw_only=True)
class Request:
    """The last request of a shard.

    Attributes:
        attempt: the number of requests with this code, from 1.
        at_s: when.
        code: hash of the parameters and code of the per-shard stages.
    """

    attempt: int
    at_s: float
    code: str


@dataclass(kw_only=True)
class NewShards:
    """What the sensor asked for; its cursor.

    Attributes:
        asked: by shard, the last request.
        notes: why a new shard is not requested now.
    """

    asked: dict[str, Request] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, cursor: str | None) -> NewShards:
        """Of a cursor."""
        known = json.loads(cursor or "{}")
        return cls(asked={shard: Request(**each) for shard, each in known.items()})

    def text(self) -> str:
        """As a cursor."""
        return json.dumps({shard: asdict(each) for shard, each in self.asked.items()})

    def to_request(
        self, instance: dg.DagsterInstance, project: Project, *, now_s: float, pause_s: float
    ) -> list[dg.RunRequest]:
        """Requests for the shards that are due; records them, and why the others are not.

        Args:
            instance: whose runs.
            project: whose shards; the instance must know them as partitions.
            now_s: time.
            pause_s: seconds between a request and the next one, doubled for each further one.
        """
        new, blocked = _unfinished(project), read_blocked(project)
        self.asked = {shard: each for shard, each in self.asked.items() if shard in new}
        busy, cancelled = _in_runs(instance), _cancelled(instance) if new else set()
        code, due = _code(project), []
        for shard in new:
            last = self.asked.get(shard)
            attempt = last.attempt + 1 if last and last.code == code else 1
            why = (
                "a run has it"
                if shard in busy
                else "a blocking check stopped it"
                if shard in blocked
                else "its run was cancelled; launch label_backfill to go on"
                if shard in cancelled
                else self._wait(shard, attempt, now_s, pause_s)
            )
            if why:
                self.notes.append(f"{shard}: {why}")
                continue
            self.asked[shard] = Request(attempt=attempt, at_s=now_s, code=code)
            due.append(shard)
        return [_request(shards, self.asked) for shards in _ranges(project.shards(), due)]

    def _wait(self, shard: str, attempt: int, now_s: float, pause_s: float) -> str | None:
        if attempt > ATTEMPTS:
            return f"failed {ATTEMPTS} times; change what fails, or launch label_backfill"
        if attempt > 1 and now_s - self.asked[shard].at_s < pause_s * 2 ** (attempt - 2):
            return f"its run failed; attempt {attempt} follows"
        return None


def _unfinished(project: Project) -> list[str]:
    """Shards that a per-shard stage was never published for, in order."""
    index = Ledger(project).index()
    stages = [stage.name for stage in project.stages if stage.per_shard]
    return [
        shard
        for shard in project.shards()
        if any(index.latest(ArtifactKey(name, shard)) is None for name in stages)
    ]


def _in_runs(instance: dg.DagsterInstance) -> set[str]:
    """Shards of runs that are queued or running, whatever requested them."""
    runs = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED))
    return {shard for run in runs for shard in partitions_of(instance, run)}


def _cancelled(instance: dg.DagsterInstance) -> set[str]:
    """Shards whose last run of this sensor was cancelled."""
    mine = dg.RunsFilter(tags={"dagster/sensor_name": "landing_sensor"})
    last: dict[str, dg.DagsterRunStatus] = {}
    for run in instance.get_runs(mine, limit=100):  # newest first
        for shard in partitions_of(instance, run):
            last.setdefault(shard, run.status)
    return {shard for shard, state in last.items() if state == dg.DagsterRunStatus.CANCELED}


def _code(project: Project) -> str:
    """Hash over parameters and code of the per-shard stages."""
    versions = code_versions(project)
    named = sorted(f"{s.name} {versions[s.name]}" for s in project.stages if s.per_shard)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:12]


def _ranges(all_shards: Sequence[str], wanted: Sequence[str]) -> Iterator[list[str]]:
    """Runs of neighbours, of at most `SHARDS_PER_RUN`; a run of Dagster takes a range."""
    found: list[str] = []
    for shard in all_shards:
        if shard in wanted:
            found.append(shard)
        if found and (shard not in wanted or len(found) == SHARDS_PER_RUN):
            yield found
            found = []
    if found:
        yield found


def _request(shards: Sequence[str], asked: dict[str, Request]) -> dg.RunRequest:
    first, last = shards[0], shards[-1]
    request = asked[first]
    key = f"{first} {last} {request.code} {request.attempt}"
    if first == last:
        return dg.RunRequest(run_key=key, partition_key=first)
    ends = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.RunRequest(run_key=key, tags=ends)
