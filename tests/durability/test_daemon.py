"""Sensors, queue and UI at work together while videos land and students train."""

import pytest

from tests.durability.life import open_life
from tests.durability.toy import SHARDS
from tests.durability.ui import until

LANDED = 2
"""Videos, each a shard of its own."""


@pytest.fixture(scope="module")
def life(made_toy, tmp_path_factory):
    """Everything is made, the recommended sensors are on, and a training computes."""
    home = tmp_path_factory.mktemp("life")
    life = open_life(made_toy.copy_to(home / "toy"), home)
    yield life
    (home / "go").touch()
    if life.ui.process.poll() is None:
        life.ui.stop()


def test_videos_that_land_while_a_student_trains_are_labelled_and_cost_it_nothing(life):
    first, second, third = life.trainings[0], life.train(), life.train()
    for number in range(LANDED):
        life.land()
        until(lambda n=number: life.labelled() == len(SHARDS) + n + 1)
    assert life.ui.state(first) == "STARTED"
    life.cancel(third)
    assert life.ui.state(second) == "QUEUED"
    life.finish_training(first)
    until(life.training_began)
    life.finish_training(second)
    story = life.story()
    # The champion of the toy was made once before.
    assert story["champions"] == story["releases"]
    assert len(story["releases"]) == len(set(story["releases"])) == 3
    assert len(life.toy.project.shards()) == len(SHARDS) + LANDED
    for shard in life.toy.project.shards():
        assert story["made"][f"videos@{shard}"] == story["made"][f"labels@{shard}"] == 1
    assert life.queued_processes == []
    assert life.cancel_s[0] < 10


def test_no_sensor_asked_twice_and_no_tick_failed(life):
    assert life.failed_ticks() == []
    landed = life.ui.runs(dagster__sensor_name="landing_sensor")
    assert [run["status"] for run in landed] == ["SUCCESS"] * LANDED
    assert life.ui.runs(dagster__sensor_name="automation") == []


def test_a_failed_shard_is_requested_again_and_its_neighbours_are_not(life):
    """A stage that cannot run now and can later."""
    toy = life.toy
    broken = "    raise OSError('disk of yesterday')\n"
    toy.edit("p4d/toy/videos.py", "    return", f"{broken}    return")
    life.land()
    requested = {"dagster__sensor_name": "landing_sensor"}
    until(lambda: "FAILURE" in [run["status"] for run in life.ui.runs(**requested)])
    toy.edit("p4d/toy/videos.py", broken, "")
    until(lambda: life.labelled() == len(SHARDS) + LANDED + 1)
    made = life.story()["made"]
    assert all(made[f"labels@{shard}"] == 1 for shard in toy.project.shards())
