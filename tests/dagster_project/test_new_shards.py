"""Which new shards the landing sensor requests, and when again."""

import dagster as dg
import pytest

from dagster_project.jobs import label_backfill
from dagster_project.new_shards import ATTEMPTS, NewShards
from dagster_project.partitions import sync_shards
from p4d.versioning.state.blocked import render
from tests.durability.conftest import made_toy, toy  # noqa: F401 - fixtures

NEW = ("0003-cccccccc", "0004-dddddddd", "0005-eeeeeeee")
PAUSE_S = 60.0


@pytest.fixture
def project(toy):  # noqa: F811
    toy.set_shards(NEW)  # by the stages of this process none of them was made
    return toy.project


def ranges(requests):
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return [
        (each.partition_key,) * 2 if each.partition_key else tuple(each.tags[end] for end in ends)
        for each in requests
    ]


class Sensor:
    """The sensor's decisions on an instance whose runs the test makes up."""

    def __init__(self, instance, project):
        self.instance, self.project, self.cursor, self.now_s = instance, project, None, 0.0
        sync_shards(instance, project)

    def tick(self):
        new = NewShards.read(self.cursor)
        requests = new.to_request(self.instance, self.project, now_s=self.now_s, pause_s=PAUSE_S)
        self.cursor, self.notes, self.keys = new.text(), new.notes, [r.run_key for r in requests]
        return ranges(requests)

    def run(self, first, last, status):
        tags = {
            "dagster/sensor_name": "landing_sensor",
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
        job = dg.Definitions(jobs=[_nothing]).resolve_job_def("_nothing")
        return self.instance.create_run_for_job(job, status=status, tags=tags)


@dg.job
def _nothing():
    pass


@pytest.fixture
def sensor(instance, project):
    return Sensor(instance, project)


def test_neighbours_are_one_run_and_a_tick_later_nobody_is_asked_again(sensor):
    assert label_backfill.name == "label_backfill"
    assert sensor.tick() == [(NEW[0], NEW[2])]
    sensor.run(NEW[0], NEW[2], dg.DagsterRunStatus.STARTED)
    assert sensor.tick() == []
    assert sensor.notes == [f"{shard}: a run has it" for shard in NEW]


def test_a_run_of_a_person_is_a_run_too(sensor):
    sensor.run(NEW[1], NEW[1], dg.DagsterRunStatus.NOT_STARTED)
    assert sensor.tick() == [(NEW[0], NEW[0]), (NEW[2], NEW[2])]


def test_a_failed_shard_is_asked_for_again_with_pauses_and_not_for_ever(sensor):
    keys = set()
    for attempt in range(1, ATTEMPTS + 1):
        assert sensor.tick() == [(NEW[0], NEW[2])]
        keys |= set(sensor.keys)
        sensor.run(NEW[0], NEW[2], dg.DagsterRunStatus.FAILURE)
        assert sensor.tick() == []
        sensor.now_s += PAUSE_S * 2 ** (attempt - 1)
    assert len(keys) == ATTEMPTS  # Dagster starts a run key once
    assert sensor.tick() == []
    assert sensor.notes[0].startswith(f"{NEW[0]}: failed 3 times; change what fails")


def test_a_change_of_code_is_a_new_beginning(sensor, toy):  # noqa: F811
    for attempt in range(ATTEMPTS):
        sensor.tick()
        sensor.now_s += PAUSE_S * 2**attempt
    assert sensor.tick() == []
    toy.edit("params.yaml", "duration_s: 600.0", "duration_s: 60.0")
    assert sensor.tick() == [(NEW[0], NEW[2])]


def test_a_cancelled_shard_is_left_to_the_person_who_cancelled(sensor):
    sensor.run(NEW[0], NEW[1], dg.DagsterRunStatus.CANCELED)
    assert sensor.tick() == [(NEW[2], NEW[2])]
    assert "its run was cancelled" in sensor.notes[0]


def test_a_blocked_shard_is_not_asked_for(sensor, toy):  # noqa: F811
    text = render({NEW[1]: {"labels": ["labels_are_good"]}})
    (toy.root / "shards" / "blocked.yaml").write_text(text)
    assert sensor.tick() == [(NEW[0], NEW[0]), (NEW[2], NEW[2])]
    assert sensor.notes == [f"{NEW[1]}: a blocking check stopped it"]
