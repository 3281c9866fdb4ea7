"""Every staging view, mart and audit query on the example, against results worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from p4d.audit import takedown
from p4d.errors import ContractError
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.sql_files import sql_files, stages_read
from p4d.warehouse import Warehouse
from tests.sql import example_project as example

FIRST, SECOND = example.SHARDS
SHARD_OF_SKY = SECOND
PARAMETERS = {
    "sources_of_model": {"md5": example.md5("student_p4d")},
    "models_of_video": {"video_id": example.video_id("sky")},
    "champion_on_date": {"date": "2026-03-02"},
    "checks_on_date": {"date": "2026-03-01T10:05:00"},
    "models_touched_by_video": {"video_id": example.video_id("sky")},
}


def instant(minute: int) -> datetime:
    return datetime.fromisoformat(example.at(minute)).astimezone(UTC)


# name: (rows, values of the first row)
EXPECTED: dict[str, tuple[int, dict]] = {
    "stg_videos": (4, {"shard": FIRST, "duration_ns": 4 * example.SECOND}),
    "stg_video_frames": (24, {"frame_index": 0, "pts_ns": 0}),
    "stg_clips": (6, {"clip_id": "clip_red0", "shard": FIRST, "phash": example.sha("red")[:16]}),
    "stg_frame_hashes": (5, {"clip_id": "clip_red0"}),
    "stg_objects": (10, {"clip_id": "clip_red0", "instance": 1, "size_z_m": 0.6}),
    "stg_truth_parts": (1, {"clip_id": "clip_red0", "up": "unknown", "camera_frames": 2}),
    "stg_labels": (10, {"clip_id": "clip_red0", "teacher": "exact", "shard": FIRST}),
    "stg_label_stats": (40, {"modality": "depth", "depth_absrel": 0.0005}),
    "stg_regions": (10, {"region_id": "reg_clip_red0_1", "shard": FIRST}),
    "stg_region_outcomes": (5, {"clip_id": "clip_red0", "shard": FIRST, "outcome": "ok"}),
    "stg_fact_outcomes": (5, {"clip_id": "clip_red0", "shard": FIRST, "outcome": "ok"}),
    "stg_facts": (15, {"kind": "distance", "unit": "m"}),
    "stg_questions": (20, {"answer": "A", "shard": FIRST}),
    "stg_refusals": (5, {"category": "Rotational", "count": 2}),
    "stg_release_clips": (5, {"split": "train", "group": example.video_id("red")}),
    "stg_release_questions": (20, {"split": "train", "shard": FIRST}),
    "stg_releases": (1, {"release_id": "rel_1", "duplicate_hamming_bits": 3}),
    "stg_external_rows": (2, {"row_id": "ext_a", "set": "own", "number": 1}),
    "stg_external_media": (2, {"media_id": "med_a", "kind": "video", "frames": 8}),
    "stg_external_rejected": (1, {"number": 3, "reason": "answer 1 is empty"}),
    "stg_mixture_rows": (2, {"row_id": "ext_a", "split": "train", "group": "ext_a"}),
    "stg_mixture_media": (2, {"media_id": "med_a", "resembles": "clip_red0"}),
    "external_sets": (
        1,
        {
            "set": "own",
            "licence": "CC-BY-4.0",
            "train": 1,
            "held_out": 1,
            "left_out": 0,
            "rejected": 1,
        },
    ),
    "stg_predictions": (32, {"arm": "p4d", "correct": True}),
    "stg_accuracy": (3, {"arm": "p4d", "accuracy": 0.8, "n": 8}),
    "stg_ledger": (9, {"id": "m0", "instance": f"videos@{FIRST}", "line": 1, "wall_s": 2.0}),
    "stg_ledger_inputs": (
        11,
        {"id": "m1", "upstream": f"videos@{FIRST}", "upstream_md5": example.md5(f"videos@{FIRST}")},
    ),
    "stg_checks": (
        3,
        {"name": "intervals_are_disjoint", "passed": False, "instance": f"clips@{FIRST}"},
    ),
    "stg_decisions": (2, {"decision": "promoted", "champion_md5": example.md5("student_p4d")}),
    "label_quality": (
        8,
        {"teacher": "exact", "modality": "depth", "clips": 5, "depth_absrel": 0.0005},
    ),
    "question_balance": (
        3,
        {"category": "Counting", "questions": 10, "a": 5, "b": 0, "c": 5, "refused": 0},
    ),
    "cost_by_stage": (
        6,
        {"stage": "videos", "materializations": 2, "wall_s": 4.0, "nbytes": 200},
    ),
    "input_sources": (
        11,
        {"id": "m1", "upstream": f"videos@{FIRST}", "source_id": "m0"},
    ),
    "current_versions": (8, {"instance": "champion", "md5": example.md5("champion", 2)}),
    "scores": (3, {"arm": "blind", "over_blind": 0.0}),
    "rejects": (2, {"stage": "clips", "id": "clip_sky1", "reason": "too dark"}),
    "champions": (2, {"decision": "promoted", "recorded_at": instant(10), "run_id": "run-1"}),
    "sources_of_model": (
        6,
        {"depth": 0, "instance": "student_p4d", "id": "m8", "checks_failed": 0},
    ),
    "models_of_video": (12, {"kind": "clip", "id": "clip_sky0", "detail": "ok"}),
    "champion_on_date": (
        1,
        {"decision_order": 2, "decision": "refused", "recorded_at": instant(11)},
    ),
    "checks_in_force": (8, {"instance": "champion", "name": None}),
    "failed_checks": (1, {"name": "intervals_are_disjoint", "blocking": True, "holds": None}),
    # Five minutes in: the clips of the first shard have failed and not yet passed.
    "checks_on_date": (4, {"instance": f"clips@{FIRST}", "passed": True}),
    "models_touched_by_video": (
        1,
        {"stage": "student_p4d", "published_now": True, "was_champion": True},
    ),
    "cost_per_release": (1, {"materializations": 5, "wall_s": 10.0, "nbytes": 500}),
    "orphan_inputs": (0, {}),
}
ALL = {**sql_files("staging"), **sql_files("marts"), **sql_files("audit")}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = example.write(tmp_path_factory.mktemp("project"), example.tables())
    example.write_records(root)
    return Project(root)


@pytest.fixture(scope="module")
def warehouse(project):
    return Warehouse(project)


@pytest.mark.parametrize("name", sorted(ALL))
def test_query_gives_the_expected_rows(name, warehouse):
    assert name in EXPECTED, "no test expects anything of this file"
    rows, first = EXPECTED[name]
    found = warehouse.query(name, **PARAMETERS.get(name, {}))
    assert len(found) == rows, found
    for column, value in first.items():
        assert found[column][0] == value, (column, found.head(2).to_dicts())


@pytest.mark.parametrize("name", sorted(ALL))
def test_header_declares_the_columns_and_the_key(name, warehouse):
    file = ALL[name]
    found = warehouse.query(name, **PARAMETERS.get(name, {}))
    assert [column.name for column in file.columns] == found.columns
    assert not found.select(file.key).is_duplicated().any(), "the declared key repeats"


@pytest.mark.parametrize("name", sorted(ALL))
def test_empty_project_gives_empty_typed_rows(name, tmp_path, warehouse):
    parameters = PARAMETERS.get(name, {})
    empty = Warehouse(Project(tmp_path)).query(name, **parameters)
    assert empty.is_empty()
    assert empty.schema == warehouse.query(name, **parameters).schema


@pytest.mark.parametrize("name", sorted({**ALL, **sql_files("gates")}))
def test_every_file_reads_known_stages(name):
    file = {**ALL, **sql_files("gates")}[name]
    assert stages_read(file.body) <= {*BY_NAME, "ledger"}


def test_model_is_traced_to_every_landed_shard(warehouse):
    found = warehouse.query("sources_of_model", md5=example.md5("student_p4d")[:8])
    assert found.filter(pl.col("depth") == 3)["instance"].to_list() == [
        f"videos@{FIRST}",
        f"videos@{SECOND}",
    ]
    by_name = {row["instance"]: row for row in found.to_dicts()}
    # Judged twice, first failed and then passed: the last verdict counts.
    assert by_name[f"clips@{FIRST}"]["checks_passed"] == 1
    assert by_name[f"clips@{FIRST}"]["checks_failed"] == 0
    assert by_name[f"clips@{SECOND}"]["checks_failed"] == 1


def test_video_is_followed_to_its_questions_and_models(warehouse):
    found = warehouse.query("models_of_video", video_id=example.video_id("sky"))
    versions = found.filter(pl.col("kind") == "version")["id"].to_list()
    assert versions == sorted(
        [
            f"videos@{SECOND}",
            f"clips@{SECOND}",
            "release",
            "student_p4d",
            "evaluation",
            "champion",
        ]
    )
    questions = found.filter(pl.col("kind") == "question")
    assert questions["detail"].to_list() == ["val"] * 4


def test_failed_clips_of_regions_and_facts_are_among_the_rejects(tmp_path):
    made = example.tables()
    for stage in ("regions", "facts"):
        made[f"{stage}/{FIRST}/outcomes.parquet"] = example.table(
            [{"clip_id": "clip_red0", "outcome": "failed", "reason": f"no {stage}"}]
        )
    found = Warehouse(Project(example.write(tmp_path, made))).query("rejects")
    ours = found.filter(pl.col("id") == "clip_red0").select("stage", "reason").rows()
    assert ours == [("facts", "no facts"), ("regions", "no regions")]


def test_champion_of_a_day_before_any_decision_is_none(warehouse):
    assert warehouse.query("champion_on_date", date="2026-02-28").is_empty()
    one = warehouse.query("champion_on_date", date="2026-03-01T10:10:30Z")
    assert one["decision_order"].to_list() == [1]


def models_touched(tmp_path, tables, records):
    root = example.write(tmp_path, tables)
    path = root / "data/ledger/ledger.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    video = example.video_id("sky")
    return (
        Warehouse(Project(root)).query("models_touched_by_video", video_id=video)["md5"].to_list()
    )


@pytest.mark.parametrize(("outcome", "reason"), [("rejected", "no frames"), ("failed", "broken")])
def test_a_file_that_no_version_holds_touches_no_model(outcome, reason, tmp_path):
    tables = example.tables()
    path = f"videos/{SHARD_OF_SKY}/videos.parquet"
    here = pl.col("video_id") == example.video_id("sky")
    assert models_touched(tmp_path / "held", tables, example.ledger())
    tables[path] = tables[path].with_columns(
        outcome=pl.when(here).then(pl.lit(outcome)).otherwise("outcome"),
        reason=pl.when(here).then(pl.lit(reason)).otherwise("reason"),
    )
    assert models_touched(tmp_path / "not held", tables, example.ledger()) == []


def test_a_video_taken_down_touches_the_models_of_earlier_versions_alone(tmp_path):
    tables, records = example.tables(), example.ledger()
    path = f"videos/{SHARD_OF_SKY}/videos.parquet"
    here = pl.col("video_id") == example.video_id("sky")
    reason = takedown.REASON + "asked by its owner"
    tables[path] = tables[path].with_columns(
        outcome=pl.when(here).then(pl.lit("rejected")).otherwise("outcome"),
        reason=pl.when(here).then(pl.lit(reason)).otherwise("reason"),
    )
    again = dict(next(r for r in records if r.get("shard") == SHARD_OF_SKY))
    shards = f"videos@{SHARD_OF_SKY}", f"clips@{SHARD_OF_SKY}"
    without, clips = example.md5(shards[0], 2), example.md5(shards[1], 2)

    def made(number, stage, md5, upstream):
        shard = SHARD_OF_SKY if stage in ("videos", "clips") else None
        return {
            **again, "id": f"n{number}", "at": example.at(30 + number), "stage": stage,
            "shard": shard, "md5": md5, "upstream": upstream,
        }  # fmt: skip

    release, student = example.md5("release", 2), example.md5("student_p4d", 2)
    records += [
        made(1, "videos", without, {}),
        made(2, "clips", clips, {shards[0]: f"md5:{without}"}),
        made(3, "release", release, {shards[1]: f"md5:{clips}"}),
        made(4, "student_p4d", student, {"release": f"md5:{release}"}),
    ]
    assert models_touched(tmp_path, tables, records) == [example.md5("student_p4d")]


def test_check_in_force_is_the_last_one_of_the_published_version(warehouse):
    found = warehouse.query("checks_in_force").drop_nulls("name")
    verdicts = dict(found.select("instance", "passed").iter_rows())
    assert verdicts == {f"clips@{FIRST}": True, f"clips@{SECOND}": False}


def test_lost_record_shows_as_orphan(tmp_path):
    root = example.write(tmp_path, example.tables())
    example.write_records(root)
    path = root / "data/ledger/ledger.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"id": "m7"' not in line))
    found = Warehouse(Project(root)).query("orphan_inputs")
    assert set(found["upstream"]) == {"release"}


def test_missing_column_is_refused_by_name(tmp_path):
    made = example.tables()
    name = f"clips/{FIRST}/clips.parquet"
    made[name] = made[name].drop("phash")
    root = example.write(tmp_path, made)
    only = {"clips": root / "data/clips" / FIRST}
    with pytest.raises(ContractError, match="phash"):
        Warehouse.over(only).query("stg_clips")


def test_unknown_names_and_parameters_are_refused(warehouse):
    with pytest.raises(ContractError, match="no query called"):
        warehouse.query("nonsense")
    with pytest.raises(ContractError):
        warehouse.query("champion_on_date")
    with pytest.raises(ContractError):
        warehouse.query("rejects", video_id="vid_x")
    with pytest.raises(ContractError, match="no gate called"):
        Warehouse.over({}).gate("nonsense")


WRITING = [
    "copy (select 'x' as a) to '{root}/data/pwn.csv'",
    "copy (select 'x' as a) to '{out}/pwn.csv'",
    "select 1; copy (select 'x' as a) to '{root}/data/pwn.csv'; select 3",
    "select 1; select 2", "export database '{root}/data/pwn'", "attach '{root}/data/pwn.db'",
    "create table pwn as select 1", "set enable_external_access = true", "install httpfs",
    "load httpfs", "explain analyze select 1", "call pragma_version()", "", ";", "-- nothing",
]  # fmt: skip
READING = [
    "from read_text('/etc/hostname')", "from read_csv('{out}/secret.csv')",
    "from '{out}/secret.csv'", "from glob('{out}/*')", "from read_text('{root}/params.yaml')",
    "from read_text('{root}/data/../params.yaml')", "from read_blob('{root}/database/x')",
    "from read_csv('https://example.org/x.csv')", "from parameters", "from text", "select \udfff",
]  # fmt: skip


@pytest.mark.attack("M5")
@pytest.mark.parametrize("sql", [*WRITING, *READING])
@pytest.mark.parametrize("shards", [False, True])
def test_a_query_reads_the_projects_data_and_nothing_else(tmp_path, sql, shards):
    root, out = example.write(tmp_path / "p", example.tables()), tmp_path / "out"
    for path in (out / "secret.csv", root / "params.yaml", root / "database" / "x"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("a\n1\n")
    before = sorted(tmp_path.rglob("*"))
    over = Warehouse.over({"clips": {FIRST: root / "data/clips" / FIRST}})
    warehouse = over if shards else Warehouse(Project(root))
    with pytest.raises(ContractError):
        warehouse.query(sql.format(root=root, out=out))
    assert sorted(tmp_path.rglob("*")) == before
    assert not warehouse.query("stg_clips").is_empty()


@pytest.mark.attack("M5")
@pytest.mark.parametrize("name", ['a" := 1, "b', "a b", "", "a\0", "ä"])
def test_the_name_of_a_parameter_is_a_word(warehouse, name):
    with pytest.raises(ContractError, match="is no name of a parameter"):
        warehouse.query("select 1 as a", **{name: 1})


def test_free_sql_takes_parameters(warehouse):
    sql = "select clip_id from stg_clips where outcome = $outcome"
    assert warehouse.query(sql, outcome="filtered")["clip_id"].to_list() == ["clip_sky1"]
    assert warehouse.query("select $n + 1 as m, $text as t", n=2, text="it's").rows() == [
        (3, "it's")
    ]
