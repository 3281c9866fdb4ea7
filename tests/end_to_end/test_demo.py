"""The whole flow, as a newcomer runs it, on a tiny corpus: real files, real Dagster, real DVC.

One file, as files are dealt to workers whole and the tiny demo should run once.
"""

import json
import shlex
import shutil
from pathlib import Path

import dagster as dg
import nbformat
import pytest
import yaml
from dagster._core.definitions.partitions.context import partition_loading_context
from nbclient import NotebookClient

from dagster_project.build import build_defs
from dagster_project.dagster_internals import Staleness
from dagster_project.resources import Inbox
from p4d.pipeline import STAGES
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def dvc_hashes(checkout):
    locks = [checkout.root / "dvc.lock", *checkout.root.glob("shards/pipelines/*/dvc.lock")]
    return {
        name: entry["outs"][0]["md5"]
        for lock in locks
        for name, entry in yaml.safe_load(lock.read_text())["stages"].items()
    }


def stale_by_dvc(checkout):
    return set(json.loads(checkout.run("dvc", "status", "--json").stdout))


def stale_by_dagster(checkout):
    """Instances that Dagster's own staleness resolver does not call fresh."""
    project = Project(checkout.root)
    graph = build_defs(project).resolve_asset_graph()
    with dg.DagsterInstance.from_config(str(checkout.root / ".dagster")) as instance:
        staleness = Staleness(instance, graph)
        return {
            str(ArtifactKey(stage.name, shard))
            for stage in STAGES
            for shard in (project.shards() if stage.per_shard else [None])
            if not staleness.is_fresh(stage.name, shard)
        }


def test_the_demo_ends_with_a_summary_of_everything(demo_run):
    checkout, done = demo_run
    assert "p4d audit verify" in done.stdout
    summary = json.loads((checkout.root / "reports" / "summary.json").read_text())
    assert summary["clips"]["ok"] > 0
    assert len(summary["rejects"]) >= 4
    assert all(reject["reason"] for reject in summary["rejects"])
    assert set(summary["accuracy"]) >= {"sft", "p4d", "blind"}
    for arm in ("sft", "p4d", "blind"):
        overall = summary["accuracy"][arm]["overall"]
        assert 0 <= overall["low"] <= overall["accuracy"] <= overall["high"] <= 1
        assert summary["accuracy"][arm]["by_category"]
    assert summary["promotion"]["decision"] in ("promoted", "refused")
    assert summary["label_quality"]
    assert set(summary["wall_s"]) >= {"videos", "labels", "student_p4d"}
    assert set(summary["perceived"]) == {"student_sft", "student_p4d"}
    assert (checkout.root / "reports" / "perceived.png").read_bytes().startswith(b"\x89PNG")
    assert "perceives  p4d: depth AbsRel" in done.stdout


def test_the_demo_ends_with_a_question_that_can_be_asked_again(demo_run):
    import polars as pl

    checkout, done = demo_run
    lines = done.stdout.splitlines()
    (number,) = [n for n, line in enumerate(lines) if line.startswith("p4d ask ")]
    words = shlex.split(lines[number])
    text = words[words.index("--question") + 1]
    data = checkout.root / "data"
    asked = pl.read_parquet(data / "release" / "questions.parquet").filter(question=text)
    assert set(asked["split"]) == {"test"}
    answers = pl.read_parquet(data / "evaluation" / "predictions.parquet")
    correct = answers.pivot(on="arm", index="qa_id", values="correct")
    better = correct.filter(pl.col("p4d") & ~pl.col("sft"))["qa_id"].to_list()
    worse = correct.filter(~pl.col("p4d") & pl.col("sft"))["qa_id"].to_list()
    if better:
        assert set(asked["qa_id"]) & set(better)
    assert lines[number + 2].endswith(f"sft does not: {len(better)}; the opposite: {len(worse)}")
    first = checkout.run(*words).stdout.splitlines()[0]
    assert lines[number + 1].strip().startswith(f"{first} (")
    right = first in asked["answer_text"].to_list()
    assert lines[number + 1].endswith("; correct)") == right


def test_data_versions_are_the_dvc_hashes(demo_checkout):
    summary = json.loads((demo_checkout.root / "reports" / "summary.json").read_text())
    assert summary["data_versions"] == dvc_hashes(demo_checkout)


def test_dvc_dagster_and_p4d_agree_that_all_is_fresh(demo_checkout):
    assert stale_by_dvc(demo_checkout) == set()
    assert stale_by_dagster(demo_checkout) == set()
    assert "Everything is fresh" in demo_checkout.run("p4d", "status").stdout


