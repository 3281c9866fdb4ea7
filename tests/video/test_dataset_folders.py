"""Datasets in the inbox, and by the command: what lands, and what a broken neighbour costs."""

import os
import time

import pytest
from click.testing import CliRunner

from p4d.artifacts import read_json
from p4d.cli.app import cli
from p4d.errors import DatasetError
from p4d.video.dataset_folders import convert_named
from p4d.video.landing import land
from tests.datasets.layouts.movi import write_movi
from tests.video.media import make_project, write_video


def landed(project):
    return {
        row["relpath"]: row
        for shard in project.shards()
        for row in read_json(project.shards_dir / f"{shard}.json")["files"]
    }


def test_a_dataset_in_the_inbox_lands_beside_other_files(tmp_path):
    project = make_project(tmp_path)
    write_video(project.inbox / "mine.mp4")
    write_movi(project.inbox / "renders" / "a")
    write_movi(project.inbox / "renders" / "b", seed=1)
    (project.inbox / "renders" / "b" / "metadata.json").write_text("{")
    report = land(project)
    rows = landed(project)
    assert (report.accepted, report.rejected) == (2, 0)
    video = next(name for name in rows if name.startswith("datasets/movi/movi_a_"))
    assert set(rows) == {"mine.mp4", video}
    assert rows[video]["sidecar"] is not None
    assert rows[video]["licence"] == "Apache-2.0"
    assert any("renders/b" in notice and "metadata.json" in notice for notice in report.notices)


def test_a_second_landing_converts_nothing_again(tmp_path):
    project = make_project(tmp_path)
    write_movi(project.inbox / "a")
    land(project)
    converted = next(project.inbox.rglob("*.mp4"))
    converted.unlink()
    again = land(project)
    assert (again.accepted, again.known) == (0, 0)
    assert not converted.exists()


def test_a_folder_that_is_still_copied_waits(tmp_path):
    project = make_project(tmp_path)
    write_movi(project.inbox / "a")
    report = land(project, settle_s=60)
    assert (report.accepted, report.waiting) == (0, 1)
    assert land(project).accepted == 1


def test_a_folder_with_times_of_a_clock_that_is_ahead_lands_once_it_is_at_rest(
    tmp_path, monkeypatch
):
    project = make_project(tmp_path)
    write_movi(project.inbox / "a")
    ahead = time.time() + 86_400
    for path in (project.inbox / "a").rglob("*"):
        os.utime(path, (ahead, ahead))
    assert land(project, settle_s=60).waiting == 1
    later = time.time() + 600  # what is converted now has rested by then, too
    monkeypatch.setattr(time, "time", lambda: later)
    assert land(project, settle_s=60).accepted == 1


def test_the_command_lands_a_folder_from_elsewhere(tmp_path, monkeypatch):
    project = make_project(tmp_path / "project")
    for seed, name in enumerate(("one", "two")):
        write_movi(tmp_path / "renders" / name, seed=seed)
    monkeypatch.setenv("P4D_ROOT", str(project.root))
    done = CliRunner().invoke(cli, ["land", "--dataset", "movi", str(tmp_path / "renders")])
    assert done.exit_code == 0, done.output
    assert "2 accepted" in done.output
    assert len(landed(project)) == 2


def test_the_command_names_formats_and_wrong_options(tmp_path):
    project = make_project(tmp_path / "project")
    write_movi(tmp_path / "scene")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"formats: .*movi"):
        convert_named(project, "moovi", tmp_path / "scene", {})
    with pytest.raises(DatasetError, match="no option 'rate'; it takes fps"):
        convert_named(project, "movi", tmp_path / "scene", {"rate": "3"})
    with pytest.raises(DatasetError, match=r"metadata\.json and rgba_00000\.png are expected"):
        convert_named(project, "movi", tmp_path / "empty", {})
    listed = CliRunner().invoke(cli, ["land", "--formats"])
    assert "movi: Kubric MOVi" in listed.output
    assert "--set fps" in listed.output
