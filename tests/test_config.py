import copy

import pytest

from p4d.config import Params, Project, replace_params
from p4d.errors import ConfigError

RAW = Project.find().raw_params


def changed(section, **values):
    raw = copy.deepcopy(RAW)
    raw[section].update(values)
    return raw


def test_the_shipped_parameters_are_valid():
    params = Params.from_mapping(RAW)
    assert params.clips.length_ns == round(params.clips.frames / params.clips.grid_hz * 1e9)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed("clips", frames=7), "section clips: frames: even"),
        (changed("clips", frames="8"), r"clips\.frames: expected int, got '8'"),
        (changed("clips", size_px=True), r"clips\.size_px: expected int, got True"),
        (changed("clips", colour="red"), r"unknown key \['colour'\]"),
        (changed("release", test_fraction=0.0), "test_fraction must be positive"),
        (changed("release", test_fraction=0.6, val_fraction=0.4), "must leave a train part"),
        (changed("labels", teachers=["oracle"]), "teachers must be among"),
        (changed("expert", hooks=[9]), "hooks must name blocks"),
        (changed("landing", max_clips_per_shard=300), r"\[1, 256\]"),
        (changed("distillation", preset="magic"), "preset must be among"),
        ({k: v for k, v in RAW.items() if k != "clips"}, r"missing section \['clips'\]"),
        ({**RAW, "extra": {}}, r"unknown section \['extra'\]"),
        ({**RAW, "clips": None}, "section clips: expected keys and values"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(raw, message):
    with pytest.raises(ConfigError, match=message):
        Params.from_mapping(raw)


def test_replaced_parameters_are_checked_again():
    params = Params.from_mapping(RAW)
    assert replace_params(params, training={"steps": 2}).training.steps == 2
    with pytest.raises(ConfigError, match="steps"):
        replace_params(params, training={"steps": 0})


def test_a_folder_outside_any_project_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.delenv("P4D_ROOT", raising=False)
    with pytest.raises(ConfigError, match="set P4D_ROOT"):
        Project.find(tmp_path)


def test_broken_yaml_is_a_config_error(tmp_path):
    (tmp_path / "dvc.yaml").write_text("")
    (tmp_path / "params.yaml").write_text("clips: {frames: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        _ = Project.find(tmp_path).raw_params


def test_shards_are_read_in_landing_order(tmp_path):
    (tmp_path / "dvc.yaml").write_text("")
    (tmp_path / "params.yaml").write_text("{}")
    project = Project.find(tmp_path)
    assert project.shards() == []
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "index.yaml").write_text("shards:\n- b\n- a\n")
    assert project.shards() == ["b", "a"]
