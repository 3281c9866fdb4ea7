"""A project of made-up questions: small artifacts, and the ledger of a large project.

Tables, cache, dvc.lock and ledger are as the pipeline would leave them, with one made-up question
per row. Fingerprints are made up as well, so the artifacts are not fresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.machine import CHECKOUT
from benchmarks.synthetic.bulk import BulkRecorder, hexdigest
from p4d.artifacts import write_bytes, write_json, write_table
from p4d.pipeline import BY_NAME
from p4d.project import Project
from p4d.sql_files import sql_files
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.lock_file import LockEntry
from p4d.versioning.files.artifact_key import ArtifactKey, data_version
from p4d.versioning.files.hashes import Digest, file_md5, tree_of
from p4d.versioning.ledger.ledger import Ledger

CLIPS_PER_SHARD, QUESTIONS_PER_CLIP, CLIPS_PER_VIDEO = 256, 16, 4
CODE_FILES, CHECKS = 40, 8


def with_all_columns(table: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return a table with every column that its staging view declares; new ones are null."""
    views = [view for view in sql_files("staging").values() if view.source == source]
    declared = {c.name for view in views for c in view.columns if not c.from_folder}
    missing = sorted(declared - set(table.columns))
    return table.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)


class QuestionsProject:
    """A synthetic project with tables of questions, and everything they derive from."""

    def __init__(self, root: Path, n_questions: int) -> None:
        self.project = Project(root)
        per_shard = min(n_questions, CLIPS_PER_SHARD * QUESTIONS_PER_CLIP)
        self.clips = max(1, per_shard // QUESTIONS_PER_CLIP)
        self.shards = [
            f"{number:04d}-{hexdigest(number)[:8]}"
            for number in range(1, max(1, n_questions // per_shard) + 1)
        ]
        self.md5: dict[str, str] = {}
        self._recorder = BulkRecorder(self.project)
        self._code = {
            f"p4d/made_up/module_{k:02d}.py": Digest(hexdigest(k)[:32], 1)
            for k in range(CODE_FILES)
        }

    def write(self) -> QuestionsProject:
        """Write one version of every artifact."""
        root = self.project.root
        for name in ("params.yaml", "dvc.yaml"):
            write_bytes(root / name, (CHECKOUT / name).read_bytes())
        text = "shards:\n" + "".join(f"- {shard}\n" for shard in self.shards)
        write_bytes(root / "shards" / "index.yaml", text.encode())
        for name in ("expert_worlds", "expert"):
            self.artifact(name, None, {"card.json": {"depth": {"absrel": 0.1}}})
        for shard in self.shards:
            self.shard(shard)
        self.rest()
        self.commit()
        return self

    def read(self) -> QuestionsProject:
        """Open what an earlier `write` left in the folder."""
        if self.project.shards() != self.shards:
            raise SystemExit(f"{self.project.root} holds another project; give an empty folder")
        for record in Ledger(self.project).records("materialization"):
            self.md5[str(ArtifactKey.of_record(record))] = record["md5"]
        table = self.project.data / "questions" / self.shards[-1] / "questions.parquet"
        self.questions = pl.read_parquet(table)
        return self

    def shard(self, shard: str, edition: int = 1, without: str | None = None) -> None:
        """Write the tables of one shard.

        Args:
            shard: its name.
            edition: each edition has other questions about the same clips.
            without: a video that was taken down: it is rejected and has no clips.
        """
        videos = [f"vid_{hexdigest('v', shard, k)[:16]}" for k in range(-(-self.clips // 4))]
        files = [
            {"file_id": v, "name": f"{v}.mp4", "relpath": f"{v}.mp4", "outcome": "ok",
             "sha256": v[4:] + hexdigest(v)[:48], "reason": None, "sidecar": None,
             "licence": "CC0-1.0", "source": "made up", "bytes": 1, "expected_clips": 4}
            for v in videos
        ]  # fmt: skip
        if not (self.project.shards_dir / f"{shard}.json").exists():
            write_json(self.project.shards_dir / f"{shard}.json", {"shard": shard, "files": files})
        numbers = [k for k in range(self.clips) if videos[k // CLIPS_PER_VIDEO] != without]
        clips = [f"clip_{hexdigest('c', shard, k)[:16]}" for k in numbers]
        video_of = [videos[k // CLIPS_PER_VIDEO] for k in numbers]
        regions = [f"reg_{hexdigest('r', clip)[:16]}" for clip in clips]
        facts, questions = [], []
        for clip, video, region in zip(clips, video_of, regions, strict=True):
            for k in range(QUESTIONS_PER_CLIP):
                fact = f"fact_{hexdigest('f', clip, k)[:16]}"
                facts.append((fact, clip, [region], k / 10))
                qa = f"qa_{hexdigest('q', clip, k, edition)[:16]}"
                questions.append((qa, clip, video, [fact], [region], k % 4))
        self.artifact(
            "videos", shard,
            {"videos.parquet": pl.DataFrame(
                {"video_id": videos, "name": [f"{v}.mp4" for v in videos],
                 "sha256": [f["sha256"] for f in files]}
            ).with_columns(
                file="files/" + pl.col("video_id") + ".mp4", licence=pl.lit("CC0-1.0"),
                source=pl.lit("made up"), duration_ns=pl.lit(10**9), has_truth=pl.lit(True),
                outcome=pl.when(pl.col("video_id") == (without or "")).then(pl.lit("rejected"))
                .otherwise(pl.lit("ok")))},
            "video_id",
        )  # fmt: skip
        self.artifact(
            "clips", shard,
            {"clips.parquet": pl.DataFrame({"clip_id": clips, "video_id": video_of}).with_columns(
                shard=pl.lit(shard), start_ns=pl.lit(0), end_ns=pl.lit(10**9),
                has_truth=pl.lit(True), scale_kind=pl.lit("metric"), outcome=pl.lit("ok"))},
            "clip_id",
        )  # fmt: skip
        self.artifact(
            "labels", shard,
            {"index.parquet": pl.DataFrame({"clip_id": clips}).with_columns(
                teacher=pl.lit("exact"), teacher_digest=pl.lit("0"), outcome=pl.lit("ok")),
             "label_stats.parquet": pl.DataFrame({"clip_id": clips}).with_columns(
                teacher=pl.lit("exact"), modality=pl.lit("depth"), coverage=pl.lit(1.0))},
            "clip_id",
        )  # fmt: skip
        self.artifact(
            "regions", shard,
            {"regions.parquet": pl.DataFrame({"region_id": regions, "clip_id": clips}).with_columns(
                mark=pl.lit(1), source=pl.lit("truth"), name=pl.lit("red box"))},
            "region_id",
        )  # fmt: skip
        columns = ["fact_id", "clip_id", "region_ids", "value"]
        self.artifact(
            "facts", shard,
            {"facts.parquet": pl.DataFrame(facts, schema=columns, orient="row").with_columns(
                kind=pl.lit("speed"), unit=pl.lit("m/s"), sigma=pl.lit(0.01))},
            "fact_id",
        )  # fmt: skip
        columns = ["qa_id", "clip_id", "video_id", "fact_ids", "region_ids", "answer_index"]
        self.questions = pl.DataFrame(questions, schema=columns, orient="row").with_columns(
            category=pl.lit("Counting"), family=pl.lit("made_up"), template=pl.lit("t"),
            question="How fast is <obj_1> of " + pl.col("clip_id") + "?",
            options=pl.lit(["1 m/s", "2 m/s", "3 m/s", "4 m/s"]), answer=pl.lit("A"),
            answer_text=pl.lit("1 m/s"), margin_sigma=pl.lit(5.0), dynamic=pl.lit(True),
            has_truth=pl.lit(True),
        )  # fmt: skip
        self.artifact("questions", shard, {"questions.parquet": self.questions}, "qa_id")

    def rest(self) -> None:
        """Write the stages that read all shards, and those after them."""
        data = self.project.data
        questions = pl.concat(
            pl.read_parquet(data / "questions" / s / "questions.parquet").with_columns(
                shard=pl.lit(s), split=pl.lit("test")
            )
            for s in self.shards
        )
        clips = pl.concat(
            pl.read_parquet(data / "clips" / s / "clips.parquet").select(
                "clip_id", "video_id", "shard", split=pl.lit("test"), group="video_id"
            )
            for s in self.shards
        )
        files = {"questions.parquet": questions, "manifest.json": {"release_id": "rel_made_up"}}
        self.artifact("release", None, files, "qa_id", clips=clips)
        for name in ("external", "mixture"):
            none = pl.DataFrame(schema={"row_id": pl.String})
            self.artifact(name, None, {"rows.parquet": none}, "row_id")
        for name in ("base_student", "student_sft", "student_p4d", "student_blind"):
            self.artifact(name, None, {"card.json": {"name": name}})
        scores = [
            {"arm": arm, "category": category, "n": 9, "accuracy": 0.5, "low": 0.4, "high": 0.6}
            for arm in ("sft", "p4d", "blind")
            for category in ("Average", "Counting")
        ]
        self.artifact(
            "evaluation", None,
            {"by_category.csv": pl.DataFrame(scores), "metrics.json": {"gain": {"value": 0.25}}},
        )  # fmt: skip
        decision = {
            "key": f"decision_{hexdigest('d')[:16]}", "order": 1, "decision": "promoted",
            "reasons": ["made up"], "challenger": data_version(self.md5["student_p4d"]),
            "incumbent": None, "champion": data_version(self.md5["student_p4d"]),
            "evaluation": data_version(self.md5["evaluation"]),
        }  # fmt: skip
        self.artifact("champion", None, {"champions.jsonl": decision, "decision.json": decision})

    def artifact(
        self,
        stage_name: str,
        shard: str | None,
        files: Mapping[str, Any],
        key: str | None = None,
        clips: pl.DataFrame | None = None,
    ) -> None:
        """Write, store and record one version of an artifact."""
        stage, made = BY_NAME[stage_name], ArtifactKey(stage_name, shard)
        out = dvc_yaml.out_path(made)
        folder = self.project.root / out
        for name, content in files.items():
            if name.endswith(".csv"):
                write_bytes(folder / name, content.write_csv().encode())
            elif name.endswith(".jsonl"):
                write_bytes(folder / name, (json.dumps(content) + "\n").encode())
            elif isinstance(content, pl.DataFrame):
                table = with_all_columns(content, f"{stage_name}/{name}")
                write_table(folder / name, table, sort_by=[key or "id"])
            else:
                write_json(folder / name, content)
        if clips is not None:
            write_table(folder / "clips.parquet", clips, sort_by=["clip_id"])
        tree = tree_of(folder)
        dvc_store.store_tree(self.project.root, folder, tree)
        upstream, deps = {}, {}
        for name in stage.reads:
            for each in self._parts(name, shard):
                upstream[each] = data_version(self.md5[each])
        for name in stage.inputs:
            path = dvc_yaml.input_path(stage, BY_NAME[name], shard)
            deps[path] = Digest(hexdigest(path)[:32] + ".dir", 1, 1)
        if stage.manifest and shard:
            manifest = dvc_yaml.manifest_path(shard)
            deps[manifest] = Digest(file_md5(self.project.root / manifest), 1)
        self.md5[str(made)] = tree.digest.md5
        self._recorder.add(
            made,
            LockEntry(
                cmd=dvc_yaml.command(made), deps={**self._code, **deps}, outs={out: tree.digest}
            ),
            tree.digest,
            code_version=hexdigest(stage_name)[:16],
            fingerprint={
                "cmd": "made up", "params": {}, "params_digest": hexdigest("p")[:16],
                "deps": {path: digest.md5 for path, digest in deps.items()},
            },
            upstream=upstream,
            git={"commit": hexdigest("c")[:40], "dirty": False}, env=hexdigest("e"),
            rows={"ok": 1},
            metrics={"release_id": "rel_made_up"} if stage_name == "release" else {},
            cost={"wall_s": 1.0, "cpu_s": 1.0, "max_rss_bytes": 1}, run_id="run-1",
            started="2026-01-01T00:00:00.000+00:00", ended="2026-01-01T00:00:01.000+00:00",
        )  # fmt: skip
        for number in range(CHECKS):
            self._recorder.add_check(
                made, name=f"check_{number}", passed=True, blocking=True, severity="critical",
                details={}, run_id="run-1", checks_version="j",
            )  # fmt: skip

    def commit(self) -> None:
        """Write the collected versions to dvc.lock and the ledger."""
        self._recorder.commit()

    def _parts(self, name: str, shard: str | None) -> list[str]:
        if not BY_NAME[name].per_shard:
            return [name]
        return [str(ArtifactKey(name, each)) for each in ([shard] if shard else self.shards)]