def test_a_second_demo_does_nothing_and_says_so(own_checkout):
    before = dvc_hashes(own_checkout)
    done = own_checkout.run("python", "-m", "dagster_project", "demo", "--without-real-videos")
    assert "Nothing to do" in done.stdout
    assert dvc_hashes(own_checkout) == before


def test_after_a_parameter_change_both_tools_run_the_same_stages(own_checkout):
    own_checkout.set_params(evaluation={"bootstrap_samples": 120})
    stale = {"evaluation", "champion"}
    assert stale_by_dvc(own_checkout) == stale
    assert stale_by_dagster(own_checkout) == stale
    done = own_checkout.run("dvc", "repro")
    ran = {
        line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")
    }
    assert ran == stale
    assert stale_by_dvc(own_checkout) == set()
    # DVC starts no orchestrator: Dagster reads its versions at the next tick, or by `up`.
    versions = dvc_hashes(own_checkout)
    assert stale_by_dagster(own_checkout) == stale
    done = own_checkout.run("python", "-m", "dagster_project", "up")
    assert "New to Dagster: 2" in done.stderr
    assert dvc_hashes(own_checkout) == versions
    assert stale_by_dagster(own_checkout) == set()
    assert own_checkout.run("p4d", "audit", "verify").returncode == 0


def test_why_leads_from_a_question_to_its_source_video(demo_checkout):
    import polars as pl

    questions = pl.read_parquet(demo_checkout.root / "data" / "release" / "questions.parquet")
    row = questions.row(0, named=True)
    told = demo_checkout.run("p4d", "why", row["qa_id"]).stdout
    for part in (row["qa_id"], row["fact_ids"][0], row["clip_id"], row["video_id"], "md5 "):
        assert part in told
    assert "student_p4d" in demo_checkout.run("p4d", "why", "evaluation").stdout
    unknown = demo_checkout.run("p4d", "why", row["qa_id"][:-1] + "x", check=False)
    assert unknown.returncode == 1
    assert row["qa_id"] in unknown.stderr


def test_the_explorer_shows_answers_and_the_lineage_up_to_the_models(demo_checkout):
    import polars as pl
    from starlette.testclient import TestClient

    from p4d.explore.app import Explorer

    app = Explorer(Project(demo_checkout.root)).app()
    client = TestClient(app, base_url="http://127.0.0.1:3001")
    data = demo_checkout.root / "data"
    predictions = pl.read_parquet(data / "evaluation" / "predictions.parquet")
    for arm in ("blind", "p4d", "sft"):
        for result, right in (("right", True), ("wrong", False)):
            page = client.get("/questions", params={f"arm_{arm}": result}).text
            count = len(predictions.filter(arm=arm, correct=right))
            assert (f"of {count} questions" in page) if count else ("Nothing passes" in page)
    row = predictions.row(0, named=True)
    assert client.get(f"/questions/{row['qa_id']}").status_code == 200
    hashes = dvc_hashes(demo_checkout)
    page = client.get("/lineage", params={"id": row["clip_id"], "part": 1}).text
    for model in ("student_p4d", "student_sft", "evaluation", "champion"):
        assert f"md5:{hashes[model]}" in page  # what was made from the clip
    page = client.get("/lineage", params={"id": row["qa_id"]}).text
    shard = next(s for s in Project(demo_checkout.root).shards() if f"clips@{s}" in page)
    for stage in ("facts", "regions", "clips", "videos"):
        assert f"md5:{hashes[f'{stage}@{shard}']}" in page  # what the question was made from
    assert "sha256: " in page


def test_the_next_release_takes_a_verdict_of_the_explorer(own_checkout):
    import polars as pl
    from starlette.testclient import TestClient

    from p4d.explore.app import Explorer

    release = own_checkout.root / "data" / "release"
    dropped = pl.read_parquet(release / "questions.parquet")["qa_id"][0]
    app = Explorer(Project(own_checkout.root)).app()
    client = TestClient(app, base_url="http://127.0.0.1:3001")
    verdict = {"qa_id": dropped, "decision": "drop", "reason": "not visible", "annotator": "ana"}
    assert client.post("/verdicts", json=verdict).status_code == 200
    assert "release: stale" in own_checkout.run("p4d", "status").stdout
    own_checkout.run("p4d", "stage", "release")
    rejected = pl.read_parquet(release / "rejected.parquet").filter(qa_id=dropped)
    assert rejected["reason"].to_list() == ["not visible"]
    assert "dropped by reviewers" in client.get("/questions", params={"text": dropped}).text


