import json

import polars as pl
import pytest

from p4d.artifacts import write_table
from p4d.config import QuestionsParams, ReleaseParams
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.pipeline import StageInputs, stage_named
from p4d.questions.asking.question_table import SCHEMA
from p4d.release.selection import drop_incomplete_groups
from p4d.review.verdicts import Verdict, add_verdicts
from p4d.splits import split_for
from tests.questions.scenes import compose_clips, random_clips

RELEASE = ReleaseParams(
    test_fraction=0.25, val_fraction=0.1, duplicate_hamming_bits=3, copy_bits=13.0
)
QUESTIONS = QuestionsParams(
    margin_sigma=3.0, options=4, max_per_clip=9, families=(), seconds="none"
)


class _Sections:
    """Only the parameters that the stage declares."""

    def __init__(self, release):
        self.release = release


def _write_shard(base, name, clips, phash=None):
    rows = [
        {
            "clip_id": clip.clip_id,
            "video_id": clip.video_id,
            "phash": (phash or {}).get(clip.clip_id, f"{seed_for(clip.clip_id, 'test'):016x}"),
            "outcome": "ok",
        }
        for clip in clips
    ]
    bad = {"clip_id": f"clip_bad_{name}", "video_id": "vid_bad", "phash": None, "outcome": "failed"}
    write_table(
        base / "clips" / name / "clips.parquet", pl.DataFrame([*rows, bad]), sort_by=["clip_id"]
    )
    questions = compose_clips(clips, QUESTIONS, RELEASE).questions
    write_table(
        base / "questions" / name / "questions.parquet",
        pl.DataFrame(questions, schema=SCHEMA),
        sort_by=["qa_id"],
    )


