"""Few questions: most train videos lose theirs, and nothing else changes."""

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.distillation.plan import FEW, RunSpec
from benchmarks.distillation.variants import few_questions, make_variants
from p4d.artifacts import read_table
from tests.students import tiny


def table():
    videos = [(f"v{k:02d}", "train") for k in range(40)] + [("v_val", "val"), ("v_test", "test")]
    rows = [(f"qa_{v}_{q}", v, split) for v, split in videos for q in range(3)]
    return pl.DataFrame(rows, schema=["qa_id", "video_id", "split"], orient="row")


def test_a_tenth_of_the_train_videos_keep_all_their_questions():
    found = few_questions(table())
    kept = found.filter(split="train").group_by("video_id").len()
    assert len(kept) == 4
    assert set(kept["len"]) == {3}
    for split in ("val", "test"):
        assert_frame_equal(found.filter(split=split), table().filter(split=split))
    shuffled = table().sample(fraction=1.0, shuffle=True, seed=3)
    assert_frame_equal(few_questions(shuffled).sort("qa_id"), found.sort("qa_id"))


def test_only_the_variants_that_runs_read_are_made(tmp_path):
    project = tiny.make(tmp_path)
    make_variants(project.root, [tiny.SHARD], [RunSpec("sft")])
    assert not (project.root / FEW).exists()
    make_variants(project.root, [tiny.SHARD], [RunSpec("sft_few", release=FEW)])
    made = {path.name for path in project.root.iterdir()}
    assert FEW in made
    assert not {"clips_burned", "release_timed"} & made
    clips = read_table(project.root / FEW / "clips.parquet")
    assert_frame_equal(clips, read_table(project.root / "release" / "clips.parquet"))
    few = read_table(project.root / FEW / "questions.parquet")
    assert_frame_equal(
        few, few_questions(read_table(project.root / "release" / "questions.parquet"))
    )
