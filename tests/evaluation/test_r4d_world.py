import json
import re
from collections import Counter

import polars as pl
import pytest

from p4d.categories import CATEGORIES
from p4d.errors import ContractError
from p4d.evaluation.benchmarks import r4d_bench
from p4d.evaluation.benchmarks.r4d_world import make as r4d_world
from p4d.evaluation.benchmarks.r4d_world.make import SUMS, choose, exchange_groups, make
from p4d.ids import sha256_file
from p4d.worlds.sampling import spec_for
from p4d.worlds.spec import HELDOUT_COLOURS, HELDOUT_SHAPES
from tests.evaluation import asked
from tests.students import tiny
from tests.video.media import params

WORLDS = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r4d-world")
    return make(folder, params(), worlds=WORLDS)


def test_it_reads_back_as_r4d_bench_with_nothing_lost(made):
    found = r4d_bench.read(made.folder)
    assert found.name == "r4d-world"
    assert not found.bad
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


def test_a_run_that_was_stopped_goes_on_and_another_makes_the_same_bytes(made, tmp_path):
    import shutil

    # What a run leaves that was killed between two stages, and in the middle of a video.
    shutil.copytree(made.folder / ".build", tmp_path / ".build")
    shutil.rmtree(tmp_path / ".build" / "facts")
    shutil.rmtree(tmp_path / ".build" / "questions")
    last = tmp_path / ".build" / "inbox" / f"world_{WORLDS - 1:04d}.mp4"
    again = make(tmp_path, params(), worlds=WORLDS)
    assert (again.folder / SUMS).read_bytes() == (made.folder / SUMS).read_bytes()
    before = last.read_bytes()
    last.unlink()
    r4d_world._write_worlds(last.parent, r4d_world_params().worlds, WORLDS, lambda *a: None)
    assert last.read_bytes() == before


def test_worlds_that_would_now_come_out_differently_are_noticed(made, tmp_path):
    import shutil

    inbox, worlds = tmp_path / "inbox", r4d_world_params().worlds
    shutil.copytree(made.folder / ".build" / "inbox", inbox)
    assert r4d_world._still_written_so(inbox, worlds)
    with (inbox / "world_0000.mp4").open("ab") as video:
        video.write(b"x")
    assert not r4d_world._still_written_so(inbox, worlds)


def r4d_world_params():
    from p4d.config import replace_params

    return replace_params(params(), **r4d_world.SECTIONS)


def test_params_of_the_pipeline_do_not_move_it(tmp_path, made):
    other = params(clips={"grid_hz": 6.0}, questions={"margin_sigma": 5.0}, worlds={"fps": 30.0})
    build = tmp_path / ".build" / "inbox"
    build.mkdir(parents=True)
    from p4d.config import replace_params

    fixed = replace_params(other, **r4d_world.SECTIONS)
    ours = r4d_world_params()
    for section in ("clips", "landing", "regions", "release"):
        assert getattr(fixed, section) == getattr(ours, section)
    assert fixed.worlds.fps == ours.worlds.fps
    assert fixed.questions.margin_sigma == ours.questions.margin_sigma


def test_a_student_sees_masks_and_is_scored_family_by_family(made, tmp_path):
    model = asked.student(tmp_path)
    settings = asked.Settings(batch=4, threads=1, frames=8, size_px=64, limit=12)
    found = asked.run(made.folder, model, tmp_path / "out", settings)
    assert found["outcomes"] == {"ok": 12}
    assert found["against_chance"]["n"] == 12
    assert set(found["twelve_columns"]["likelihood"]) == set(r4d_columns())


def r4d_columns():
    from p4d.evaluation.scoring.methods import COLUMNS

    return COLUMNS


def test_the_look_is_of_no_training_world(made):
    build = made.folder / ".build" / "clips"
    objects = pl.concat(pl.read_parquet(path) for path in build.glob("*/objects.parquet"))
    assert set(objects["shape"]) <= set(HELDOUT_SHAPES)
    assert set(objects["colour"]) <= set(HELDOUT_COLOURS)
    ordinary = spec_for(3)
    assert not {thing.shape for thing in ordinary.objects} & set(HELDOUT_SHAPES)


def question(number, family, answer, options, clip=None, shown=4):
    return {
        "qa_id": f"qa_{number:03d}", "clip_id": clip or f"clip_{number:03d}", "shard": "s",
        "family": family, "category": "Counting", "question": f"q{number}",
        "options": sorted(options), "answer_text": answer, "marks_shown": shown,
    }  # fmt: skip


