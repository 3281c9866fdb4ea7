"""What the page of each asset shows, in definitions and after a run."""

import io
import json
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from PIL import Image

from dagster_project.asset_page import file_of, main_table, tables
from dagster_project.build import build_defs
from dagster_project.metadata import inputs_shown, version_metadata
from p4d.drawing import media_type, png, webp
from p4d.pipeline import BY_NAME, STAGES
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.run.run_stage import Materialization
from tests.sql import example_project

PROJECT = Project.find()
GRAPH = build_defs(PROJECT).resolve_asset_graph()
SPECS = {key.to_user_string(): GRAPH.get(key) for key in GRAPH.get_all_asset_keys()}


@pytest.mark.parametrize("name", BY_NAME)
def test_an_asset_names_its_owner_its_kinds_and_its_code(name):
    spec = SPECS[name]
    assert spec.owners in (["team:data"], ["team:models"])
    kinds = {tag.removeprefix("dagster/kind/") for tag in spec.tags if "kind/" in tag}
    assert "dvc" in kinds
    assert len(kinds) == 3
    reference, document = spec.metadata["dagster/code_references"].code_references
    assert (PROJECT.root / document.label).is_file()
    assert document.file_path == str(PROJECT.root / document.label)
    assert spec.metadata["dagster/uri"] == (PROJECT.data / name).as_uri()
    job = build_defs(PROJECT).resolve_job_def(spec.tags["p4d/job"])
    assert dg.AssetKey(name) in job.asset_layer.selected_asset_keys
    module, function = BY_NAME[name].entry.split(":")
    path, line = reference.source.rsplit(":", 1)
    assert path.endswith(module.replace(".", "/") + ".py")
    lines = Path(path).read_text().splitlines()
    assert lines[int(line) - 1].startswith(f"def {function}(")


def test_other_people_s_questions_have_a_document_of_their_own():
    for name, document in (
        ("external", "docs/external_questions.md"),
        ("mixture", "docs/external_questions.md"),
        ("release", "docs/questions.md"),
    ):
        assert SPECS[name].metadata["dagster/code_references"].code_references[1].label == document


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("questions@0001-aaaaaaaa", "/questions?shard=0001-aaaaaaaa"),
        ("labels@0001-aaaaaaaa", "/clips?measure=depth_absrel&shard=0001-aaaaaaaa"),
        ("student_p4d", "/questions?arm_p4d=wrong"),
        ("champion", "/lineage?id=champion"),
    ],
)
def test_a_version_links_to_its_rows_in_the_explorer(tmp_path, key, address):
    shown = version_metadata(Project(tmp_path), made_of(tmp_path, key))
    link = f"[open](http://127.0.0.1:3001{address}) while `p4d explore` runs"
    assert shown["explorer"] == dg.MetadataValue.md(link)
    assert "`p4d explore`" in SPECS[key.split("@")[0]].metadata["explorer"].md_str


def test_groups_sort_in_the_order_of_the_flow_and_edges_never_point_back():
    order = {name: SPECS[name].group_name for name in SPECS}
    assert sorted(set(order.values())) == ["1_videos", "2_labels", "3_questions", "4_models"]
    for name, spec in SPECS.items():
        for parent in spec.parent_keys:
            assert order[parent.to_user_string()] <= order[name]


def test_the_inbox_is_a_source_that_no_run_makes():
    inbox = SPECS["inbox"]
    assert inbox.is_external
    assert inbox.metadata["path"].value == str(PROJECT.inbox)
    assert [key.to_user_string() for key in SPECS["videos"].parent_keys] == ["inbox"]


def test_kinds_differ_where_stages_of_a_group_do():
    assert "dagster/kind/huggingface" not in SPECS["evaluation"].tags
    assert "dagster/kind/parquet" not in SPECS["champion"].tags
    assert "dagster/kind/pytorch" not in SPECS["base_student"].tags


def test_columns_have_types_and_texts_and_every_table_of_a_stage_is_there():
    schema = SPECS["questions"].metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert columns["qa_id"].type == "varchar"
    assert columns["qa_id"].description
    assert "shard" not in columns  # of the folder, not of the file
    assert schema.constraints.other[0] == "one row per question"
    assert "columns of refusals.parquet" in SPECS["questions"].metadata
    assert "refusals.parquet" in SPECS["questions"].description
    shown = {view.name for stage in STAGES for view in tables(stage)}
    assert {"stg_clips", "stg_objects", "stg_label_stats", "stg_accuracy"} <= shown


