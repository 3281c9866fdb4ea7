"""From landed files to clips."""

from dagster_project.shards.stage import ShardRun, shard_stage
from p4d.versioning.run.run_stage import Materialization


@shard_stage("videos")
def videos(run: ShardRun) -> Materialization:
    """Verifies the landed source files of a shard and stores them."""
    return run.make()


@shard_stage("clips")
def clips(run: ShardRun) -> Materialization:
    """Cuts the videos of a shard into clips and samples their frames."""
    return run.make()