def test_groups_are_chosen_whole_and_incomplete_ones_left_out():
    options = ["0", "1", "2", "3"]
    rows = [question(n, "count", options[n % 4], options) for n in range(40)]
    rows += [question(100 + n, "torn", "0", options) for n in range(3)]
    table = pl.DataFrame(rows)
    assert len(exchange_groups(table)) == 10
    chosen = choose(table, {"Counting": 10})
    assert chosen["family"].unique().to_list() == ["count"]
    assert len(chosen) == 12  # whole groups, so a little more than asked for
    assert set(Counter(chosen["answer_text"].to_list()).values()) == {3}


def test_clips_of_a_counting_group_show_equally_many_marks():
    options = ["1", "2", "3", "4"]
    # The count is the number of marks, so a group of mixed clips would give it away.
    rows = [question(n, "a", str(n), options, shown=n) for n in range(1, 5)]
    assert exchange_groups(pl.DataFrame(rows)) == []
    rows = [question(n, "a", str(n), options) for n in range(1, 5)]
    assert len(exchange_groups(pl.DataFrame(rows))) == 1


def test_families_of_a_category_get_equal_shares():
    options = ["0", "1"]
    rows = [question(n, "often", options[n % 2], options) for n in range(40)]
    rows += [question(100 + n, "seldom", options[n % 2], options) for n in range(6)]
    chosen = Counter(choose(pl.DataFrame(rows), {"Counting": 12})["family"].to_list())
    assert chosen == {"often": 6, "seldom": 6}


def test_clips_with_fewest_questions_are_asked_first():
    options = ["0", "1"]
    rows = [question(n, "a", options[n % 2], options, clip="busy") for n in range(20)]
    rows += [question(100 + n, "b", options[n % 2], options) for n in range(4)]
    chosen = choose(pl.DataFrame(rows), {"Counting": 6})
    assert Counter(chosen["family"].to_list())["b"] == 4


def test_a_full_release_is_held_against_the_frozen_list(made, tmp_path, monkeypatch):
    frozen = tmp_path / "list.sha256"
    monkeypatch.setattr(r4d_world, "FROZEN", frozen)
    assert "not frozen" in r4d_world._judge(made.folder, full=True, freeze=False)
    assert "frozen" in r4d_world._judge(made.folder, full=True, freeze=True)
    assert "byte by byte" in r4d_world._judge(made.folder, full=True, freeze=False)
    frozen.write_text(frozen.read_text().replace("test.json", "test2.json"))
    with pytest.raises(ContractError, match=r"test\.json"):
        r4d_world._judge(made.folder, full=True, freeze=False)


def test_another_machine_may_differ_in_truth_but_not_in_what_is_asked(made, tmp_path, monkeypatch):
    frozen = tmp_path / "list.sha256"
    monkeypatch.setattr(r4d_world, "FROZEN", frozen)
    lines = (made.folder / "SHA256SUMS").read_text().splitlines()

    def elsewhere(*changed):
        """The list with other digests of some files, and other names of shards."""
        listed = ["0" * 64 + line[64:] if line.endswith(changed) else line for line in lines]
        frozen.write_text(re.sub(r"/(\d{4})-[0-9a-f]{8}/", r"/\1-00000000/", "\n".join(listed)))

    elsewhere("facts.parquet", "/clips.parquet", "test.json")
    assert "questions, answers" in r4d_world._judge(made.folder, full=True, freeze=False)
    for asked_or_shown in ("questions.parquet", ".mp4", ".png", "README.md"):
        elsewhere(asked_or_shown)
        with pytest.raises(ContractError, match="not those of the frozen release"):
            r4d_world._judge(made.folder, full=True, freeze=False)


def test_too_few_questions_are_no_full_release():
    with pytest.raises(ContractError, match="100 of each category"):
        r4d_world._require(Counter(dict.fromkeys(CATEGORIES[1:], 400)), 450)
    r4d_world._require(Counter(dict.fromkeys(CATEGORIES, 250)), 450)


def test_tiny_frames_are_read_from_videos_where_sizes_differ(made, tmp_path):
    model = asked.student(tmp_path)
    settings = asked.Settings(batch=4, threads=1, frames=tiny.FRAMES, size_px=tiny.SIZE, limit=4)
    assert asked.run(made.folder, model, tmp_path / "out", settings)["outcomes"] == {"ok": 4}
