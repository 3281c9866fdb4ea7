"""A taken-down video leaves nothing behind, and the record says who asked and why."""

import hashlib
import json

import pytest
import yaml

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.audit.proof.listings import blocked_problems
from p4d.audit.takedown import affected, purge, purged_objects, take_down, tombstones
from p4d.errors import LedgerError, PublishError
from p4d.quality.gates import blocking_gates
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.cache import object_path, read_tree
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.blocked import read_blocked
from p4d.versioning.state.check_records import record_checks
from p4d.versioning.state.workspace import Workspace

REQUEST = {"reason": "the person shown asked for it", "by": "privacy desk"}


@pytest.fixture
def made(tmp_path):
    """Two videos in one shard, four clips each."""
    return QuestionsProject(tmp_path / "project", 8 * QUESTIONS_PER_CLIP).write()


def a_video(made):
    return made.questions.sort("qa_id")["video_id"][0]


def rebuilt(made, video):
    """What `up` leaves behind after the takedown: new versions, without the video's rows."""
    made.shard(made.shards[0], edition=2, without=video)
    made.rest()
    made.commit()


def test_everything_downstream_is_listed(made):
    video = a_video(made)
    found = affected(made.project, video)
    own = made.questions.filter(video_id=video)
    assert set(found.ids["questions"]) == set(own["qa_id"])
    assert set(found.ids["clips"]) == set(own["clip_id"])
    assert len(found.ids["decisions"]) == 1
    stages = {version.key.stage for version in found.versions}
    assert {"videos", "labels", "release", "student_p4d", "evaluation", "champion"} <= stages
    assert "expert" not in stages
    assert found.current == frozenset(found.versions)
    text = found.render_text()
    assert "in use" in text
    assert "versions of student_sft: 1 current, 0 superseded" in text
    with pytest.raises(LedgerError, match="is no landed video"):
        affected(made.project, "vid_0000000000000000")


def test_a_takedown_is_recorded_and_makes_exactly_its_shard_stale(made):
    video = a_video(made)
    inbox = made.project.inbox
    inbox.mkdir()
    (inbox / f"{video}.mp4").write_bytes(b"another file of that name")
    with Workspace(made.project) as look:
        before = look.digest(f"shards/{made.shards[0]}.json")
    done = take_down(made.project, video, **REQUEST)
    assert any("is stale now" in line for line in done)
    with Workspace(made.project) as look:
        assert look.digest(f"shards/{made.shards[0]}.json") != before
    manifest = json.loads((made.project.shards_dir / f"{made.shards[0]}.json").read_text())
    outcomes = {row["file_id"]: (row["outcome"], row["reason"]) for row in manifest["files"]}
    assert outcomes[video] == ("rejected", f"taken down: {REQUEST['reason']}")
    assert [o for v, o in outcomes.items() if v != video] == [("ok", None)]
    (stone,) = yaml.safe_load((made.project.shards_dir / "takedowns.yaml").read_text())["takedowns"]
    assert (stone["video_id"], stone["by"], stone["reason"]) == (video, *reversed(REQUEST.values()))
    (record,) = Ledger(made.project).records("decision")
    assert record["subject"] == "takedown"
    assert record["video_id"] == video
    assert (inbox / f"{video}.mp4").exists(), "only that very content is removed"
    assert take_down(made.project, video, **REQUEST) == []
    assert len(tombstones(made.project)) == 1
    assert affected(made.project, video).taken_down


def test_purging_waits_for_the_rebuild_and_spares_what_is_still_needed(made):
    video = a_video(made)
    with pytest.raises(PublishError, match="is not taken down"):
        purge(made.project, video)
    take_down(made.project, video, **REQUEST)
    with pytest.raises(PublishError, match="still derive from"):
        purge(made.project, video)
    old = {key: md5 for key, md5 in made.md5.items() if not key.startswith("expert")}
    rebuilt(made, video)
    (made.project.root / ".dvc").mkdir(exist_ok=True)
    (made.project.root / ".dvc" / "config").write_text(
        "['remote \"disk\"']\n    url = /srv/store\n['remote \"cloud\"']\n    url = s3://b/p\n"
    )
    done = purge(made.project, video)
    root = made.project.root
    kept = set(made.md5.values())
    for key, md5 in old.items():
        assert object_path(root, md5).exists() == (md5 in kept), key
    for md5 in kept:
        for digest in read_tree(root, md5).files.values():
            assert object_path(root, digest.md5).exists()
    assert f"{old['release'][:2]}/{old['release'][2:]}" in done.listing.read_text()
    # Made again without the video, byte for byte: it holds nothing of it.
    assert old["student_p4d"] == made.md5["student_p4d"]
    assert old["questions@" + made.shards[0]] in purged_objects(made.project)
    disk, cloud = done.commands
    listing = f"shards/purged/{video}.txt"
    assert disk == f"sed 's|^|/srv/store/files/md5/|' {listing} | xargs rm -f"
    assert cloud == f"sed 's|^|s3://b/p/files/md5/|' {listing} | xargs -n 1 aws s3 rm"
    assert purge(made.project, video).objects == done.objects, "purging again changes nothing"


def test_a_takedown_in_a_blocked_shard_leaves_it_blocked_until_its_new_version_is_checked(made):
    shard, video = made.shards[0], a_video(made)

    def check(passed):
        version = ArtifactVersion(ArtifactKey("questions", shard), made.md5[f"questions@{shard}"])
        results = [
            CheckResult(name=name, passed=passed, severity="critical", description=name)
            for name in blocking_gates()["questions"]
        ]
        record_checks(made.project, version, results, run_id="r")

    check(passed=False)
    assert list(read_blocked(made.project)) == [shard]
    downstream = affected(made.project, video).versions
    assert {version.key.stage for version in downstream} >= {"questions", "release", "champion"}
    take_down(made.project, video, **REQUEST)
    assert list(read_blocked(made.project)) == [shard]
    assert list(blocked_problems(made.project)) == []
    old = made.md5[f"questions@{shard}"]
    rebuilt(made, video)
    assert purge(made.project, video).objects > 0
    assert not object_path(made.project.root, old).exists()
    assert list(read_blocked(made.project)) == [shard], "nothing has checked the new version yet"
    assert list(blocked_problems(made.project)) == []
    check(passed=True)
    assert read_blocked(made.project) == {}
    assert list(blocked_problems(made.project)) == []


def test_every_copy_of_the_file_goes_whatever_it_is_called(made):
    video = a_video(made)
    manifest_path = made.project.shards_dir / f"{made.shards[0]}.json"
    manifest = json.loads(manifest_path.read_text())
    content = b"the very file"
    for row in manifest["files"]:
        if row["file_id"] == video:
            row["sha256"] = hashlib.sha256(content).hexdigest()
    manifest_path.write_text(json.dumps(manifest))
    inbox = made.project.inbox
    (inbox / "of a friend").mkdir(parents=True)
    copies = [inbox / f"{video}.mp4", inbox / "copy.mkv", inbox / "of a friend" / "third.mp4"]
    for path in copies:
        path.write_bytes(content)
    (inbox / "copy.source.json").write_text("{}")
    (inbox / "other.mp4").write_bytes(b"another file!")
    done = take_down(made.project, video, **REQUEST)
    removed = {line.removeprefix("removed inbox/") for line in done if "removed" in line}
    expected = {path.relative_to(inbox).as_posix() for path in copies} | {"copy.source.json"}
    assert removed == expected
    assert [path.name for path in inbox.rglob("*") if path.is_file()] == ["other.mp4"]
