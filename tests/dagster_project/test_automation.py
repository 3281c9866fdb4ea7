"""What the automation conditions of the stages request, and what they leave alone."""

import dagster as dg
import pytest

from dagster_project.automation import on_new_data
from dagster_project.build import build_defs
from dagster_project.dagster_internals import latest_tags, version_tags
from dagster_project.partitions import SHARDS
from dagster_project.reconcile import CORRECTION, KIND
from p4d.pipeline import STAGES, stage_named
from p4d.project import Project

DEFS = build_defs(Project.find())
A, B = "0001-aaaaaaaa", "0002-bbbbbbbb"


def stand_in(name, *, deps=()):
    """An asset with the partitions and the automation condition of a stage."""
    stage = stage_named(name)
    return dg.AssetSpec(
        name,
        deps=list(deps),
        code_version="1",
        partitions_def=SHARDS if stage.per_shard else None,
        automation_condition=on_new_data(stage),
    )


CHAIN = {"videos": (), "labels": ("videos",), "release": ("labels",), "champion": ("release",)}


def definitions(versions=None, passes=None):
    """Four stages; `versions` are what runs make, and `passes` holds a blocking check by asset."""
    versions, passes = versions or {}, passes or {}

    def asset(name):
        @dg.multi_asset(specs=[stand_in(name, deps=CHAIN[name])], name=f"make_{name}")
        def make():
            version = dg.DataVersion(versions[name])
            return dg.MaterializeResult(asset_key=name, data_version=version)

        return make

    def check(name):
        partitions = SHARDS if stage_named(name).per_shard else None

        @dg.asset_check(asset=name, name=f"{name}_good", blocking=True, partitions_def=partitions)
        def good():
            return dg.AssetCheckResult(passed=passes[name])

        return good

    return dg.Definitions(
        assets=[asset(name) for name in CHAIN], asset_checks=[check(name) for name in passes]
    )


class Line:
    """Reports events and evaluates automation, tick after tick."""

    def __init__(self, instance, defs):
        self.instance, self.defs, self.cursor = instance, defs, None

    def version(self, name, version, shard=None, **inputs):
        tags = version_tags(self.instance, data_version=version, code_version="1", inputs=inputs)
        self.event(name, shard, tags)

    def event(self, name, shard, tags, **metadata):
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=dg.AssetKey(name), partition=shard, tags=tags, metadata=metadata
            )
        )

    def run(self, name, shard=None):
        """A run of one asset and its check."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name)],
            partition_key=shard,
            raise_on_error=False,
        )

    def correct(self, name, state, shard=None):
        tags = {**latest_tags(self.instance, name, shard), "dagster/code_version": state}
        self.event(name, shard, tags, **{KIND: CORRECTION})

    def requested(self):
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (name, partition)
            for name in ("videos", "labels", "release", "champion")
            if result.get_num_requested(dg.AssetKey(name))
            for partition in result.get_requested_partitions(dg.AssetKey(name))
        }


@pytest.fixture
def line(instance):
    """Everything is made, and the first tick has passed."""
    instance.add_dynamic_partitions("shards", [A, B])
    made = Line(instance, definitions())
    for shard in (A, B):
        made.version("videos", f"videos {shard}", shard)
        made.version("labels", f"labels {shard}", shard, videos=[f"videos {shard}"])
    made.version("release", "release 1", labels=[f"labels {A}", f"labels {B}"])
    made.version("champion", "champion 1", release="release 1")
    assert made.requested() == set()
    assert made.requested() == set()
    return made


def test_a_changed_data_version_requests_its_readers_alone(line):
    line.version("videos", "videos edited", A)
    assert line.requested() == {("labels", A)}
    assert line.requested() == set()


def test_an_equal_data_version_requests_nothing(line):
    line.version("videos", f"videos {A}", A)
    assert line.requested() == set()


@pytest.mark.parametrize("state", ["missing", "stale"])
def test_the_reader_of_a_corrected_output_is_not_requested(line, state):
    line.correct("videos", state, A)
    line.correct("labels", "blocked", A)
    assert line.requested() == set()
    assert line.requested() == set()


def test_a_version_that_changes_after_a_correction_is_a_change(line):
    line.correct("videos", "missing", A)
    assert line.requested() == set()
    line.version("videos", "videos 2", A)
    assert line.requested() == {("labels", A)}


def test_a_new_shard_is_left_to_the_landing_sensor(line):
    line.instance.add_dynamic_partitions("shards", ["0003-cccccccc"])
    assert line.requested() == set()
    assert line.requested() == set()


def test_only_stages_with_shards_are_automated():
    automated = {stage.name for stage in STAGES if on_new_data(stage)}
    assert automated == {"videos", "clips", "labels", "regions", "facts", "questions"}
    graph = DEFS.resolve_asset_graph()
    for stage in STAGES:
        condition = graph.get(dg.AssetKey(stage.name)).automation_condition
        assert (condition is not None) == stage.per_shard
    sensor = next(each for each in DEFS.sensors if each.name == "automation")
    targeted = sensor.asset_selection.resolve(graph)
    assert {key.to_user_string() for key in targeted} == automated


def test_nothing_from_the_release_on_is_requested_for_the_first_time(instance):
    instance.add_dynamic_partitions("shards", [A])
    line = Line(instance, definitions())
    line.version("videos", "videos", A)
    line.version("labels", "labels", A)
    assert line.requested() == set()


def test_new_labels_and_a_new_release_train_nothing(line):
    line.version("labels", "labels edited", A, videos=[f"videos {A}"])
    line.version("release", "release 2", labels=["labels edited", f"labels {B}"])
    assert line.requested() == set()


@pytest.fixture
def checked(instance):
    """Everything is made by reports; versions and checks of runs are the test's to change."""
    instance.add_dynamic_partitions("shards", [A, B])
    versions = dict.fromkeys(CHAIN, "2")
    passes = dict.fromkeys(("videos", "labels", "release"), True)
    line = Line(instance, definitions(versions, passes))
    for shard in (A, B):
        line.version("videos", "1", shard)
        line.version("labels", "1", shard, videos=["1"])
    line.version("release", "1", labels=["1", "1"])
    line.version("champion", "1", release="1")
    assert line.requested() == set()
    return line, passes


def test_a_failed_blocking_check_stops_the_readers_of_its_shard(checked):
    line, passes = checked
    line.run("videos", A)
    passes["videos"] = False
    line.run("videos", B)
    assert line.requested() == {("labels", A)}
    passes["videos"] = True
    line.run("videos", B)
    assert line.requested() == {("labels", B)}


def test_a_version_that_was_checked_without_dagster_is_read(checked):
    line, passes = checked
    passes["videos"] = False
    line.run("videos", B)
    assert line.requested() == set()
    line.version("videos", "3", B)
    assert line.requested() == {("labels", B)}
