"""Tiny worlds and a tiny expert, made once."""

from pathlib import Path

import pytest

from p4d.config import replace_params
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.teachers.expert4d.network import ExpertConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def params():
    return replace_params(
        Project(ROOT).params,
        clips={"size_px": 32, "frames": 4},
        expert={
            "checkpoint": "", "worlds": 4, "holdout_worlds": 2, "width": 32, "blocks": 2,
            "heads": 2, "hooks": (1, 2), "map_px": 16, "steps": 4, "batch": 3, "threads": 1,
        },
        labels={"threads": 1, "batch": 2},
    )  # fmt: skip


@pytest.fixture(scope="session")
def config(params):
    return ExpertConfig.from_params(params.clips, params.expert)


@pytest.fixture(scope="session")
def run_stage(params):
    """Run a stage of this area into a folder."""

    def run(name, out, folders, **changes):
        out.mkdir(parents=True, exist_ok=True)
        stage = stage_named(name)
        settings = replace_params(params, **changes)
        inputs = StageInputs(stage=stage, all_params=settings, folders=folders)
        return stage.load()(inputs, out)

    return run


@pytest.fixture(scope="session")
def worlds_folder(run_stage, tmp_path_factory):
    out = tmp_path_factory.mktemp("expert_worlds")
    run_stage("expert_worlds", out, {})
    return out


@pytest.fixture(scope="session")
def expert_folder(run_stage, worlds_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("expert")
    run_stage("expert", out, {"expert_worlds": worlds_folder})
    return out