def _release(
    base, out, *, shards=("0000-a", "0001-b"), params=RELEASE, excluded=None, reviews=None
):
    out.mkdir()
    stage = stage_named("release")
    inputs = StageInputs(
        stage=stage,
        all_params=_Sections(params),
        folders={
            name: {shard: base / name / shard for shard in shards}
            for name in ("clips", "questions")
        },
        versions={f"{name}@{shard}": f"md5:{name}{shard}" for name in ("clips", "questions")
                  for shard in shards},
        excluded=excluded or {},
        tracked_folders={"reviews": reviews} if reviews else {},
    )  # fmt: skip
    report = stage.load()(inputs, out)
    return (
        report,
        pl.read_parquet(out / "questions.parquet"),
        pl.read_parquet(out / "clips.parquet"),
        json.loads((out / "manifest.json").read_text()),
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    base = tmp_path_factory.mktemp("corpus")
    _write_shard(base, "0000-a", random_clips(32, seed=11))
    _write_shard(base, "0001-b", random_clips(32, seed=12))
    return base


@pytest.fixture(scope="module")
def released(corpus, tmp_path_factory):
    return _release(corpus, tmp_path_factory.mktemp("out") / "release")


def test_a_video_lies_in_one_split(released):
    _, questions, clips, _ = released
    assert clips.group_by("video_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(questions["split"]) == {"train", "val", "test"}
    joined = questions.join(clips, on="clip_id", suffix="_clip")
    assert joined.height == questions.height
    assert (joined["split"] == joined["split_clip"]).all()
    assert "clip_bad_0000-a" not in clips["clip_id"]


def test_the_manifest_says_what_went_in_and_what_did_not(corpus, tmp_path):
    left_out = {"0002-c": "gate labels_finite failed"}
    report, questions, _, manifest = _release(corpus, tmp_path / "release", excluded=left_out)
    assert [entry["shard"] for entry in manifest["shards"]] == ["0000-a", "0001-b"]
    assert manifest["shards"][0]["versions"] == {
        "clips": "md5:clips0000-a", "questions": "md5:questions0000-a",
    }  # fmt: skip
    assert manifest["excluded"] == left_out
    assert manifest["counts"]["questions"] == questions.height == report.rows["ok"]
    assert sum(split["questions"] for split in manifest["splits"].values()) == questions.height
    card = (tmp_path / "release" / "card.md").read_text()
    assert manifest["release_id"] in card
    assert "gate labels_finite failed" in card


def test_another_shard_moves_no_video(corpus, released, tmp_path):
    _, _, clips, manifest = released
    _, _, alone, smaller = _release(corpus, tmp_path / "alone", shards=("0000-a",))
    both = alone.join(clips, on="clip_id", suffix="_later")
    assert both.height == alone.height
    assert (both["split"] == both["split_later"]).all()
    assert smaller["release_id"] != manifest["release_id"]


def test_counting_answers_in_train_gives_chance_everywhere(released, tmp_path, corpus):
    _release(corpus, tmp_path / "release")
    measured = json.loads((tmp_path / "release" / "balance.json").read_text())
    for categories in measured.values():
        for category, found in categories.items():
            assert found["majority_prior"] == pytest.approx(0.25), category
            assert len(set(found["letters"].values())) == 1
            assert len(set(found["numeric_ranks"].values())) <= 1


def test_videos_that_look_alike_share_a_split(tmp_path):
    clips = random_clips(32, seed=13)
    train = next(c for c in clips if split_for(c.video_id, RELEASE) == "train")
    test = next(c for c in clips if split_for(c.video_id, RELEASE) == "test")
    alike = {train.clip_id: "00000000000000ff", test.clip_id: "00000000000000f8"}
    _write_shard(tmp_path, "0000-a", clips, alike)
    _, questions, table, manifest = _release(tmp_path, tmp_path / "release", shards=("0000-a",))
    split = dict(table.select("video_id", "split").iter_rows())
    assert split[train.video_id] == split[test.video_id]
    # The video that changed sides left its exchange groups: what remained of them is gone.
    assert manifest["counts"]["incomplete_group_questions_left_out"] > 0
    assert drop_incomplete_groups(questions)[1] == 0


def test_a_left_out_video_is_counted_and_named_in_the_release(tmp_path):
    clips = random_clips(48, seed=13)
    by_split = {}
    for clip in clips:
        by_split.setdefault(split_for(clip.video_id, RELEASE), []).append(clip)
    train, test = by_split["train"][0], by_split["test"][0]
    bridge = next(clip for clip in by_split["train"] if clip.video_id != train.video_id)
    _write_shard(
        tmp_path,
        "0000-a",
        [clip for clip in clips if clip.video_id != bridge.video_id],
        {train.clip_id: "0" * 16, test.clip_id: f"{0b11111:016x}"},
    )
    _write_shard(tmp_path, "0001-b", [bridge], {bridge.clip_id: f"{0b111:016x}"})
    _, questions, table, manifest = _release(tmp_path, tmp_path / "release")
    assert list(manifest["left_out_videos"]) == [bridge.video_id]
    assert manifest["counts"]["videos_left_out"] == 1
    assert bridge.video_id not in table["video_id"]
    assert bridge.video_id not in questions["video_id"]
    assert bridge.video_id in (tmp_path / "release" / "card.md").read_text()


def test_a_repeated_question_is_kept_once(corpus, tmp_path):
    table = pl.read_parquet(corpus / "questions" / "0000-a" / "questions.parquet")
    twin = table.head(1).with_columns(qa_id=pl.lit("qa_zzzz"))
    for name in ("clips", "questions"):
        (tmp_path / name).mkdir()
    write_table(
        tmp_path / "questions" / "0000-a" / "questions.parquet",
        pl.concat([table, twin]), sort_by=["qa_id"],
    )  # fmt: skip
    clips = pl.read_parquet(corpus / "clips" / "0000-a" / "clips.parquet")
    write_table(tmp_path / "clips" / "0000-a" / "clips.parquet", clips, sort_by=["clip_id"])
    report, questions, _, manifest = _release(tmp_path, tmp_path / "out", shards=("0000-a",))
    assert manifest["counts"]["repeated_questions_left_out"] == 1
    assert questions.height == table.height == report.rows["ok"]


def test_an_empty_test_split_is_refused_with_a_way_out(corpus, tmp_path):
    tiny = ReleaseParams(
        test_fraction=1e-9, val_fraction=0.0, duplicate_hamming_bits=3, copy_bits=13.0
    )
    with pytest.raises(ContractError, match=r"test is empty.*land more videos, or change"):
        _release(corpus, tmp_path / "release", params=tiny)


def test_no_questions_at_all_is_refused(tmp_path):
    _write_shard(tmp_path, "0000-a", random_clips(2, seed=1)[:1])
    empty = pl.DataFrame([], schema=SCHEMA)
    write_table(tmp_path / "questions" / "0000-a" / "questions.parquet", empty, sort_by=["qa_id"])
    with pytest.raises(ContractError, match="no shard has a question"):
        _release(tmp_path, tmp_path / "release", shards=("0000-a",))


def _give_verdict(folder, qa_id, decision, **rest):
    reason = "" if decision == "accept" else "seen by a person"
    verdict = Verdict(
        batch="review_00000000000000aa", qa_id=qa_id, decision=decision, reason=reason,
        annotator="ann",
        at="2026-01-01T00:00:00+00:00", **rest,
    )  # fmt: skip
    add_verdicts(folder, [verdict])


def test_verdicts_of_people_shape_the_next_release(corpus, released, tmp_path):
    _, before, _, first = released
    one, two, three = before.sort("qa_id").head(3).to_dicts()
    reviews = tmp_path / "reviews"
    _give_verdict(reviews, one["qa_id"], "drop")
    _give_verdict(reviews, two["qa_id"], "fix", question="Which one, then?")
    _give_verdict(reviews, three["qa_id"], "accept")
    _give_verdict(reviews, "qa_of_yesterday", "drop")
    report, after, _, manifest = _release(corpus, tmp_path / "release", reviews=reviews)
    assert one["qa_id"] not in after["qa_id"]
    (rejected,) = pl.read_parquet(tmp_path / "release" / "rejected.parquet").to_dicts()
    assert (rejected["qa_id"], rejected["reason"]) == (one["qa_id"], "seen by a person")
    assert report.rows["rejected"] == manifest["counts"]["rejected_questions"] == 1
    assert manifest["counts"]["verdicts_not_applicable"] == 1
    assert manifest["release_id"] != first["release_id"]
    fixed = after.filter(pl.col("fixed_from") == two["qa_id"]).to_dicts()
    assert [row["question"] for row in fixed] in ([], ["Which one, then?"])
    # The dropped question took one of each other option of its set along: all stay equally right.
    assert drop_incomplete_groups(after)[1] == 0
    assert before.height - after.height == 4
    card = (tmp_path / "release" / "card.md").read_text()
    assert "## Review by people" in card
    assert "No person has verified" not in card
    review = json.loads((tmp_path / "release" / "review.json").read_text())
    assert review["decisions"] == {"accept": 1, "fix": 1, "drop": 1}
    (family,) = (row for row in review["by_family"] if row["family"] == one["family"])
    assert family["dropped"] == 1
    rate = f"{family['drop_rate']:.2f} [{family['low']:.2f}, {family['high']:.2f}]"
    assert rate in next(line for line in card.splitlines() if f"| {one['family']} |" in line)


def test_a_corrected_answer_takes_the_place_of_the_composed_one(corpus, released, tmp_path):
    _, before, _, _ = released
    row = before.sort("qa_id").row(0, named=True)
    letter = "ABCD"[(row["answer_index"] + 1) % 4]
    _give_verdict(tmp_path / "reviews", row["qa_id"], "fix", answer=letter)
    _, after, _, manifest = _release(corpus, tmp_path / "release", reviews=tmp_path / "reviews")
    assert row["qa_id"] not in after["qa_id"]
    (fixed,) = after.filter(pl.col("review") == "fix").iter_rows(named=True)
    assert (fixed["answer"], fixed["fixed_from"]) == (letter, row["qa_id"])
    assert fixed["options"][fixed["answer_index"]] == fixed["answer_text"]
    # Its partners stay: nothing else changes.
    others = before.filter(pl.col("qa_id") != row["qa_id"])
    assert after.filter(pl.col("qa_id") != fixed["qa_id"])["qa_id"].equals(others["qa_id"])
    assert manifest["counts"]["incomplete_group_questions_left_out"] == 0


def test_every_corrected_answer_is_released(corpus, released, tmp_path):
    _, before, _, _ = released
    for row in before.sort("qa_id").head(12).iter_rows(named=True):
        letter = "ABCD"[(row["answer_index"] + 1) % 4]
        _give_verdict(tmp_path / "reviews", row["qa_id"], "fix", answer=letter)
    _, after, _, manifest = _release(corpus, tmp_path / "release", reviews=tmp_path / "reviews")
    assert after.height == before.height
    assert manifest["counts"]["fixed_questions"] == 12


def test_verdicts_that_change_nothing_leave_the_questions_as_they_are(corpus, released, tmp_path):
    _, before, _, first = released
    (tmp_path / "reviews").mkdir()
    _give_verdict(tmp_path / "reviews", "qa_of_yesterday", "drop")
    _, after, _, manifest = _release(corpus, tmp_path / "release", reviews=tmp_path / "reviews")
    assert after.equals(before)
    assert manifest["release_id"] == first["release_id"]
