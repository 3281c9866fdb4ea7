"""A large project for the explorer: every table that it reads, with the columns of the pipeline.

Made of `questions_project.py` (ledger, cache, dvc.lock), whose tables are written again with the
types, counts and texts that real ones have: some 480 facts and 100 refusals per clip, three
students. One shard has arrays as well, so that the page of a clip and its pictures can be measured.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.synthetic.questions_project import QuestionsProject
from p4d.artifacts import write_arrays, write_table
from p4d.categories import CATEGORIES
from p4d.explore import tables
from p4d.questions.asking.refusals import REASONS
from p4d.questions.facts import table as facts
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

FACTS_PER_CLIP, REFUSALS_PER_CLIP, FRAMES, FRAME_PX, MAP_PX = 480, 100, 8, 64, 32
ARMS = ("blind", "p4d", "sft")
INSTANTS_NS = (0, 500_000_000, 1_250_000_000, 1_750_000_000)


def write(root: Path, questions: int) -> QuestionsProject:
    """Write the project.

    Args:
        root: a folder that does not exist.
        questions: about how many; shards of 256 clips with 16 questions each.
    """
    made = QuestionsProject(root, questions).write()
    for number, shard in enumerate(made.shards):
        _write_shard(made, shard, number)
    _write_arrays(made, made.shards[0])
    _write_release(made)
    return made


def _read(made: QuestionsProject, stage: str, shard: str, name: str) -> pl.DataFrame:
    return pl.read_parquet(made.project.data / stage / shard / name)


def _write(made: QuestionsProject, stage: str, shard: str, name: str, table: pl.DataFrame) -> None:
    keys = {"videos": "video_id", "questions": "qa_id", "regions": "region_id"}
    key = [keys.get(stage, "clip_id")] if name != "outcomes.parquet" else ["clip_id"]
    more = {
        "refusals.parquet": ["clip_id", "family", "reason"],
        "label_stats.parquet": ["clip_id", "teacher", "modality"],
        "index.parquet": ["clip_id", "teacher"],
        "facts.parquet": ["clip_id", "fact_id"],
    }
    write_table(made.project.data / stage / shard / name, table, sort_by=more.get(name, key))


def _typed(table: pl.DataFrame, schema: tables.Schema) -> pl.DataFrame:
    """The table with all columns of the schema; those that it lacks, or has as text, are null."""
    kept = [name for name in schema if name in table.columns and table[name].null_count() == 0]
    added = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in kept]
    return table.select(kept).with_columns(added).cast(pl.Schema(schema))


def _write_shard(made: QuestionsProject, shard: str, number: int) -> None:
    rng = np.random.default_rng(number)
    videos = _typed(_read(made, "videos", shard, "videos.parquet"), tables.VIDEOS)
    sizes = {"width_px": 1280, "height_px": 720, "duration_ns": 8 * 10**9}
    videos = videos.with_columns(codec=pl.lit("h264"), **{k: pl.lit(v) for k, v in sizes.items()})
    _write(made, "videos", shard, "videos.parquet", videos)
    clips = _read(made, "clips", shard, "clips.parquet")
    steps = pl.lit([k * 250_000_000 for k in range(FRAMES)])
    clips = _typed(clips, tables.CLIPS).with_columns(
        end_ns=pl.lit(2 * 10**9), frame_pts_ns=steps, frame_index=pl.lit(list(range(FRAMES)))
    )
    _write(made, "clips", shard, "clips.parquet", clips)
    ids = clips["clip_id"]
    ok = pl.DataFrame({"clip_id": ids}).with_columns(
        outcome=pl.lit("ok"), reason=pl.lit(None, pl.String)
    )
    for stage in ("regions", "facts"):
        _write(made, stage, shard, "outcomes.parquet", ok)
    _write_labels_tables(made, shard, ids, rng)
    regions = _read(made, "regions", shard, "regions.parquet").with_columns(
        mark=pl.lit(1), area_px=pl.lit(100), visible_frames=pl.lit(8), outcome=pl.lit("ok"),
    )  # fmt: skip
    _write(made, "regions", shard, "regions.parquet", regions)
    _write(made, "facts", shard, "facts.parquet", _facts(made, shard, regions, rng))
    questions = _read(made, "questions", shard, "questions.parquet")
    kinds = pl.int_range(pl.len()) % len(CATEGORIES)
    questions = _typed(questions, tables.QUESTIONS).with_columns(
        category=kinds.replace_strict(dict(enumerate(CATEGORIES)), return_dtype=pl.String),
        family=pl.concat_str(pl.lit("family_"), pl.int_range(pl.len()) % 60),
    )
    _write(made, "questions", shard, "questions.parquet", questions)
    refused = pl.DataFrame(
        {
            "clip_id": np.repeat(ids.to_numpy(), REFUSALS_PER_CLIP),
            "family": [f"family_{k // len(REASONS)}" for k in range(REFUSALS_PER_CLIP)] * len(ids),
            "reason": [REASONS[k % len(REASONS)] for k in range(REFUSALS_PER_CLIP)] * len(ids),
            "count": rng.integers(1, 20, len(ids) * REFUSALS_PER_CLIP),
        }
    ).with_columns(category=pl.lit("Counting"))
    _write(made, "questions", shard, "refusals.parquet", refused)


def _write_labels_tables(
    made: QuestionsProject, shard: str, ids: pl.Series, rng: np.random.Generator
) -> None:
    teachers = ("exact", "expert4d")
    index = pl.concat(
        pl.DataFrame({"clip_id": ids}).with_columns(
            teacher=pl.lit(teacher), scale_kind=pl.lit("metric"), outcome=pl.lit("ok"),
            reason=pl.lit(None, pl.String),
        )
        for teacher in teachers
    )  # fmt: skip
    _write(made, "labels", shard, "index.parquet", index)
    stats = pl.concat(
        _typed(
            pl.DataFrame({"clip_id": ids}).with_columns(
                teacher=pl.lit(teacher), modality=pl.lit(modality), coverage=pl.lit(1.0),
                depth_absrel=pl.Series(rng.uniform(0, 0.4, len(ids))),
            ),
            tables.LABEL_STATS,
        )
        for teacher in teachers
        for modality in ("depth", "flow", "motion", "rays")
    )  # fmt: skip
    _write(made, "labels", shard, "label_stats.parquet", stats)


def _facts(
    made: QuestionsProject, shard: str, regions: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """The fact of each question, and as many more as real clips have."""
    own = _read(made, "facts", shard, "facts.parquet").select("fact_id", "clip_id", "region_ids")
    more = FACTS_PER_CLIP - len(own) // len(regions)
    places = np.arange(len(regions) * more)
    rest = pl.DataFrame(
        {
            "fact_id": [f"fact_{shard[:4]}{place:012x}" for place in places],
            "clip_id": np.repeat(regions["clip_id"].to_numpy(), more),
            "region_ids": [[region] for region in np.repeat(regions["region_id"].to_numpy(), more)],
        }
    )
    table = pl.concat([own, rest])
    order = pl.int_range(pl.len())
    at = (order % len(INSTANTS_NS)).replace_strict(
        dict(enumerate(INSTANTS_NS)), return_dtype=pl.Int64
    )
    return table.with_columns(
        kind=pl.concat_str(pl.lit("kind_"), order // len(INSTANTS_NS) % 40),
        start_ns=at, end_ns=at, value=pl.Series(rng.uniform(0, 4, len(table))),
        value_text=pl.lit(None, pl.String), unit=pl.lit("m"), sigma=pl.lit(0.02),
        frame=pl.lit("world"), method=pl.lit("made up"), scale_kind=pl.lit("metric"),
        teacher=pl.lit("exact"), teacher_digest=pl.lit("0"),
    ).select(list(facts.SCHEMA))  # fmt: skip


def _write_arrays(made: QuestionsProject, shard: str) -> None:
    rng, data = np.random.default_rng(1), made.project.data
    frames, masks, labels = {}, {}, LabelWriter()
    step = np.linspace(0, 1, FRAME_PX)
    for clip_id in _read(made, "clips", shard, "clips.parquet")["clip_id"]:
        shade = rng.uniform(40, 200, 3)
        picture = step[:, None, None] * shade + step[None, :, None] * 40
        frames[f"{clip_id}.rgb_thw3"] = np.repeat(picture[None].astype(np.uint8), FRAMES, 0)
        mask = np.zeros((1, FRAMES, FRAME_PX, FRAME_PX), np.uint8)
        mask[:, :, 20:40, 24:44] = 1
        masks[f"{clip_id}.masks_kthw"] = mask
        for teacher in ("exact", "expert4d"):
            labels.add(clip_id, teacher, _label(rng))
    write_arrays(data / "clips" / shard / "frames.safetensors", frames)
    write_arrays(data / "regions" / shard / "masks.safetensors", masks)
    labels.write(data / "labels" / shard)


def _label(rng: np.random.Generator) -> LabelArrays:
    shape = (FRAMES, MAP_PX, MAP_PX)
    pose = np.repeat(np.eye(4)[None], FRAMES, 0)
    return LabelArrays(
        depth_thw=rng.uniform(1, 5, shape).astype(np.float32),
        valid_thw=np.ones(shape, bool),
        flow_px_thw2=rng.uniform(-1, 1, (*shape, 2)).astype(np.float32),
        flow_valid_thw=np.ones(shape, bool),
        motion_thw=rng.uniform(0, 1, shape).astype(np.float32),
        world_T_cam_t44=pose,
        K_t33=np.repeat(np.diag([30.0, 30.0, 1.0])[None], FRAMES, 0),
    )


def _write_release(made: QuestionsProject) -> None:
    data = made.project.data
    parts = [
        _read(made, "questions", shard, "questions.parquet").with_columns(shard=pl.lit(shard))
        for shard in made.shards
    ]
    split = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    released = pl.concat(parts).with_columns(
        split=split, review=pl.lit(None, pl.String), fixed_from=pl.lit(None, pl.String)
    )
    write_table(data / "release" / "questions.parquet", released, sort_by=["qa_id"])
    asked = released.filter(split="test")
    rng = np.random.default_rng(2)
    answered = [
        asked.select("qa_id", "answer_index").with_columns(
            arm=pl.lit(arm), predicted_index=pl.Series(rng.integers(0, 4, len(asked))),
            text=pl.lit(None, pl.String),
        )
        for arm in ARMS
    ]  # fmt: skip
    predictions = pl.concat(answered).with_columns(
        correct=pl.col("predicted_index") == pl.col("answer_index")
    )
    path = data / "evaluation" / "predictions.parquet"
    write_table(path, predictions, sort_by=["arm", "qa_id"])
