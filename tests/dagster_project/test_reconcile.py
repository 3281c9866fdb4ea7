"""Published versions reach Dagster without a run, and changes on disk as corrections."""

import shutil

import pytest

from tests.durability.conftest import made_toy, toy  # noqa: F401 - fixtures
from tests.durability.kills import Server
from tests.durability.toy import SHARDS


@pytest.fixture
def server(toy, tmp_path):  # noqa: F811
    with Server(toy, tmp_path / "answers") as started:
        yield started


def test_versions_made_without_dagster_are_reported_and_nothing_runs(toy, server):  # noqa: F811
    toy.edit("p4d/toy/labels.py", "VERSION = 1", "VERSION = 2")
    runs = server.run("events", asset="release")["runs"]
    for shard in SHARDS:
        toy.run("python", "-m", "p4d.cli", "stage", "labels", "--shard", shard)
    toy.run("python", "-m", "p4d.cli", "stage", "release")
    toy.run("python", "-m", "p4d.cli", "stage", "champion")
    tick = server.run("tick", name="reconcile_sensor")
    assert tick["asked"] == []
    keys = [*(f"labels@{shard}" for shard in SHARDS), "release", "champion"]
    assert [line for line in tick["skipped"].splitlines() if line.startswith("reported")] == [
        f"reported {key}" for key in keys
    ]
    assert server.run("not_fresh") == {"p4d": [], "dvc": [], "dagster": []}
    found = server.run("events", asset="release")
    assert found["runs"] == runs
    latest = found["materializations"][0]
    assert latest["kind"] == "report"
    assert latest["checks"] == {"release_is_good": "passed"}
    assert set(latest["inputs"]) == {f"labels@{shard}" for shard in SHARDS}
    assert latest["data_version"] != found["materializations"][1]["data_version"]
    assert server.run("tick", name="reconcile_sensor")["skipped"] == (
        "Every published version is reported"
    )


def test_a_deleted_output_is_a_correction_with_the_old_data_version(toy, server):  # noqa: F811
    before = server.run("events", asset="release")["materializations"][0]
    shutil.rmtree(toy.root / "data" / "release")
    tick = server.run("tick", name="reconcile_sensor")
    assert tick["asked"] == []
    assert "release is missing" in tick["skipped"]
    after = server.run("events", asset="release")["materializations"][0]
    assert after["kind"] == "correction"
    assert after["reasons"] == "output missing"
    assert after["data_version"] == before["data_version"]
    assert after["code_version"] == "missing"
    assert after["path"] == before["path"]  # the page keeps what it showed of the version
    assert after["path"].endswith("data/release")
    assert server.run("tick", name="reconcile_sensor")["skipped"] == (
        "Every published version is reported"
    )
