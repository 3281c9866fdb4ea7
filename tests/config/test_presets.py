from pathlib import Path

import pytest
import yaml

from p4d.config import Params
from p4d.config.presets import edited, read_preset, with_preset
from p4d.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "params.yaml").read_text()


@pytest.mark.parametrize("name", ["paper", "release", "demo"])
def test_a_preset_edits_params_yaml_and_keeps_its_comments(name):
    values = read_preset(REPOSITORY / "configs" / f"{name}.yaml")
    text = edited(TEXT, values)
    assert yaml.safe_load(text) == with_preset(yaml.safe_load(TEXT), values)
    assert text.count("#") == TEXT.count("#")
    assert edited(text, values) == text
    Params.from_mapping(yaml.safe_load(text))


def test_a_preset_with_an_unknown_key_or_no_sections_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no training\.epochs"):
        with_preset(yaml.safe_load(TEXT), {"training": {"epochs": 5}})
    with pytest.raises(ConfigError, match=r"no line for training\.epochs"):
        edited(TEXT, {"training": {"epochs": 5}})
    (tmp_path / "odd.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="is no preset"):
        read_preset(tmp_path / "odd.yaml")
