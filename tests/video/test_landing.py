"""Landing: the outcome of every path in the inbox, and of a landing that is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p4d import ids
from p4d.artifacts import read_json, write_json
from p4d.errors import ConfigError, ContractError
from p4d.video import landing
from p4d.video.landing import land
from p4d.video.sources import add_damaged_videos
from tests.video.media import ROOT, digests, make_project, marked_frame, write_video


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Four different one-second videos, and one of four seconds."""
    folder = tmp_path_factory.mktemp("samples")

    def shifted(by):
        return lambda number, width, height: marked_frame(number + by, width, height)

    short = [
        write_video(folder / f"{i}.mp4", frames=12, draw=shifted(16 * i)).read_bytes()
        for i in range(4)
    ]
    return short, write_video(folder / "long.mp4", frames=48).read_bytes()


def put(project, files):
    for name, payload in files.items():
        path = project.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload)


def rows(project):
    """Every landed file by path."""
    return {
        row["relpath"]: row
        for shard in project.shards()
        for row in read_json(project.shards_dir / f"{shard}.json")["files"]
    }


def test_unfriendly_names_land_and_the_second_landing_does_nothing(tmp_path, samples):
    project = make_project(tmp_path)
    names = ["with space.mp4", "\u00fcml\u00e4ut \u4e2d.mp4", "-rf ..mp4", "sub folder/a..b.mp4"]
    put(project, dict(zip(names, samples[0], strict=True)))
    report = land(project)
    assert (report.accepted, report.rejected, len(report.shards)) == (4, 0, 1)
    assert sorted(rows(project)) == sorted(names)
    assert all(row["licence"] == "unstated" for row in rows(project).values())
    before = digests(project.shards_dir)
    again = land(project)
    assert (again.shards, again.accepted, again.known) == ((), 0, 4)
    assert "nothing new" in again.summary()
    assert digests(project.shards_dir) == before


def test_a_renamed_or_copied_file_is_known(tmp_path, samples):
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0]})
    land(project)
    (project.inbox / "a.mp4").rename(project.inbox / "b.mp4")
    put(
        project, {"copy.mp4": samples[0][0], "new.mp4": samples[0][1], "new too.mp4": samples[0][1]}
    )
    report = land(project)
    assert (report.accepted, report.known, len(report.shards)) == (1, 3, 1)
    assert sorted(rows(project)) == ["a.mp4", "new too.mp4"]


def test_of_equal_files_the_one_with_truth_lands(tmp_path, samples):
    project = make_project(tmp_path)
    put(project, dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), samples[0][0]))
    put(project, {"b.truth.safetensors": b"truth"})
    assert land(project).known == 2
    (row,) = rows(project).values()
    assert (row["name"], row["sidecar"]["relpath"]) == ("b.mp4", "b.truth.safetensors")
    assert land(project).notices == ()


def test_every_reject_is_recorded_with_its_reason(tmp_path):
    project = make_project(tmp_path, landing={"max_file_bytes": 60_000, "max_duration_s": 5.0})
    good = write_video(tmp_path / "good.mp4")
    add_damaged_videos(project.inbox, good)
    write_video(project.inbox / "long.mp4", frames=72)
    with (project.inbox / "huge.mp4").open("wb") as stream:
        stream.truncate(10**12)
    report = land(project)
    found = {path.rpartition("/")[2]: row for path, row in rows(project).items()}
    outcomes = {name: row["outcome"] for name, row in found.items()}
    assert outcomes == {
        # These two open well; ingest decodes them fully.
        "-truncated after 60 percent.mp4": "ok",
        "flipped bytes ..mp4": outcomes["flipped bytes ..mp4"],
        "renamed copy -- \u00e9\u4e2d.mp4": "ok",
        "audio only \u266b.m4a": "rejected",
        "empty.mp4": "rejected",
        "huge.mp4": "rejected",
        "index lost (moov).mp4": "rejected",
        "long.mp4": "rejected",
        "text called video.mp4": "rejected",
    }
    assert report.rejected == list(outcomes.values()).count("rejected")
    assert found["empty.mp4"]["reason"] == "the file is empty"
    assert "max_file_bytes" in found["huge.mp4"]["reason"]
    assert found["huge.mp4"]["sha256"] is None
    assert "max_duration_s" in found["long.mp4"]["reason"]
    assert "audio only" in found["audio only \u266b.m4a"]["reason"]
    assert land(project).shards == ()


