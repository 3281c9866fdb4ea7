"""An exported folder is in the ledger: rows lead back to pixels, and altered files are found."""

import shutil

import pytest

from p4d.audit.exported import export_problems
from p4d.audit.lookup.why import why
from p4d.audit.proof.verify import verify
from p4d.audit.takedown import affected
from p4d.errors import LedgerError
from p4d.exports.training.export import TrainingOptions, export_training
from p4d.versioning.ledger.ledger import Ledger

SMALL = TrainingOptions(size_px=64)


@pytest.fixture
def recorded(own_small):
    own_small.write()
    path = own_small.project.root.parent / "out"
    return own_small, export_training(own_small.project, path, SMALL)


def test_an_exported_row_leads_back_to_the_source_file(recorded):
    small, done = recorded
    asked = small.questions_of["landscape"][0]
    tree = why(small.project, f"{done.export_id}/{asked['qa_id']}")
    found = {node.id: node for node in tree.walk()}
    assert found[asked["qa_id"]].detail["answer_text"] == asked["answer_text"]
    assert asked["fact_ids"][0] in found and small.clip_of["landscape"] in found
    video = small.video_of["landscape"]
    source = found[f"data/videos/{small.shards[0]}/files/{video}.mp4"]
    assert source.detail["present"] and source.detail["sha256"].startswith(video[4:])


def test_a_row_is_explained_by_the_version_that_the_export_read(recorded):
    small, done = recorded
    asked = small.questions_of["landscape"][0]
    small.question_text = "At {k} sec, what is the speed of <obj_1>?"
    for shard in small.shards:
        small.shard(shard)
    small.rest()
    small.commit()
    assert asked["qa_id"] not in {row["qa_id"] for row in small.questions_of["landscape"]}
    tree = why(small.project, f"{done.export_id}/{asked['qa_id']}")
    assert tree.detail["question"] == asked["question"]
    assert "SUPERSEDED" in tree.render_text()


def test_an_export_is_explained_by_its_release(recorded):
    small, done = recorded
    tree = why(small.project, done.export_id)
    assert tree.detail["path"] == "../out" and tree.detail["subject"] == "training"
    assert {"release", f"clips@{small.shards[0]}"} <= {node.id for node in tree.walk()}
    with pytest.raises(LedgerError, match=f"similar: {done.export_id}"):
        why(small.project, done.export_id[:-1])
    with pytest.raises(LedgerError, match="has no question qa_0000000000000000"):
        why(small.project, f"{done.export_id}/qa_0000000000000000")


def test_verification_finds_what_was_altered_and_says_what_is_gone(recorded):
    small, done = recorded
    assert export_problems(small.project) == ([], [])
    (done.path / "train.jsonl").write_text("")
    (done.path / "dataset_info.json").unlink()
    (done.path / "more.txt").write_text("x")
    cache = done.path / "lmms_eval" / "p4d_heldout" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "utils.cpython-311.pyc").write_text("left by Python")
    found = {(p.kind, p.path) for p in verify(small.project).problems}
    assert {
        ("altered", "../out/train.jsonl"),
        ("missing", "../out/dataset_info.json"),
        ("orphaned", "../out/more.txt"),
    } == {each for each in found if each[1].startswith("../out")}
    shutil.rmtree(done.path)
    report = verify(small.project)
    assert report.exports == (f"{done.export_id} at ../out is gone",)
    assert f"note: {done.export_id} at ../out is gone" in report.render_text()
    assert not any(p.path.startswith("../out") for p in report.problems)


def test_a_forged_list_of_files_is_found(recorded):
    small, done = recorded
    (done.path / "SHA256SUMS").write_text("")
    problems, _ = export_problems(small.project)
    assert [(p.kind, p.path) for p in problems] == [("altered", "../out/SHA256SUMS")]


def test_a_takedown_names_the_exports_that_hold_the_video(recorded):
    small, done = recorded
    found = affected(small.project, small.video_of["landscape"])
    assert found.ids["exports"] == (f"{done.export_id} at ../out",)


def test_the_chain_of_the_ledger_holds_with_exports_in_it(recorded):
    small, _ = recorded
    assert Ledger(small.project).verify_chain().ok
