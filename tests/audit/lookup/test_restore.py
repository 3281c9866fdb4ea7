"""What was superseded comes back, by p4d, by git and DVC."""

import hashlib

import pytest

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d import audit
from p4d.audit.lookup.restore import restore
from p4d.errors import ContractError, LedgerError, PublishError
from p4d.versioning.dvc.cache import object_path
from tests.audit.flip import flip
from tests.versioning.fake import SHARDS, supersede_twice

FIRST = SHARDS[0]


def test_any_id_brings_back_the_version_that_holds_it(tmp_path):
    made = QuestionsProject(tmp_path / "project", 2 * QUESTIONS_PER_CLIP).write()
    old = made.questions.row(0, named=True)
    old_md5 = made.md5[f"questions@{made.shards[0]}"]
    made.shard(made.shards[0], edition=2)
    made.commit()
    row = made.questions.row(0, named=True)
    shard = made.shards[0]
    for number, (identifier, instance) in enumerate(
        {
            row["qa_id"]: f"questions@{shard}",
            row["fact_ids"][0]: f"facts@{shard}",
            row["region_ids"][0]: f"regions@{shard}",
            row["clip_id"]: f"clips@{shard}",
            row["video_id"]: f"videos@{shard}",
            f"label:{row['clip_id']}/exact": f"labels@{shard}",
            "evaluation:p4d/Counting": "evaluation",
            "decision_1": "champion",
            "rel_made_up": "release",
            "student_p4d": "student_p4d",
        }.items()
    ):
        done = restore(made.project, identifier, tmp_path / str(number))
        assert (done.key, done.md5) == (instance, made.md5[instance])
        if done.holds:
            assert (tmp_path / str(number)).joinpath(done.holds.rsplit("/")[-1]).is_file() or (
                identifier.startswith("label:")  # its arrays are left out of the synthetic project
            )
    assert restore(made.project, old["qa_id"], tmp_path / "old").md5 == old_md5
    with pytest.raises(ContractError, match="name questions@SHARD"):
        restore(made.project, "questions", tmp_path / "x")
    with pytest.raises(LedgerError, match="similar"):
        restore(made.project, row["qa_id"][:-1], tmp_path / "x")


def test_git_checkout_and_dvc_checkout_bring_an_old_state_back(fake):
    versions = supersede_twice(fake)
    fake.git("commit", "-qam", "third version")
    assert (fake.out(f"take@{FIRST}") / "name.txt").read_text().startswith("SECOND THIRD")
    fake.git("checkout", "-q", "HEAD~1")
    fake.dvc("checkout", "--force", f"take@{FIRST}")
    assert (fake.out(f"take@{FIRST}") / "name.txt").read_text().startswith("TEXT OF")
    node = audit.why(fake.project, f"take@{FIRST}")
    assert node.version["md5"] == versions[0]
    assert "superseded_by" not in node.version


def test_a_superseded_version_comes_back_whole(fake, tmp_path):
    old = fake.make(f"take@{FIRST}")
    fake.edit(f"shards/{FIRST}.json", "text of", "other text of")
    new = fake.make(f"take@{FIRST}")
    restored = restore(fake.project, f"take@{FIRST}", tmp_path / "old", at=old.md5[:8])
    assert (restored.md5, restored.files) == (old.md5, 2)
    assert (tmp_path / "old/name.txt").read_text() == f"TEXT OF {FIRST.upper()}!\n"
    assert (tmp_path / "old/sub/size.txt").is_file()
    latest = restore(fake.project, f"take@{FIRST}", tmp_path / "new")
    assert latest.md5 == new.md5
    by_hash = restore(fake.project, old.data_version, tmp_path / "same")
    assert by_hash.key == f"take@{FIRST}"
    with pytest.raises(PublishError, match="exists already"):
        restore(fake.project, old.md5, tmp_path / "same")
    with pytest.raises(LedgerError, match="no version dead of take"):
        restore(fake.project, f"take@{FIRST}", tmp_path / "x", "dead")


def test_a_damaged_object_is_not_restored(fake, tmp_path):
    made = fake.make("teach")
    weights = fake.out("teach") / "weights.safetensors"
    flip(object_path(fake.root, hashlib.md5(weights.read_bytes()).hexdigest()))
    with pytest.raises(PublishError, match="damaged"):
        restore(fake.project, made.md5, tmp_path / "x")
    assert list(tmp_path.glob("*x*")) == []
