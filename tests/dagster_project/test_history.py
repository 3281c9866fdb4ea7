"""What the clean-up removes from Dagster's history on SQLite, and what it leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.history import Pruned, prune

SHARDS = dg.DynamicPartitionsDefinition(name="shards")


@dg.asset(partitions_def=SHARDS)
def labels(context: dg.AssetExecutionContext) -> None:
    context.log.info("labels")


@dg.asset
def expert() -> None:
    pass


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        made.add_dynamic_partitions("shards", ["a", "b"])
        yield made


def make(instance, asset, shard=None):
    return dg.materialize([asset], instance=instance, partition_key=shard).run_id


def report(instance, shard):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key="labels", partition=shard, metadata={"big": "x" * 1000})
    )


def names(instance):
    return {run.run_id for run in instance.get_runs()}


def test_runs_that_made_what_is_current_stay_whatever_their_age(instance, tmp_path):
    old = [make(instance, labels, "a"), make(instance, labels, "b"), make(instance, expert)]
    current = [make(instance, labels, "a"), make(instance, expert)]
    done = prune(instance, datetime.now(UTC) + timedelta(seconds=1))
    assert done == Pruned(runs=2, kept=3, reports=0)
    assert names(instance) == {old[1], *current}
    files = [path.name for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert not [name for name in files if old[0] in name or old[2] in name]
    for shard in ("a", "b"):
        found = instance.get_latest_materialization_event(dg.AssetKey("expert"))
        assert found.run_id == current[1]
        statuses = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey("labels"), asset_partitions=[shard]),
            limit=9,
        ).records
        assert len(statuses) == 1
    assert prune(instance, datetime.now(UTC)).runs == 0


def test_young_and_running_runs_stay(instance):
    make(instance, expert)
    job = dg.Definitions(assets=[expert]).resolve_implicit_global_asset_job_def()
    running = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    make(instance, expert)
    assert prune(instance, datetime.now(UTC) - timedelta(days=1)) == Pruned(
        runs=0, kept=0, reports=0
    )
    prune(instance, datetime.now(UTC) + timedelta(seconds=1))
    assert running in names(instance)
    assert len(names(instance)) == 2


def test_reports_without_a_run_stay_if_they_are_the_latest(instance):
    for shard in ("a", "a", "a", "b"):
        report(instance, shard)
    assert prune(instance, datetime.now(UTC) + timedelta(seconds=1)).reports == 2
    records = instance.fetch_materializations(dg.AssetKey("labels"), limit=9).records
    assert sorted(record.partition_key for record in records) == ["a", "b"]
    assert instance.get_materialized_partitions(dg.AssetKey("labels")) == {"a", "b"}
