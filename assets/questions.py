"""From regions over facts to questions."""

from dagster_project.shards.stage import ShardRun, shard_stage
from p4d.versioning.run.run_stage import Materialization


@shard_stage("regions")
def regions(run: ShardRun) -> Materialization:
    """Finds the regions of a shard and draws their marks."""
    return run.make()


@shard_stage("facts")
def facts(run: ShardRun) -> Materialization:
    """Measures the quantities that questions are about."""
    return run.make()


@shard_stage("questions")
def questions(run: ShardRun) -> Materialization:
    """Composes the questions that the facts answer with certainty."""
    return run.make()