def test_a_landing_of_rejects_alone_closes_a_shard(tmp_path):
    project = make_project(tmp_path)
    put(project, {"empty.mp4": b"", "text.mp4": b"no video"})
    report = land(project)
    assert (len(report.shards), report.accepted, report.rejected) == (1, 0, 2)
    assert land(project).known == 2


def test_hidden_partial_and_growing_files_wait(tmp_path, samples):
    project = make_project(tmp_path)
    put(project, {".hidden.mp4": b"x", "a.mp4.part": b"x", "b.TMP": b"x", ".dir/c.mp4": b"x"})
    put(project, {"old.mp4": samples[0][0], "young.mp4": samples[0][1]})
    put(project, {"pair.mp4": samples[0][2], "pair.truth.safetensors": b"young"})
    for name in ("old.mp4", "pair.mp4"):
        os.utime(project.inbox / name, (time.time() - 60,) * 2)
    report = land(project, settle_s=30)
    assert list(rows(project)) == ["old.mp4"]
    assert report.waiting == 5
    assert any("young.mp4" in notice for notice in report.notices)
    assert land(project).accepted == 2


def test_a_copy_with_the_time_of_a_clock_that_is_ahead_lands_once_it_is_at_rest(
    tmp_path, samples, monkeypatch
):
    """`cp -p` from a camera or machine whose clock is years ahead: its own time says nothing."""
    project = make_project(tmp_path)
    put(project, {"ahead.mp4": samples[0][0]})
    ahead = time.time() + 3 * 365 * 86_400
    os.utime(project.inbox / "ahead.mp4", (ahead, ahead))
    report = land(project, settle_s=30)
    assert report.accepted == 0
    assert any("still being written" in notice for notice in report.notices)
    later = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: later)
    assert land(project, settle_s=30).accepted == 1


def test_a_clock_of_this_machine_that_is_behind_is_named(tmp_path, samples, monkeypatch):
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0]})
    behind = time.time() - 3600
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: behind)
        report = land(project, settle_s=30)
        assert (report.accepted, report.waiting) == (0, 1)
        (notice,) = [each for each in report.notices if "a.mp4" in each]
        assert "in the future by the clock of this machine" in notice
        assert "set the clock" in notice
        assert land(project).accepted == 1  # by hand: nothing has to rest


