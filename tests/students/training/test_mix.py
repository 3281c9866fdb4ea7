"""Stages with `training.mix`: external rows are trained on in every arm."""

import dataclasses

import pytest

from p4d.artifacts import read_json
from p4d.config import replace_params
from p4d.errors import ConfigError, ContractError
from p4d.external.mixture import TRAIN
from p4d.external.rows import read_split
from p4d.students.training.stages import build_blind, build_p4d, build_sft
from tests.external.made import external_artifacts
from tests.students import tiny

ARMS = {"student_sft": build_sft, "student_p4d": build_p4d, "student_blind": build_blind}


@pytest.fixture(scope="module")
def mixed_folders(tmp_path_factory, project):
    """The artifacts of two sets: videos, and pictures."""
    root = tmp_path_factory.mktemp("mix")
    external_artifacts(root, project.params)
    return root


def inputs_of(project, folders, stage, **training):
    inputs = project.inputs(stage)
    mapped = {**inputs.folders, **{name: folders / name for name in ("external", "mixture")}}
    params = replace_params(inputs.all_params, training=training)
    return dataclasses.replace(inputs, all_params=params, folders=mapped)


@pytest.mark.parametrize("stage", list(ARMS))
def test_every_arm_trains_on_clips_and_external_rows(project, mixed_folders, tmp_path, stage):
    mix = {"web": 0.25, "sat": 0.25}
    inputs = inputs_of(project, mixed_folders, stage, mix=mix, steps=4, batch=4)
    ARMS[stage](inputs, tmp_path)
    card = read_json(tmp_path / "card.json")
    held = read_split(mixed_folders / "external", mixed_folders / "mixture", TRAIN)
    assert card["external_sets"] == {
        name: {"rows": sum(row.set_name == name for row in held), "shown": 4} for name in mix
    }
    again = tmp_path / "again"
    ARMS[stage](inputs, again)
    weights = "model/model.safetensors"
    assert (again / weights).read_bytes() == (tmp_path / weights).read_bytes()


def test_the_mix_changes_what_is_learned_and_none_changes_nothing(project, mixed_folders, tmp_path):
    weights = "model/model.safetensors"
    for name, mix in (("without", {}), ("with", {"web": 0.5})):
        build_sft(inputs_of(project, mixed_folders, "student_sft", mix=mix), tmp_path / name)
    build_sft(project.inputs("student_sft"), tmp_path / "plain")
    files = sorted(p.relative_to(tmp_path / "plain") for p in (tmp_path / "plain").rglob("*.*"))
    for file in files:
        plain = (tmp_path / "plain" / file).read_bytes()
        assert (tmp_path / "without" / file).read_bytes() == plain, file
    assert (tmp_path / "with" / weights).read_bytes() != (tmp_path / "plain" / weights).read_bytes()
    assert "external_sets" not in read_json(tmp_path / "without" / "card.json")


def test_a_set_that_is_not_there_stops_the_training_with_its_name(project, mixed_folders, tmp_path):
    inputs = inputs_of(project, mixed_folders, "student_sft", mix={"llava": 0.5})
    with pytest.raises(ContractError, match=r"names llava.*sat, web"):
        build_sft(inputs, tmp_path)


@pytest.mark.parametrize(
    ("mix", "why"),
    [
        ({"a": 0.0}, "each share"),
        ({"a": 1.0}, "each share"),
        ({"a": 0.6, "b": 0.4}, "leave room for clips"),
        ([0.5], "expected names and values"),
        ({"a": "much"}, "training.mix.a"),
    ],
)
def test_impossible_shares_are_refused(mix, why):
    with pytest.raises(ConfigError, match=why):
        tiny.params(training={"mix": mix})
