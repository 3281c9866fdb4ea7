"""The dataset and the terms of a video: what a source file may state, and the one decision."""

import json

import pytest

from p4d.errors import ContractError
from p4d.origins import TABLE, Origin, read_origins, withheld, write_origins
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path, write_source

BOUND = Origin(
    dataset="scannet", sequence="scene0000_00", terms_id="ScanNet-ToS", terms="no copies",
    terms_url="http://www.scan-net.org", redistributable=False, exchange_group="g",
    times="declared", first_stamp_ns=12, notes=("a", "b"),
)  # fmt: skip


def test_an_origin_survives_its_source_file_and_its_table(tmp_path):
    video = tmp_path / "a.mp4"
    write_source(video, licence="x", source="y", origin=BOUND)
    stated = read_source(sidecar_path(video, SOURCE_SUFFIX))
    assert (stated.origin, stated.problem) == (BOUND, None)
    origins = {"vid_b": BOUND, "vid_a": Origin(dataset="davis")}
    write_origins(tmp_path, origins)
    assert read_origins(tmp_path) == origins


def test_nothing_stated_is_no_file_and_no_row(tmp_path):
    write_origins(tmp_path, {})
    assert not (tmp_path / TABLE).exists()
    assert read_origins(tmp_path) == {}
    video = tmp_path / "a.mp4"
    write_source(video, licence="x", source="y")
    path = sidecar_path(video, SOURCE_SUFFIX)
    assert json.loads(path.read_text()) == {"schema": 1, "licence": "x", "source": "y"}
    assert read_source(path).origin is None


def test_only_terms_that_forbid_it_withhold():
    reasons = withheld({"a": BOUND, "b": Origin(), "c": Origin(dataset="davis")})
    assert reasons == {
        "a": "scannet terms forbid redistribution (ScanNet-ToS http://www.scan-net.org)"
    }


@pytest.mark.parametrize(
    "origin",
    [
        {"redistributable": "no"},
        {"redistributable": 0},
        {"dataset": 3},
        {"notes": "text"},
        {"notes": [1]},
        {"first_stamp_ns": 1.5},
        {"licence_of_pixels": "none"},
        ["redistributable"],
    ],
)
def test_terms_that_cannot_be_read_are_no_permission(tmp_path, origin):
    path = tmp_path / "a.source.json"
    path.write_text(json.dumps({"schema": 2, "origin": origin}))
    stated = read_source(path)
    assert "will not leave this project" in stated.problem
    assert set(withheld({"a": stated.origin})) == {"a"}
    if isinstance(origin, dict):
        with pytest.raises(ContractError):
            Origin.of(origin)
