"""Gates that nobody names are all gates, never none."""

import inspect

import pytest

from p4d import audit
from p4d.errors import GateError
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.run import run_stage as run_module
from p4d.versioning.run import stage_run
from tests.versioning.fake import SHARDS

LABEL, TAKE = f"label@{SHARDS[0]}", f"take@{SHARDS[0]}"


@pytest.fixture
def gated(fake, monkeypatch):
    """A project whose stage `take` has a blocking check that never ran."""
    for key in (TAKE, "teach"):
        fake.make(key)
    for module in (run_module, stage_run):
        monkeypatch.setattr(module, "blocking_gates", lambda: {"take": ("good",)})
    return fake


def test_a_stage_is_held_to_all_gates_unless_it_is_given_others(gated):
    with pytest.raises(GateError, match=r"was never .* by good"):
        gated.make(LABEL)
    assert not gated.make(LABEL, gates={}).skipped


def test_a_replay_is_held_to_all_gates_as_well(gated):
    gated.make(LABEL, gates={})
    with pytest.raises(GateError, match=r"was never .* by good"):
        audit.replay(gated.project, ArtifactKey.parse(LABEL))
    assert audit.replay(gated.project, ArtifactKey.parse(LABEL), gates={}).ok


def test_no_default_is_an_empty_set():
    for function in (run_module.run_stage, stage_run.prepare, audit.replay):
        assert inspect.signature(function).parameters["gates"].default is None
