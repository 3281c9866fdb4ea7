"""Section expert: values of its training are checked, and a missing or unknown key is named."""

import copy

import pytest

from p4d.config import Params
from p4d.errors import ConfigError
from p4d.project import Project

RAW = Project.find().raw_params


def expert(**values):
    raw = copy.deepcopy(RAW)
    raw["expert"].update(values)
    return raw


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"adam_betas": [0.9]}, r"adam_betas must be two numbers in \[0, 1\), got \[0.9\]"),
        ({"adam_betas": [0.9, 1.0]}, r"adam_betas must be two numbers"),
        ({"max_gradient_norm": 0.0}, "max_gradient_norm must be positive"),
        ({"muon_rate": -1.0}, "muon_rate must be positive"),
        ({"map_beta": 0.0}, "map_beta must be positive"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative"),
        ({"motion_weight": -1.0}, "motion_weight must not be negative"),
        ({"warmup_fraction": 1.0}, r"warmup_fraction must be in \(0, 1\)"),
        ({"mirror_share": 1.1}, r"mirror_share must be in \[0, 1\]"),
        ({"stem_channels": 7}, "stem_channels must be even"),
        ({"detail_channels": 0}, "detail_channels must be at least 1, got 0"),
        ({"moving_pixel_weight": 3.0}, r"unknown key \['moving_pixel_weight'\]"),
    ],
)
def test_a_bad_value_of_the_training_of_the_expert_is_named(values, message):
    with pytest.raises(ConfigError, match=rf"section expert.*{message}"):
        Params.from_mapping(expert(**values))


@pytest.mark.parametrize("key", sorted(RAW["expert"]))
def test_a_missing_key_is_named(key):
    raw = expert()
    del raw["expert"][key]
    with pytest.raises(ConfigError, match=rf"section expert: missing key \['{key}'\]"):
        Params.from_mapping(raw)