def test_links_are_followed_inside_the_inbox_only(tmp_path, samples):
    project = make_project(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.mp4").write_bytes(samples[0][0])
    put(project, {"a.mp4": samples[0][1]})
    (project.inbox / "leak.mp4").symlink_to(outside / "secret.mp4")
    (project.inbox / "leak folder").symlink_to(outside)
    (project.inbox / "twin.mp4").symlink_to("a.mp4")
    (project.inbox / "broken.mp4").symlink_to("nowhere.mp4")
    (project.inbox / "loop.mp4").symlink_to("loop.mp4")
    (project.inbox / "a.source.json").symlink_to(outside / "licence.json")
    (outside / "licence.json").write_text('{"licence": "read from outside"}')
    os.mkfifo(project.inbox / "pipe.mp4")
    report = land(project)
    found = rows(project)
    assert (report.accepted, report.known, report.waiting) == (1, 1, 2)
    assert found["a.mp4"]["licence"] == "unstated"
    for name in ("leak.mp4", "leak folder"):
        assert (found[name]["outcome"], found[name]["sha256"]) == ("rejected", None)
        assert "out of the inbox" in found[name]["reason"]
    assert found["pipe.mp4"]["reason"] == "not a regular file"


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system refuses such names")
def test_a_name_that_is_no_text_is_rejected_and_lands_after_renaming(tmp_path, samples):
    project = make_project(tmp_path)
    strange = os.fsencode(project.inbox) + b"/bad\xff\xfe.mp4"
    Path(os.fsdecode(strange)).write_bytes(samples[0][0])
    land(project)
    (only,) = rows(project).values()
    assert (only["outcome"], only["name"]) == ("rejected", "bad\\xff\\xfe.mp4")
    os.rename(strange, os.fsencode(project.inbox / "good.mp4"))  # noqa: PTH104
    assert land(project).accepted == 1


def test_files_are_packed_in_order_into_shards_of_bounded_size(tmp_path, samples):
    project = make_project(tmp_path, landing={"max_clips_per_shard": 4})
    for i in range(5):
        # A free box at the end changes the content and not the video.
        put(project, {f"{i}.mp4": samples[1] + (9).to_bytes(4, "big") + b"free" + bytes([i])})
    put(project, {"3 empty.mp4": b""})
    report = land(project)
    packed = [
        [
            (f["name"], f["expected_clips"])
            for f in read_json(project.shards_dir / f"{s}.json")["files"]
        ]
        for s in report.shards
    ]
    assert packed == [
        [("0.mp4", 2), ("1.mp4", 2)],
        [("2.mp4", 2), ("3 empty.mp4", 0), ("3.mp4", 2)],
        [("4.mp4", 2)],
    ]
    assert [shard[:5] for shard in report.shards] == ["0001-", "0002-", "0003-"]
    put(project, {"late.mp4": samples[0][0]})
    assert land(project).shards[0].startswith("0004-")


def test_the_same_inbox_gives_the_same_shards(tmp_path, samples):
    made = []
    for name in ("a", "b"):
        project = make_project(tmp_path / name)
        put(project, {f"{i}.mp4": payload for i, payload in enumerate(samples[0])})
        land(project)
        made.append(digests(project.shards_dir))
    assert made[0] == made[1]


def test_a_sidecar_and_a_source_file_belong_to_their_video(tmp_path, samples):
    project = make_project(tmp_path)
    put(
        project,
        {"a.b.mp4": samples[0][0], "a.b.truth.safetensors": b"truth", "c.mp4": samples[0][1]},
    )
    write_json(project.inbox / "a.b.source.json", {"licence": "CC0-1.0", "source": "a camera"})
    (project.inbox / "c.source.json").write_text("no json")
    report = land(project)
    found = rows(project)
    assert sorted(found) == ["a.b.mp4", "c.mp4"]
    assert (found["a.b.mp4"]["licence"], found["a.b.mp4"]["source"]) == ("CC0-1.0", "a camera")
    assert found["a.b.mp4"]["sidecar"]["relpath"] == "a.b.truth.safetensors"
    assert found["c.mp4"]["sidecar"] is None
    assert found["c.mp4"]["licence"] == "unstated"
    (notice,) = report.notices
    assert "'c.mp4' lands without its source file: c.source.json is no JSON" in notice
    put(project, {"c.truth.safetensors": b"late"})
    assert any("before its truth sidecar" in notice for notice in land(project).notices)


@pytest.mark.attack("M1")
@pytest.mark.parametrize("levels", [70, 1900])
def test_a_deep_tree_of_folders_stops_no_landing(tmp_path, samples, levels):
    """1,900 folders of one letter are more than Python recurses, and less than a path may have."""
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0]})
    made = os.open(project.inbox, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=made)
        made, parent = os.open("d", os.O_RDONLY, dir_fd=made), made
        os.close(parent)
    os.close(os.open("deep.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=made))
    os.close(made)
    report = land(project)
    assert sorted(rows(project)) == ["a.mp4"]
    assert report.waiting == 1
    assert any("64 levels below the inbox" in notice for notice in report.notices)
    subprocess.run(["rm", "-rf", str(project.inbox / "d")], check=True)  # pytest recurses, too


KILLED = """
import os, sys
from pathlib import Path
from p4d import artifacts
from p4d.project import Project
from p4d import ids
from p4d.video import landing
real = artifacts.write_bytes
def dying(path, payload):
    if path.name == "index.yaml":
        path.with_name(f".{path.name}.tmp{os.getpid()}").write_bytes(payload)
        os._exit(9)
    real(path, payload)
landing.write_bytes = dying
if __name__ == "__main__":
    landing.land(Project(Path(sys.argv[1])))
"""


def test_killed_before_the_index_nothing_has_landed_and_nothing_is_lost(tmp_path, samples):
    project = make_project(tmp_path / "p")
    put(project, {f"{i}.mp4": payload for i, payload in enumerate(samples[0])})
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, script, project.root], env=env, check=False)
    assert died.returncode == 9
    assert project.shards() == []
    (left,) = project.shards_dir.glob("*.json")
    put(project, {"0 more.mp4": b""})
    report = land(project)
    assert (len(report.shards), report.accepted, report.rejected) == (1, 4, 1)
    assert [p.stem for p in project.shards_dir.glob("*.json")] == list(report.shards)
    assert not left.is_file()
    assert list(project.shards_dir.glob(".*")) == []


