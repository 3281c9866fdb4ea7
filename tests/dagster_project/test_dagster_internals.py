"""The private names of Dagster that we use do what we expect, on real runs."""

import ast
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy

from dagster_project.dagster_internals import Staleness, free_pool_slots, latest_tags, version_tags
from dagster_project.dagster_internals.sqlite import kept_open

SHARDS = dg.DynamicPartitionsDefinition(name="letters")


@dg.asset(code_version="1", partitions_def=SHARDS)
def labels(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion(f"labels of {context.partition_key}"))


@dg.asset(code_version="2")
def expert() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("an expert"))


@dg.asset(code_version="3", deps=[labels, expert])
def release() -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion("a release"))


DEFS = dg.Definitions(assets=[labels, expert, release])
INPUTS = {"labels": ["labels of a", "labels of b"], "expert": "an expert"}
RELEASE = {"data_version": "a release", "code_version": "3", "inputs": INPUTS}


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("letters", ["a", "b"])
        for shard in ("a", "b"):
            dg.materialize([labels], instance=made, partition_key=shard)
        dg.materialize([expert], instance=made)
        yield made


def is_fresh(instance, name, partition=None):
    return Staleness(instance, DEFS.resolve_asset_graph()).is_fresh(name, partition)


def report(instance, tags, name="release"):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=dg.AssetKey(name), tags=tags)
    )


@pytest.fixture
def opened():
    """The connections that SQLAlchemy opens during a test."""
    found = []

    def note(connection, record):
        found.append(connection)

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", note)
    yield found
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", note)


def test_a_run_keeps_its_connections_and_records_the_same(tmp_path, opened):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as kept:
        kept.add_dynamic_partitions("letters", ["a"])
        dg.materialize([labels], instance=kept, partition_key="a")
        each_anew = len(opened)
        opened.clear()
        with kept_open(kept):
            result = dg.materialize([labels, expert], instance=kept, selection=[expert])
            dg.materialize([labels], instance=kept, partition_key="a")
        assert len(opened) < each_anew / 3
        assert latest_tags(kept, "expert", None)["dagster/data_version"] == "an expert"
        assert kept.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.SUCCESS
        found = kept.fetch_materializations(dg.AssetKey("labels"), limit=10)
        assert len(found.records) == 2
        opened.clear()
        kept.get_runs()
        assert len(opened) == 1  # as Dagster does it, again


def test_reported_tags_equal_those_of_a_run(instance):
    ours = version_tags(instance, **RELEASE)
    dg.materialize([labels, expert, release], instance=instance, selection=[release])
    assert dict(latest_tags(instance, "release", None)) == ours
    assert latest_tags(instance, "labels", "a")["dagster/data_version"] == "labels of a"
    assert latest_tags(instance, "labels", "c") == {}


def test_a_reported_version_is_fresh_until_an_input_changes(instance):
    assert not is_fresh(instance, "release")
    report(instance, version_tags(instance, **RELEASE))
    assert is_fresh(instance, "release")
    dg.materialize([labels], instance=instance, partition_key="b")
    assert is_fresh(instance, "release"), "equal data versions are no change"
    tags = version_tags(instance, data_version="another expert", code_version="2", inputs={})
    report(instance, tags, "expert")
    assert not is_fresh(instance, "release")


def test_a_changed_partition_makes_its_readers_stale(instance):
    report(instance, version_tags(instance, **RELEASE))
    tags = version_tags(instance, data_version="new labels", code_version="1", inputs={})
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=dg.AssetKey("labels"), partition="b", tags=tags)
    )
    assert not is_fresh(instance, "release")
    assert is_fresh(instance, "labels", "b")


def test_another_code_version_is_stale(instance):
    report(instance, version_tags(instance, **{**RELEASE, "code_version": "missing"}))
    assert not is_fresh(instance, "release")


def test_slots_of_a_pool_are_freed(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots("machine", 1)
        assert storage.claim_concurrency_slot("machine", "run", "step").is_claimed
        assert storage.get_concurrency_info("machine").active_slot_count == 1
        free_pool_slots(instance, "run")
        assert storage.get_concurrency_info("machine").active_slot_count == 0


def test_no_other_module_uses_the_private_api():
    root = Path(__file__).resolve().parents[2]
    for path in (*(root / "dagster_project").rglob("*.py"), *(root / "assets").rglob("*.py")):
        modules = [
            node.module or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        ]
        private = [name for name in modules if name.startswith("dagster.")]
        assert not private or path.parent.name == "dagster_internals", path