def made_of(folder, key):
    return Materialization(
        version=ArtifactVersion(ArtifactKey.parse(key), "ab" * 16),
        code_version="1",
        upstream={f"labels@{n}": "md5:1" for n in range(3)},
        rows={"ok": 2, "rejected": 1},
        metrics={"questions": 2},
        cost={"wall_s": 1.5, "cpu_s": 1.0, "max_rss_bytes": 10, "step_rss_bytes": 4},
        skipped=False,
        path=folder,
    )


@pytest.mark.parametrize(
    ("key", "count"),
    [("questions@0001-aaaaaaaa", "dagster/partition_row_count"), ("release", "dagster/row_count")],
)
def test_a_version_has_its_rows_its_place_and_costs_with_units(tmp_path, key, count):
    name = key.split("@")[0]
    folder = tmp_path / "data" / key.replace("@", "/")
    folder.mkdir(parents=True)
    file = folder / file_of(main_table(BY_NAME[name]))
    pl.DataFrame({"question_id": ["a", "b", "c"]}).write_parquet(file)
    shown = version_metadata(Project(tmp_path), made_of(folder, key))
    assert shown[count] == 3
    assert shown["dagster/uri"] == folder.as_uri()
    assert shown["path"] == dg.MetadataValue.path(str(folder))
    assert shown["cost/wall time (s)"] == 1.5
    assert shown["cost/memory that the step added (bytes)"] == 4
    assert next(iter(shown)) == "questions"
    assert list(shown)[-1] == "dvc/deps"
    dg.AssetMaterialization(asset_key=name, metadata=shown)  # Dagster takes all of it


def test_many_inputs_are_a_number_and_few_are_named():
    few = {f"labels@{n:04d}-aaaaaaaa": f"md5:{n}" for n in range(50)}
    assert inputs_shown({**few, "expert": "md5:e"}) == {**few, "expert": "md5:e"}
    many = {f"clips@{n:05d}-aaaaaaaa": f"md5:{n}" for n in range(10_000)}
    assert inputs_shown({**many, "expert": "md5:e"}) == {"clips, shards": 10_000, "expert": "md5:e"}


def test_a_picture_of_a_shard_is_small_and_looks_as_it_was_drawn():
    """An event of each shard holds it; Dagster keeps it twice and sends a hundred to a page."""
    frames = np.random.default_rng(3).integers(0, 255, (9, 8, 3), np.uint8)
    picture = frames.repeat(60, axis=0).repeat(80, axis=1)
    small = webp(picture)
    assert media_type(small) == "image/webp"
    assert media_type(png(picture)) == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(small)).convert("RGB")).astype(int)
    assert shown.shape == picture.shape
    centres = (slice(30, None, 60), slice(40, None, 80))
    assert np.abs(shown[centres] - frames).max() <= 12


def test_a_small_table_is_shown_in_place_and_a_wide_one_behind_a_click(tmp_path):
    folder = tmp_path / "data" / "evaluation"
    folder.mkdir(parents=True)
    (folder / "by_category.csv").write_text(
        "arm,category,n,accuracy,low,high\np4d,Average,9,0.5,0.4,0.6\nsft,Average,9,0.3,0.2,0.4\n"
    )
    gain = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}
    (folder / "comparisons.json").write_text(json.dumps({"p4d_over_sft": {"Average": gain}}))
    shown = version_metadata(Project(tmp_path), made_of(folder, "evaluation"))
    assert shown["table"].records[0].data == {
        "category": "Average",
        "questions": 9,
        "p4d": 0.5,
        "sft": 0.3,
        "p4d over sft": "+0.200 [+0.100, +0.300]",
    }
    assert list(shown).index("preview") < list(shown).index("table")
    folder = tmp_path / "data" / "videos" / "0001-aaaaaaaa"
    folder.mkdir(parents=True)
    videos = example_project.tables()["videos/0001-aaaaaaaa/videos.parquet"]
    videos.write_parquet(folder / "videos.parquet")
    shown = version_metadata(Project(tmp_path), made_of(folder, "videos@0001-aaaaaaaa"))
    assert shown["table"].value.startswith("| name | outcome | reason |")
    assert "| rejected |" in shown["table"].value.splitlines()[2]


def test_rows_of_a_log_are_its_lines(tmp_path):
    folder = tmp_path / "data" / "champion"
    folder.mkdir(parents=True)
    (folder / "champions.jsonl").write_text('{"decision": "refused"}\n{"decision": "promoted"}\n')
    shown = version_metadata(Project(tmp_path), made_of(folder, "champion"))
    assert shown["dagster/row_count"] == 2
