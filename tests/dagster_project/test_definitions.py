import os
import socket
import subprocess
import sys

import dagster as dg
import pytest
import yaml

from dagster_project.definitions import defs
from dagster_project.demo import ensure_history
from dagster_project.jobs import job_of
from p4d.pipeline import BY_NAME, STAGES
from p4d.project import Project
from p4d.quality.gates import GATES
from p4d.versioning.dvc.code_folder import is_current
from p4d.versioning.dvc.pipeline_file import render
from p4d.versioning.files.code_closure import code_files

ROOT = Project.find().root
GRAPH = defs.resolve_asset_graph()
JOBS = (
    "full_pipeline",
    "label_backfill",
    "train_expert",
    "build_release",
    "retrain",
    "audit",
    "prune_history",
)


def test_every_stage_is_an_asset_with_its_inputs_and_partitions():
    assert {key.to_user_string() for key in GRAPH.get_all_asset_keys()} == {*BY_NAME, "inbox"}
    for stage in STAGES:
        node = GRAPH.get(dg.AssetKey(stage.name))
        source = {"inbox"} if stage.name == "videos" else set()
        assert {key.to_user_string() for key in node.parent_keys} == {*stage.inputs, *source}
        assert (node.partitions_def is not None) == stage.per_shard
        assert node.code_version


def test_dvc_yaml_is_what_the_stage_table_says():
    assert (ROOT / "dvc.yaml").read_text() == render(STAGES)["dvc.yaml"], "run: p4d dvc-yaml"
    for stage in STAGES:
        assert is_current(ROOT, stage.name, code_files(stage, ROOT)), "run: p4d dvc-yaml"


def test_the_dvc_graph_equals_the_asset_graph():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(stages) == set(BY_NAME)
    for name, stage in stages.items():
        read = {dep.split("/")[1] for dep in stage["deps"] if dep.startswith("data/")}
        assert read == set(BY_NAME[name].inputs), name
        assert ("matrix" in stage) == BY_NAME[name].per_shard


def test_each_stage_has_a_check_of_what_blocks_and_one_of_what_warns_that_name_their_gates():
    found = {
        (key.asset_key.to_user_string(), key.name): GRAPH.get_check_spec(key)
        for key in GRAPH.asset_check_keys
    }
    expected = {
        (stage, "gates" if gate.blocking else "warnings")
        for stage, gates in GATES.items()
        for gate in gates
    }
    assert set(found) == expected
    assert {name for _, name in found} == {"gates", "warnings"}
    for (stage, name), spec in found.items():
        blocks = name == "gates"
        assert spec.blocking == blocks
        lines = [line for line in spec.description.splitlines() if line.startswith("- ")]
        assert lines == [
            f"- `{gate.name}`: {gate.description}"
            for gate in GATES[stage]
            if gate.blocking == blocks
        ]


@pytest.mark.parametrize("name", JOBS)
def test_the_named_jobs_exist(name):
    assert defs.resolve_job_def(name).name == name


def test_schedules_and_sensors_are_there():
    assert {schedule.name for schedule in defs.schedules} == {
        "retrain_weekly",
        "audit_nightly",
        "prune_nightly",
    }
    assert {sensor.name for sensor in defs.sensors} == {
        "landing_sensor",
        "reconcile_sensor",
        "attention_sensor",
        "drift_sensor",
        "automation",
    }


def test_loading_the_code_location_imports_no_heavy_library():
    code = "import sys, dagster_project.definitions; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"torch", "transformers", "great_expectations", "mujoco", "dvc", "matplotlib"}
    assert not heavy & set(done.stdout.split())


def test_an_occupied_port_is_named_with_the_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "dagster_project", "ui", "--port", str(port)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode != 0
    assert f"port {port} is in use; try: make ui PORT={port + 1}" in done.stderr


def test_a_downloaded_source_tree_gets_a_history_without_any_git_identity(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    tree = tmp_path / "p4d-main"
    tree.mkdir()
    (tree / "params.yaml").write_text("a: 1\n")
    ensure_history(tree)
    log = ["git", "log", "--format=%an %s"]
    commits = subprocess.run(log, cwd=tree, capture_output=True, text=True, check=True).stdout
    assert commits == "p4d Source tree as downloaded\n"
    ensure_history(tree)
    assert subprocess.run(log, cwd=tree, capture_output=True, text=True).stdout == commits


@pytest.mark.parametrize(
    ("stages", "job"),
    [
        (("videos", "questions"), "label_backfill"),
        (("expert",), "train_expert"),
        (("external", "student_p4d", "champion"), "retrain"),
        (("expert", "external"), "full_pipeline"),
        (tuple(BY_NAME), "full_pipeline"),
    ],
)
def test_a_run_counts_as_the_routine_task_that_has_all_of_its_stages(stages, job):
    assert job_of(stages) == job
    assert {
        key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys
    } >= set(stages)
