"""The embedded expert is complete, and the stage copies it unchanged."""

import pytest

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.ids import sha256_file
from p4d.pipeline import StageInputs, stage_named
from p4d.project import Project
from p4d.teachers.expert4d import embedded
from p4d.teachers.expert4d import network as expert4d
from tests.teachers.conftest import ROOT


def built(out, clips=None, **expert):
    params = replace_params(
        Project(ROOT).params,
        clips=clips or {},
        expert={"checkpoint": "embedded", "holdout_worlds": 2, "threads": 1, **expert},
    )
    worlds = out / "worlds"
    worlds.mkdir(parents=True)
    stage = stage_named("expert_worlds")
    stage.load()(StageInputs(stage=stage, all_params=params, folders={}), worlds)
    stage, made = stage_named("expert"), out / "expert"
    made.mkdir()
    stage.load()(
        StageInputs(stage=stage, all_params=params, folders={"expert_worlds": worlds}), made
    )
    return made


def test_the_stage_takes_the_embedded_expert_and_measures_it_again(tmp_path):
    made = built(tmp_path)
    assert sha256_file(made / "weights.safetensors") == embedded.WEIGHTS_SHA256
    assert expert4d.load(made).digest == read_json(embedded.FOLDER / "card.json")["digest"]
    card = read_json(made / "card.json")
    assert card["holdout_worlds"] == 2 and card["train_worlds"] == 1600
    assert card["expert4d"]["depth_absrel"] < card["trivial"]["depth_absrel"]
    assert card["expert4d"]["motion_iou"] > 0.5


def test_an_expert_of_other_sizes_is_rejected(tmp_path):
    with pytest.raises(ContractError, match=r"expert\.checkpoint"):
        built(tmp_path, clips={"size_px": 32}, map_px=16)


def test_the_card_meets_what_a_teacher_has_to_reach():
    card = read_json(embedded.FOLDER / "card.json")
    measured = card["expert4d"]
    assert measured["depth_absrel"] <= 0.06
    assert measured["flow_epe_px"] <= 0.35 * measured["flow_zero_epe_px"]
    assert measured["motion_iou"] >= 0.6
    assert measured["ray_angle_rad"] < 0.01746
