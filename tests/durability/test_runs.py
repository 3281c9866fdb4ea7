"""Failures are told and contained; schedules and sensors ask for runs; unchanged steps skip."""

import json

import numpy as np
import polars as pl
import pytest

from p4d.quality.drift import MIN_CLIPS, measure_drift
from tests.durability.kills import Server
from tests.durability.toy import SHARDS

A, B = SHARDS
C = "0003-cccccccc"


@pytest.mark.parametrize("word", ["CRASH", "BAD"])
def test_a_bad_shard_stops_no_other_and_is_told_by_the_sensor_and_the_release(toy, tmp_path, word):
    toy.set_shards([A, B, C])
    toy.edit(f"shards/{C}.json", "text of", f"{word} text of")
    with Server(toy, tmp_path / "answers") as server:
        run = server.start("up")
        assert run.wait() == 1
        assert f"({C})" in run.log()
        assert ("Rows at fault: p4d status --all" in run.log()) == (word == "BAD")
        facts = server.run("facts")
        assert facts["verified"], facts["verify_text"]
        told = server.run("tick", name="attention_sensor")["skipped"]
        where = "videos" if word == "CRASH" else "labels"
        reason = "cannot decode CRASH" if word == "CRASH" else "failed labels_are_good"
        assert f"{where}@{C}" in told
        assert reason in told
        partition, description = server.run("observations", asset=where)[0]
        assert partition == C
        assert reason in description
    excluded = json.loads((toy.root / "data" / "release" / "excluded.json").read_text())
    assert list(excluded) == [C]
    log = (toy.root / "data" / "champion" / "log.txt").read_text().splitlines()
    assert len(log) == 2  # the champion was decided again, without the bad shard


def test_the_schedule_asks_for_a_run_whose_unchanged_steps_skip(toy, tmp_path):
    with Server(toy, tmp_path / "answers") as server:
        assert server.run("tick", name="retrain_weekly")["asked"] == [[[], None]]
        before = server.run("facts")["made"]
        assert server.run("job", name="retrain") == {"release": True, "champion": True}
        assert server.run("facts")["made"] == before
        toy.edit("p4d/toy/champion.py", "VERSION = 1", "VERSION = 2")
        assert server.run("job", name="retrain") == {"release": True, "champion": False}


def test_definitions_older_than_the_parameters_are_reported_once(toy, tmp_path):
    """The server's child loads definitions before the edit, as a code server does."""
    with Server(toy, tmp_path / "answers") as server:
        before, after, again, loaded = server.run(
            "tick_around_edit", path="params.yaml", old="duration_s: 600.0", new="duration_s: 60.0"
        )
        assert "Reload definitions" not in before
        assert 'press "Reload definitions" under Deployment (videos)' in after
        assert 'press "Reload definitions" under Deployment (videos)' in again
        assert "Reload definitions" not in loaded
        told = [each for each in server.run("observations", asset="videos") if "Reload" in each[1]]
        assert len(told) == 1
        assert not server.run("observations", asset="release")


def write_clips(data, shard, energies):
    folder = data / "clips" / shard
    folder.mkdir(parents=True)
    frame = {"outcome": ["ok"] * len(energies), "motion_energy": energies}
    pl.DataFrame(frame).write_parquet(folder / "clips.parquet")


@pytest.mark.parametrize(("shift", "drifts"), [(0.0, False), (2.0, True)])
def test_new_clips_unlike_the_released_ones_ask_for_retraining(toy, tmp_path, shift, drifts):
    rng = np.random.default_rng(0)
    data = toy.root / "data"
    toy.set_shards([A, B, C])
    write_clips(data, A, rng.normal(size=200))
    write_clips(data, C, rng.normal(shift, size=100))
    manifest = {"shards": [{"shard": A}], "excluded": {}}
    (data / "release" / "manifest.json").write_text(json.dumps(manifest))
    found = measure_drift(data, [A, B, C])
    assert (found.shards, found.new_clips, found.is_drifting) == ((C,), 100, drifts)
    with Server(toy, tmp_path / "answers") as server:
        asked = server.run("tick", name="drift_sensor")
    assert bool(asked["asked"]) == drifts
    few = pl.read_parquet(data / "clips" / C / "clips.parquet").head(MIN_CLIPS - 1)
    few.write_parquet(data / "clips" / C / "clips.parquet")
    assert not measure_drift(data, [A, B, C]).is_drifting