def test_a_flipped_byte_is_found(own_checkout):
    assert own_checkout.run("p4d", "audit", "verify").returncode == 0
    victim = next((own_checkout.root / "data" / "labels").rglob("labels.safetensors"))
    payload = bytearray(victim.read_bytes())
    payload[-1] ^= 1
    victim.write_bytes(payload)
    found = own_checkout.run("p4d", "audit", "verify", check=False)
    assert found.returncode == 1
    assert str(victim.relative_to(own_checkout.root)) in found.stdout


def test_a_new_video_makes_one_shard_and_touches_no_other(own_checkout):
    before = dvc_hashes(own_checkout)
    own_checkout.run("p4d", "world", "inbox/new one.mp4", "--seed", "777001")
    own_checkout.run("python", "-m", "dagster_project", "up", "--only", "videos", "--only", "clips")
    after = dvc_hashes(own_checkout)
    assert {k: v for k, v in after.items() if k in before} == before
    assert len(after) == len(before) + 2
    assert len(list((own_checkout.root / "data" / "clips").iterdir())) == len(
        yaml.safe_load((own_checkout.root / "shards" / "index.yaml").read_text())["shards"]
    )


def test_a_superseded_version_comes_back(own_checkout, tmp_path):
    old = (own_checkout.root / "data" / "release" / "manifest.json").read_bytes()
    version = dvc_hashes(own_checkout)["release"]
    own_checkout.set_params(release={"test_fraction": 0.5})
    own_checkout.run("p4d", "stage", "release")
    assert dvc_hashes(own_checkout)["release"] != version
    own_checkout.run("p4d", "restore", "release", str(tmp_path / "old"), "--at", version[:12])
    assert (tmp_path / "old" / "manifest.json").read_bytes() == old


def test_push_and_pull_bring_everything_back(own_checkout, tmp_path):
    own_checkout.run("dvc", "remote", "add", "--default", "local", str(tmp_path / "remote"))
    own_checkout.run("dvc", "push")
    shutil.rmtree(own_checkout.root / "data" / "labels")
    shutil.rmtree(own_checkout.root / ".dvc" / "cache")
    own_checkout.run("dvc", "pull")
    assert stale_by_dvc(own_checkout) == set()


def test_metrics_and_graph_are_readable_by_dvc(demo_checkout):
    assert "evaluation" in demo_checkout.run("dvc", "dag").stdout
    assert "accuracy" in demo_checkout.run("dvc", "metrics", "show").stdout


def landing_tick(defs, checkout):
    """What the sensor asks for, what it says instead, and whether Dagster knows the shards."""
    with (
        dg.DagsterInstance.from_config(str(checkout.root / ".dagster")) as instance,
        partition_loading_context(dynamic_partitions_store=instance),
        dg.build_sensor_context(
            instance=instance, definitions=defs, resources=defs.resources
        ) as context,
    ):
        asked = defs.resolve_sensor_def("landing_sensor").evaluate_tick(context)
        keys = [(request.run_key, request.partition_key) for request in asked.run_requests]
        known = set(instance.get_dynamic_partitions("shards"))
        return keys, asked.skip_message, {key for _, key in keys} <= known


def test_the_landing_sensor_closes_a_shard_and_asks_for_its_run(own_checkout):
    own_checkout.run("p4d", "world", "inbox/dropped.mp4", "--seed", "777002")
    project = Project(own_checkout.root)
    defs = build_defs(project, inbox=Inbox(root=str(project.root), settle_s=0.0))
    first, second = (landing_tick(defs, own_checkout) for _ in range(2))
    index = yaml.safe_load((own_checkout.root / "shards" / "index.yaml").read_text())["shards"]
    ((run_key, shard),), skipped, known = first
    assert (shard, skipped, known) == (index[-1], None, True)
    # A tick that forgot the first asks with the same key, which Dagster starts only once.
    assert run_key.startswith(f"{shard} {shard} ")
    assert run_key.endswith(" 1")
    assert second == first


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs_and_shows_pictures_and_tables(path, demo_checkout, monkeypatch):
    monkeypatch.setenv("P4D_ROOT", str(demo_checkout.root))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    ]
    assert shown.count("image/png") >= 3
    assert shown.count("text/markdown") >= 3
