"""Gates of whole stages, as the pipeline runs them on folders."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from safetensors.numpy import save_file

from p4d.config import Params
from p4d.errors import ContractError
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.quality.code_gates import PROBES
from p4d.quality.gates import GATES, blocking_gates, check_artifact, check_folders, needed_upstreams
from p4d.students.distillation.probes import FORMER_PROBES_FILE, PROBES_FILE
from tests.quality.checks import blocks
from tests.sql import example_project as example

SHARD = example.SHARDS[0]
PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
EXAMPLE_STAGES = (
    "videos",
    "clips",
    "labels",
    "regions",
    "facts",
    "release",
    "student_sft",
    "evaluation",
)


def run(root, stage):
    return check_folders(stage, example.folders(root, stage, needed_upstreams(stage)))


@pytest.mark.parametrize("stage", EXAMPLE_STAGES)
def test_consistent_project_passes_with_one_result_per_gate(stage, tables, tmp_path):
    results = run(example.write(tmp_path, tables), stage)
    assert [r.name for r in results] == [g.name for g in GATES[stage]]
    failed = [r.name for r in results if not r.passed]
    assert failed == (["videos_are_usable"] if stage == "videos" else [])
    assert not any(blocks(r) for r in results)


@pytest.mark.parametrize("stage", sorted(GATES))
def test_gates_read_only_what_their_stage_reads(stage):
    assert stage in BY_NAME
    for gate in GATES[stage]:
        assert gate.needs <= set(BY_NAME[stage].inputs), gate.name
    names = [gate.name for gate in GATES[stage]]
    assert len(names) == len(set(names))
    assert set(blocking_gates()[stage]) == {g.name for g in GATES[stage] if g.blocking}


@pytest.mark.parametrize("stage", sorted(GATES))
def test_names_and_descriptions_state_what_holds(stage):
    for gate in GATES[stage]:
        assert gate.description[0].isupper(), gate.name
        assert gate.description.endswith("."), gate.name
        assert not gate.description.startswith("None"), gate.name
        assert not re.search(r"(^|_)not_usable|_repeat$", gate.name), gate.name


def test_missing_upstream_is_refused_as_gates_would_pass_for_lack_of_rows(tables, tmp_path):
    root = example.write(tmp_path, tables)
    with pytest.raises(ContractError, match="clips"):
        check_folders("regions", {"regions": root / "data/regions" / SHARD})


def test_damaged_table_fails_every_gate_that_reads_it(tables, tmp_path):
    root = example.write(tmp_path, tables)
    (root / "data/labels" / SHARD / "label_stats.parquet").write_bytes(b"PAR1 not really")
    results = {r.name: r for r in run(root, "labels")}
    assert results["no_label_failed"].passed
    assert blocks(results["every_clip_is_labelled"])
    assert blocks(results["no_nan"])
    assert "error" in results["no_nan"].metrics


def test_shard_of_which_nothing_is_usable_is_blocked_at_its_clips_alone(tables, tmp_path):
    name = f"videos/{SHARD}/videos.parquet"
    tables[name] = tables[name].filter(pl.col("outcome") == "rejected")
    for path in list(tables):
        if SHARD in path and path != name:
            tables[path] = tables[path].clear()
    root = example.write(tmp_path, tables)
    for stage in ("videos", "clips", "labels", "regions", "facts"):
        stopped = [r.name for r in run(root, stage) if blocks(r)]
        assert stopped == (["some_clip_is_usable"] if stage == "clips" else []), stage
    warned = {r.name for r in run(root, "labels") if not r.passed}
    assert warned == {"has_rows"}


@pytest.mark.parametrize(
    ("teacher", "known"),
    [
        ("exact", True),
        ("flow_dis", True),
        ("expert4d", True),
        ("expert4d+exact", True),
        ("expert4d+oracle", False),
    ],
)
def test_facts_name_teachers_that_labelled(tables, tmp_path, teacher, known):
    name = f"facts/{SHARD}/facts.parquet"
    tables[name] = tables[name].with_columns(teacher=pl.lit(teacher))
    root = example.write(tmp_path, tables)
    found = {r.name: r.passed for r in run(root, "facts")}
    assert found["teachers_are_known"] == known


def test_shards_may_be_given_by_the_folder_that_holds_them(tables, tmp_path):
    root = example.write(tmp_path, tables)
    name = "release/questions.parquet"
    broken = tables[name].with_columns(answer=pl.lit("D"), answer_index=3)
    folders = {n: root / "data" / n for n in ("release", *needed_upstreams("release"))}
    assert not any(blocks(r) for r in check_folders("release", folders))
    broken.write_parquet(root / "data" / name)
    stopped = {r.name for r in check_folders("release", folders) if blocks(r)}
    assert stopped == {"questions_are_unchanged"}


def test_leaked_video_stops_the_release(tables, tmp_path):
    clips = tables["release/clips.parquet"]
    leaked = pl.col("clip_id") == "clip_red1"
    for name in ("release/clips.parquet", "release/questions.parquet"):
        tables[name] = tables[name].with_columns(
            split=pl.when(leaked).then(pl.lit("test")).otherwise(pl.col("split"))
        )
    results = {r.name: r for r in run(example.write(tmp_path, tables), "release")}
    assert blocks(results["no_leakage"])
    assert results["no_leakage"].metrics["offenders"] == 2
    # The groups of the release agree with it; the hashes of its clips do not.
    assert blocks(results["no_near_duplicates_across_splits"])
    assert len(clips) == 5


def test_manifest_that_miscounts_stops_the_release(tables, tmp_path):
    root = example.write(tmp_path, tables)
    path = root / "data/release/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"]["test"]["questions"] += 1
    path.write_text(json.dumps(manifest))
    assert {r.name for r in run(root, "release") if blocks(r)} == {"counts_match"}


def test_weights_that_are_not_finite_stop_a_student(tables, tmp_path):
    root = example.write(tmp_path, tables)
    weights = np.array([1.0, np.nan, np.inf], np.float32)
    save_file({"w": weights}, root / "data/student_sft/model/model.safetensors")
    (result,) = (r for r in run(root, "student_sft") if blocks(r))
    assert result.name == "weights_are_finite"
    assert result.sample[0]["not_finite"] == 2


def test_unknown_pixels_of_a_probe_stop_no_student(tables, tmp_path):
    root = example.write(tmp_path, tables)
    path = root / "data/student_p4d" / PROBES_FILE
    save_file({"clip.teacher.flow": np.full((2, 2, 2), np.nan, np.float16)}, path)
    assert not any(blocks(r) for r in run(root, "student_p4d"))
    assert {PROBES_FILE, FORMER_PROBES_FILE} == set(PROBES)


def test_bfloat16_weights_are_read(tables, tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    root = example.write(tmp_path, tables)
    path = root / "data/student_sft/model/model.safetensors"
    save_torch({"w": torch.ones(3, dtype=torch.bfloat16)}, path)
    assert not any(blocks(r) for r in run(root, "student_sft"))
    save_torch({"w": torch.full((3,), float("nan"), dtype=torch.bfloat16)}, path)
    assert any(blocks(r) for r in run(root, "student_sft"))


def test_student_without_weights_stops(tables, tmp_path):
    root = example.write(tmp_path, tables)
    (root / "data/student_sft/model/model.safetensors").unlink()
    results = {r.name: r for r in run(root, "student_sft")}
    assert blocks(results["weights_are_finite"])
    assert "no weights" in str(results["weights_are_finite"].metrics["error"])


@pytest.mark.parametrize("last", [3.0, float("nan")])
def test_loss_that_did_not_fall_warns(last, tables, tmp_path):
    root = example.write(tmp_path, tables)
    curve = pl.DataFrame({"step": range(1, 11), "sft": [2.0] * 5 + [last] * 5})
    curve.write_csv(root / "data/student_sft/curve.csv")
    results = {r.name: r for r in run(root, "student_sft")}
    assert not results["loss_fell"].passed
    assert not blocks(results["loss_fell"])


def test_steps_that_ask_nothing_are_left_out_where_losses_are_compared(tables, tmp_path):
    root = example.write(tmp_path, tables)
    path = root / "data/student_sft/curve.csv"
    alone = [0.0] * 20

    def found(losses: list[float]):
        pl.DataFrame({"step": range(1, len(losses) + 1), "sft": losses}).write_csv(path)
        return {r.name: r for r in run(root, "student_sft")}["loss_fell"]

    assert found([*alone, *[0.9] * 5, *[0.3] * 5]).passed
    assert not found([*alone, *[0.3] * 5, *[0.9] * 5]).passed
    assert not found([0.0] * 10).passed


def test_published_files_are_checked_in_place(tables, tmp_path):
    project = Project(example.write(tmp_path, tables))
    assert not any(blocks(r) for r in check_artifact(project, "clips", SHARD))
    assert not any(blocks(r) for r in check_artifact(project, "evaluation"))


def test_listing_gates_is_light():
    code = (
        "import sys; import p4d.quality.gates; "
        "print([m for m in ('duckdb', 'polars', 'pandas', 'great_expectations', 'torch') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def composed(tmp_path):
    """Real questions of real families: how many objects move, over four clips."""
    from p4d.questions.asking.question_table import SCHEMA
    from p4d.questions.facts.table import Source, quantity, write_facts
    from tests.questions.scenes import Clip, compose_clips

    clips, facts = [], []
    for k in range(4):
        regions = [f"reg_{k}_{mark}" for mark in range(1, 5)]
        source = Source(
            clip_id=f"clip_{k}", scale_kind="metric", teacher="exact", teacher_digest="d"
        )
        moving = quantity(
            source,
            "moving_count",
            k,
            0.01,
            unit="count",
            frame="world",
            method="test",
            region_ids=regions,
            span_ns=(0, example.SECOND),
        )
        facts.append(moving)
        clips.append(
            Clip(
                clip_id=f"clip_{k}",
                video_id="vid_0",
                has_truth=True,
                region_ids=tuple(regions),
                facts=(moving,),
            )
        )
    params = Params.from_mapping(yaml.safe_load(PARAMS.read_text()))
    rows = compose_clips(clips, params.questions, params.release).questions
    assert rows
    folders = {name: tmp_path / name for name in ("questions", "facts", "regions", "clips")}
    for folder in folders.values():
        folder.mkdir()
    write_facts(folders["facts"] / "facts.parquet", facts)
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(folders["questions"] / "questions.parquet")
    example.table(
        {**example.region(f"clip_{k}", mark), "region_id": f"reg_{k}_{mark}"}
        for k in range(4)
        for mark in range(1, 5)
    ).write_parquet(folders["regions"] / "regions.parquet")
    example.table(
        {**example.clip("red", 0, SHARD), "clip_id": f"clip_{k}", "video_id": "vid_0"}
        for k in range(4)
    ).write_parquet(folders["clips"] / "clips.parquet")
    return folders


def test_composed_questions_pass_and_a_swapped_letter_stops(composed):
    assert [r.name for r in check_folders("questions", composed) if blocks(r)] == []
    path = composed["questions"] / "questions.parquet"
    frame = pl.read_parquet(path)
    # Consistent in itself: only deriving the answer again can tell.
    first = pl.int_range(pl.len()) == 0
    other = (pl.col("answer_index") + 1) % pl.col("options").list.len()
    index = pl.when(first).then(other).otherwise(pl.col("answer_index"))
    frame = frame.with_columns(answer_index=index).with_columns(
        answer=pl.col("answer_index").replace_strict([0, 1, 2, 3, 4], list("ABCDE")),
        answer_text=pl.col("options").list.get(pl.col("answer_index")),
    )
    frame.write_parquet(path)
    (stopped,) = (r for r in check_folders("questions", composed) if blocks(r))
    assert stopped.name == "answers_follow_from_facts"
    assert stopped.sample[0]["qa_id"] == frame["qa_id"][0]
    assert stopped.sample[0]["problem"] == "another answer"


def test_missing_fact_stops_the_questions(composed):
    path = composed["facts"] / "facts.parquet"
    pl.read_parquet(path)[1:].write_parquet(path)
    stopped = {r.name for r in check_folders("questions", composed) if blocks(r)}
    assert stopped == {"facts_exist", "answers_follow_from_facts"}
