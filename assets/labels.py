"""Teacher pseudo-labels."""

from dagster_project.shards.stage import ShardRun, shard_stage
from p4d.versioning.run.run_stage import Materialization


@shard_stage("labels")
def labels(run: ShardRun) -> Materialization:
    """Labels a shard with every teacher and measures the labels."""
    return run.make()
