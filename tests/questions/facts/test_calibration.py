"""The file of sigmas is whole, widens its kinds, and is refused where it cannot be right."""

from __future__ import annotations

import json

import pytest

from p4d.errors import ContractError
from p4d.pipeline import stage_named
from p4d.questions.facts.calibration import CALIBRATION, Calibration, calibration
from p4d.questions.facts.table import SIGMA_MAX, Source, quantity

SOURCE = Source(clip_id="clip_a", scale_kind="relative", teacher="flow_dis", teacher_digest="x")


def _stored(tmp_path, **changes):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(json.loads(CALIBRATION.read_text()) | changes))
    return path


def _fact(kind, sigma=0.2):
    return quantity(
        SOURCE, kind, 1.0, sigma, unit="count", frame="picture", method="planted", span_ns=(0, 1)
    )


def test_the_file_is_code_of_the_stage_and_facts_name_it():
    assert any(CALIBRATION.as_posix().endswith(path) for path in stage_named("facts").extra_code)
    assert len(calibration().digest) == 8
    assert calibration().version >= 1


def test_a_kind_is_as_much_less_sure_as_its_factor_says(tmp_path):
    found = Calibration.read(_stored(tmp_path, kinds={"view": {"factor": 1.5}}))
    assert found.widened(_fact("view")).sigma == pytest.approx(0.3)
    assert found.widened(_fact("other")) == _fact("other")
    assert found.widened(_fact("view", SIGMA_MAX)).sigma == SIGMA_MAX
    assert found.digest != calibration().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"sigmas": {"place": 0.02}},
        {"sigmas": {**json.loads(CALIBRATION.read_text())["sigmas"], "unknown": 1.0}},
        {"sigmas": {**json.loads(CALIBRATION.read_text())["sigmas"], "place": 0.0}},
        {"sigmas": {**json.loads(CALIBRATION.read_text())["sigmas"], "place": -1.0}},
        {"kinds": {"view": {"factor": 0.5}}},
        {"kinds": {"view": {"factor": 100}}},
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path, changes):
    with pytest.raises(ContractError, match="calibration"):
        Calibration.read(_stored(tmp_path, **changes))
