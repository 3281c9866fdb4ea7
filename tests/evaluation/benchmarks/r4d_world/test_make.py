import json
import shutil
from collections import Counter

import polars as pl
import pytest

from p4d.categories import CATEGORIES
from p4d.config import replace_params
from p4d.errors import ContractError
from p4d.evaluation.benchmarks import r4d_bench
from p4d.evaluation.benchmarks.r4d_world import make as recipe
from p4d.evaluation.benchmarks.r4d_world.make import make
from p4d.evaluation.benchmarks.r4d_world.release import SUMS
from p4d.evaluation.scoring.benchmark_metrics import COLUMNS
from p4d.ids import sha256_file
from p4d.worlds.sampling import spec_for
from p4d.worlds.spec import HELDOUT_COLOURS, HELDOUT_SHAPES
from tests.evaluation import asked
from tests.students import tiny
from tests.video.media import params

WORLDS = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("r4d-world"), params(), worlds=WORLDS)


def test_it_reads_back_as_r4d_bench_with_nothing_lost(made):
    found = r4d_bench.read(made.folder)
    assert found.name == "r4d-world"
    assert not found.rejected
    assert len(found.items) == sum(made.questions.values()) > 20
    assert {item.category for item in found.items} <= set(CATEGORIES)
    assert all(item.marks is not None and item.family and item.clip for item in found.items)
    assert found.stages is not None


def test_records_have_the_published_fields(made):
    for record in json.loads((made.folder / "test.json").read_text()):
        assert {
            "id", "benchmark", "task", "video", "source", "som_image", "question", "question_raw",
            "options", "answer",
        } <= set(record)  # fmt: skip
        assert record["answer"] in record["options"]
        assert "time_start" not in record  # a video is one clip, seen as a whole


def test_sums_name_every_file_and_are_right(made):
    lines = (made.folder / SUMS).read_text().splitlines()
    listed = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    there = {
        path.relative_to(made.folder).as_posix()
        for path in made.folder.rglob("*")
        if path.is_file() and ".build" not in path.parts
    }
    assert set(listed) == there - {SUMS}
    assert all(sha256_file(made.folder / name) == digest for name, digest in listed.items())


def test_a_killed_run_resumes_and_another_makes_the_same_bytes(made, tmp_path):
    # What a run leaves that was killed between two stages, and in the middle of a video.
    shutil.copytree(made.folder / ".build", tmp_path / ".build")
    shutil.rmtree(tmp_path / ".build" / "facts")
    shutil.rmtree(tmp_path / ".build" / "questions")
    last = tmp_path / ".build" / "inbox" / f"world_{WORLDS - 1:04d}.mp4"
    again = make(tmp_path, params(), worlds=WORLDS)
    assert (again.folder / SUMS).read_bytes() == (made.folder / SUMS).read_bytes()
    before = last.read_bytes()
    last.unlink()
    recipe._write_worlds(last.parent, fixed_params().worlds, WORLDS, lambda *a: None)
    assert last.read_bytes() == before


def test_worlds_that_differ_when_written_again_are_detected(made, tmp_path):
    inbox, worlds = tmp_path / "inbox", fixed_params().worlds
    shutil.copytree(made.folder / ".build" / "inbox", inbox)
    assert recipe._worlds_are_current(inbox, worlds)
    with (inbox / "world_0000.mp4").open("ab") as video:
        video.write(b"x")
    assert not recipe._worlds_are_current(inbox, worlds)


def fixed_params():
    return replace_params(params(), **recipe.SECTIONS)


def test_params_of_the_pipeline_do_not_change_the_release(made, tmp_path):
    other = params(
        clips={"grid_hz": 6.0, "frames": 4},
        landing={"max_clips_per_shard": 2},
        questions={"margin_sigma": 5.0, "max_per_clip": 3},
        regions={"max_regions": 2},
        release={"test_fraction": 0.5},
        worlds={"fps": 30.0, "size_px": 64},
    )
    # Videos as they are, for speed (their parameters are tested by rendering the first one again);
    # every stage runs again.
    shutil.copytree(made.folder / ".build" / "inbox", tmp_path / ".build" / "inbox")
    again = make(tmp_path, other, worlds=WORLDS)
    assert (again.folder / SUMS).read_bytes() == (made.folder / SUMS).read_bytes()


def test_a_student_sees_masks_and_is_scored_family_by_family(made, tmp_path):
    model = asked.student(tmp_path)
    settings = asked.EvaluateSettings(batch=4, threads=1, frames=8, size_px=64, limit=12)
    found = asked.run(made.folder, model, tmp_path / "out", settings)
    assert found["outcomes"] == {"ok": 12}
    assert found["against_chance"]["n"] == 12
    assert set(found["twelve_columns"]["likelihood"]) == set(COLUMNS)


def test_shapes_and_colours_are_of_no_training_world(made):
    build = made.folder / ".build" / "clips"
    objects = pl.concat(pl.read_parquet(path) for path in build.glob("*/objects.parquet"))
    assert set(objects["shape"]) <= set(HELDOUT_SHAPES)
    assert set(objects["colour"]) <= set(HELDOUT_COLOURS)
    ordinary = spec_for(3)
    assert not {thing.shape for thing in ordinary.objects} & set(HELDOUT_SHAPES)


def test_too_few_questions_are_no_full_release():
    with pytest.raises(ContractError, match="100 of each category"):
        recipe._require(Counter(dict.fromkeys(CATEGORIES[1:], 400)), 450)
    recipe._require(Counter(dict.fromkeys(CATEGORIES, 250)), 450)


def test_tiny_frames_are_read_from_videos_where_sizes_differ(made, tmp_path):
    model = asked.student(tmp_path)
    settings = asked.EvaluateSettings(
        batch=4, threads=1, frames=tiny.FRAMES, size_px=tiny.SIZE, limit=4
    )
    assert asked.run(made.folder, model, tmp_path / "out", settings)["outcomes"] == {"ok": 4}
