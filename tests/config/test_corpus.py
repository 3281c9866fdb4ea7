"""Section clips: the two tolerances are parameters with bounds."""

import copy

import pytest

from p4d.config import Params
from p4d.errors import ConfigError
from p4d.project import Project

RAW = Project.find().raw_params


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_end_tolerance_s", -0.1, r"max_end_tolerance_s must be in \[0, 1\]"),
        ("max_end_tolerance_s", 2.0, r"max_end_tolerance_s must be in \[0, 1\]"),
        ("max_first_age_s", -0.1, "max_first_age_s must not be negative"),
    ],
)
def test_a_tolerance_out_of_range_is_named(key, value, message):
    raw = copy.deepcopy(RAW)
    raw["clips"][key] = value
    with pytest.raises(ConfigError, match=f"section clips: {message}"):
        Params.from_mapping(raw)
