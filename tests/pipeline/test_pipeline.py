import ast
import subprocess
import sys
from pathlib import Path

import pytest

from p4d.errors import ContractError
from p4d.pipeline import STAGES, Stage, StageInputs, stage_named
from p4d.project import Project

ROOT = Path(__file__).resolve().parents[2]


def inputs_of(stage, **folders):
    return StageInputs(stage=stage, all_params=Project.find().params, folders=folders)


def test_stages_are_listed_in_an_order_in_which_they_can_run():
    seen = set()
    for stage in STAGES:
        assert set(stage.reads) <= seen, stage.name
        seen.add(stage.name)


def test_every_stage_has_its_function_and_known_parameters():
    sections = set(Project.find().raw_params)
    for stage in STAGES:
        assert callable(stage.load()), stage.name
        assert set(stage.params) <= sections, stage.name


def test_an_undeclared_input_or_parameter_cannot_be_read(tmp_path):
    stage = Stage(
        name="s", group="g", entry="a:b", description="d", inputs=("up",), params=("clips",)
    )
    inputs = inputs_of(stage, up=tmp_path, other=tmp_path)
    assert inputs.folder("up") == tmp_path
    assert inputs.params("clips").frames >= 2
    with pytest.raises(ContractError, match="reads other without declaring it"):
        inputs.folder("other")
    with pytest.raises(ContractError, match=r"params\.training without declaring it"):
        inputs.params("training")


def test_a_fan_in_and_a_single_folder_are_not_confused(tmp_path):
    stage = Stage(name="s", group="g", entry="a:b", description="d", inputs=("one", "many"))
    inputs = inputs_of(stage, one=tmp_path, many={"0001": tmp_path})
    assert inputs.shard_folders("many") == {"0001": tmp_path}
    with pytest.raises(ContractError, match=r"use shard_folders\(\)"):
        inputs.folder("many")
    with pytest.raises(ContractError, match=r"use folder\(\)"):
        inputs.shard_folders("one")


def test_an_unknown_stage_is_named_with_the_known_ones():
    with pytest.raises(ContractError, match="no stage called 'label'; stages: videos, clips"):
        stage_named("label")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("p4d", {"dagster", "dagster_project", "assets"}),
        (
            "assets",
            {"torch", "transformers", "duckdb", "polars", "numpy", "av", "great_expectations"},
        ),
        ("dagster_project", {"torch", "transformers", "duckdb", "polars", "numpy", "av"}),
    ],
)
def test_packages_keep_to_their_side(package, forbidden):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not forbidden & set(imported(path)), path


def test_assets_stay_thin():
    for path in (ROOT / "assets").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 25, f"{path.name}:{node.name}"


def test_no_randomness_without_a_seed():
    for path in sorted((ROOT / "p4d").rglob("*.py")):
        tree = ast.parse(path.read_text())
        assert "random" not in set(imported(path)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert node.args, f"{path}:{node.lineno}: default_rng() without a seed"


@pytest.mark.parametrize(
    "module",
    ["p4d", "p4d.pipeline", "p4d.cli", "p4d.quality.gates", "p4d.evaluation.arms.promotion"],
)
def test_heavy_libraries_are_imported_only_where_they_work(module):
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "torch",
        "transformers",
        "great_expectations",
        "av",
        "mujoco",
        "dvc",
        "pandas",
        "matplotlib",
    }
    assert not heavy & set(done.stdout.split())


def test_a_pinned_stage_has_one_input_that_freezes_what_it_reads():
    by_name = {stage.name: stage for stage in STAGES}
    for stage in [stage for stage in STAGES if stage.pinned]:
        (pinning,) = [name for name in stage.inputs if by_name[name].pins]
        assert set(stage.pinned) <= set(by_name[pinning].inputs), stage.name