def test_a_lost_manifest_is_reported(tmp_path, samples):
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0]})
    (shard,) = land(project).shards
    (project.shards_dir / f"{shard}.json").unlink()
    with pytest.raises(ConfigError, match="restore it"):
        land(project)


def test_unchanged_files_are_not_read_again(tmp_path, samples, monkeypatch):
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0], "young.mp4": samples[0][1]})
    os.utime(project.inbox / "a.mp4", (time.time() - 60,) * 2)
    land(project)
    read = []
    original = ids.sha256_file
    monkeypatch.setattr("p4d.video.inbox.sha256_file", lambda p: read.append(p.name) or original(p))
    assert land(project).known == 2
    assert read == ["young.mp4"]
    (project.inbox / "a.mp4").write_bytes(samples[0][2])
    assert land(project).accepted == 1


def test_a_landed_video_is_rejected_in_its_own_shard_and_never_lands_again(tmp_path, samples):
    project = make_project(tmp_path)
    put(project, {"a.mp4": samples[0][0], "b.mp4": samples[0][1]})
    land(project)
    before, video_id = rows(project), rows(project)["a.mp4"]["file_id"]
    assert landing.reject(project, video_id, "on request")
    after = rows(project)
    assert after["a.mp4"] == before["a.mp4"] | {
        "outcome": "rejected", "reason": "on request", "container": None, "expected_clips": 0,
    }  # fmt: skip
    assert after["b.mp4"] == before["b.mp4"]
    written = digests(project.shards_dir)
    assert not landing.reject(project, video_id, "again")
    assert (land(project).known, digests(project.shards_dir)) == (2, written)
    with pytest.raises(ContractError, match="vid_none is no landed video"):
        landing.reject(project, "vid_none", "on request")


HOSTILE_SOURCES = {
    "deep": b"[" * 60_000,
    "deep_and_large": b"[" * 100_000,
    "large": b'{"licence": "' + b"x" * 70_000 + b'"}',
    "half_a_pair": b'{"licence": "\\ud800", "source": "x"}',
    "binary": bytes(range(256)),
    "number": b'{"licence": 1e999}',
}


def test_a_hostile_source_file_costs_its_video_the_licence_and_nothing_else(tmp_path, samples):
    project = make_project(tmp_path)
    for number, (name, content) in enumerate(HOSTILE_SOURCES.items()):
        write_video(project.inbox / f"{name}.mp4", frames=6 + number)
        (project.inbox / f"{name}.source.json").write_bytes(content)
    write_video(project.inbox / "good.mp4", frames=30)
    write_json(project.inbox / "good.source.json", {"licence": "CC0", "source": "a camera"})
    report = land(project)
    assert report.accepted == 1 + len(HOSTILE_SOURCES)
    notices = "\n".join(report.notices)
    for name in HOSTILE_SOURCES:
        assert f"'{name}.mp4' lands without its source file" in notices
    (shard,) = project.shards()
    licences = {
        row["name"]: row["licence"]
        for row in read_json(project.shards_dir / f"{shard}.json")["files"]
    }
    assert licences.pop("good.mp4") == "CC0"
    assert set(licences.values()) == {"unstated"}


def test_a_name_without_room_for_a_sidecar_lands(tmp_path, samples):
    project = make_project(tmp_path)
    write_video(project.inbox / f"{'n' * 240}.mp4", frames=6)
    assert land(project).accepted == 1


def test_a_sidecar_that_may_not_be_read_lets_its_video_wait(tmp_path, samples, monkeypatch):
    project = make_project(tmp_path)
    for name in ("a", "b"):
        write_video(project.inbox / f"{name}.mp4", frames=6 if name == "a" else 7)
    (project.inbox / "a.truth.safetensors").write_bytes(b"x")
    monkeypatch.setattr(os, "access", lambda path, mode: "truth" not in str(path))
    report = land(project)
    assert (report.accepted, report.waiting) == (1, 1)
    assert "a.truth.safetensors cannot be read" in report.notices[0]
