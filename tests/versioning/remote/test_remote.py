"""Stages computed by processes of another root, which share the object store alone."""

from p4d.versioning.ledger.ledger import Ledger
from tests.versioning.fake import build


def everything(fake):
    """All artifacts: their hashes, as dvc.lock and the folders have them."""
    return {key: made.md5 for key, made in fake.make_all().items()}


def test_a_project_made_far_away_is_that_made_here(far, tmp_path):
    compute = far.compute()
    made = far.fake.make_all(compute=compute)
    assert not any(each.skipped for each in made.values())
    here = build(tmp_path / "here")
    here.package = far.fake.package  # the same code, so the same stages
    assert {k: m.md5 for k, m in made.items()} == {k: m.md5 for k, m in here.make_all().items()}
    assert far.fake.dvc_status() == {}
    assert len(far.results()) == len(made)
    assert not list((far.scratch / "tasks").iterdir())
    first = Ledger(far.fake.project).index().latest(made["teach"].key)
    assert first["computed_on"]["engine"] == "process"
    assert set(first["computed_on"]) == {"host", "device", "cpu", "engine"}
