"""Every file in sql/gates passes the example and finds what was broken in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest

from p4d.quality.gates import GATES, needed_upstreams
from p4d.sql_files import sql_files
from p4d.warehouse import Warehouse
from tests.sql import example_project as example

SHARD = example.SHARDS[0]
REGISTERED = {
    f"{gate.stage}/{gate.name}" for gates in GATES.values() for gate in gates if gate.kind == "sql"
}
Breaking = Callable[[pl.DataFrame], pl.DataFrame]


def put(column: str, value: object, where: pl.Expr | None = None) -> Breaking:
    """Set `column` in the first row, or in the rows where `where` holds."""

    def broken(frame: pl.DataFrame) -> pl.DataFrame:
        here = where if where is not None else pl.int_range(pl.len()) == 0
        new = pl.lit(pl.Series([value]) if isinstance(value, list) else value)
        return frame.with_columns(pl.when(here).then(new).otherwise(pl.col(column)).alias(column))

    return broken


def drop_first(frame: pl.DataFrame) -> pl.DataFrame:
    return frame[1:]


def repeat_first(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame[:1]])


def clip_id(name: str) -> pl.Expr:
    return pl.col("clip_id") == name


# gate: (table, how it is broken, the one offending row's telling values)
BROKEN: dict[str, list[tuple[str, Breaking, dict]]] = {
    "videos/ids_follow_content": [
        ("videos/{}/videos.parquet", put("sha256", "0" * 64), {"copies": 1}),
        ("videos/{}/videos.parquet", repeat_first, {"copies": 2}),
        ("videos/{}/videos.parquet", put("sha256", None), {"sha256": None}),
    ],
    "videos/frame_times_increase": [
        ("videos/{}/frames.parquet", put("pts_ns", 10**10), {"out_of_order": 1}),
        ("videos/{}/frames.parquet", drop_first, {"listed": 7, "n_frames": 8}),
    ],
    "videos/every_file_is_accounted_for": [
        ("videos/{}/videos.parquet", put("outcome", "maybe"), {"outcome": "maybe"}),
        (
            "videos/{}/videos.parquet",
            put("reason", " ", pl.col("outcome") == "rejected"),
            {"outcome": "rejected"},
        ),
    ],
    "videos/videos_are_usable": [
        # The example has one rejected video: a warning, and exactly that row.
        ("videos/{}/videos.parquet", lambda frame: frame, {"reason": "moov atom not found"}),
    ],
    "clips/every_candidate_is_accounted_for": [
        ("clips/{}/clips.parquet", put("outcome", "rejected"), {"reason": None}),
        (
            "videos/{}/videos.parquet",
            lambda frame: put("outcome", "failed", pl.col("name") == "red.mp4")(frame),
            {"video_id": example.video_id("red"), "rows": 2},
        ),
    ],
    "clips/inside_their_video": [
        (
            "clips/{}/clips.parquet",
            put("end_ns", 9 * example.SECOND, clip_id("clip_red1")),
            {"problem": "the interval ends after the video"},
        ),
        (
            "videos/{}/frames.parquet",
            # A container whose clock begins half a second in.
            lambda frame: frame.filter(
                (pl.col("video_id") != example.video_id("red")) | (pl.col("frame_index") > 0)
            ),
            {"problem": "the interval begins outside the video", "clip_id": "clip_red0"},
        ),
        (
            "clips/{}/clips.parquet",
            put("end_ns", 0),
            {"problem": "the interval is empty"},
        ),
        (
            "clips/{}/clips.parquet",
            put("frame_pts_ns", [0, 1, 2, 3]),
            {"problem": "a frame is not in the video"},
        ),
        (
            "clips/{}/clips.parquet",
            put("end_ns", example.SECOND),
            {"problem": "a frame lies outside the interval"},
        ),
    ],
    "clips/intervals_are_disjoint": [
        (
            "clips/{}/clips.parquet",
            put("start_ns", example.SECOND, clip_id("clip_red1")),
            {"overlap_ns": example.SECOND, "other_clip_id": "clip_red1"},
        ),
    ],
    "clips/some_clip_is_usable": [
        (
            "clips/{}/clips.parquet",
            lambda clips: clips.with_columns(
                outcome=pl.lit("filtered"), reason=pl.lit("blank: one colour")
            ),
            {"reasons": ["filtered: blank: one colour"]},
        ),
        ("clips/{}/clips.parquet", pl.DataFrame.clear, {"clips": 0, "reasons": []}),
    ],
    "clips/clips_are_usable": [
        ("clips/{}/clips.parquet", put("outcome", "filtered"), {"outcome": "filtered"}),
    ],
    "labels/every_clip_is_labelled": [
        ("labels/{}/index.parquet", drop_first, {"problem": "no label", "teacher": "exact"}),
        (
            "labels/{}/label_stats.parquet",
            lambda frame: frame[4:],
            {"problem": "no statistics", "teacher": "exact"},
        ),
    ],
    "labels/most_labels_are_good": [
        (
            "labels/{}/index.parquet",
            put("outcome", "failed", (pl.col("teacher") == "expert4d") & ~clip_id("clip_red0")),
            {"teacher": "expert4d", "labels": 4, "good": 1},
        ),
    ],
    "labels/no_label_failed": [
        ("labels/{}/index.parquet", put("outcome", "failed"), {"teacher": "exact"}),
    ],
    "regions/clips_are_accepted": [
        ("regions/{}/regions.parquet", put("area_px", 0), {"area_px": 0}),
        ("regions/{}/regions.parquet", put("clip_id", "clip_x"), {"clip_id": "clip_x"}),
    ],
    "regions/marks_count_up": [
        ("regions/{}/regions.parquet", put("mark", 3), {"marks": [2, 3]}),
    ],
    "regions/most_clips_succeeded": [
        (
            "regions/{}/outcomes.parquet",
            put("outcome", "failed", ~clip_id("clip_red0")),
            {"clips": 4, "failed": 3},
        ),
    ],
    "facts/every_clip_has_facts": [
        (
            "facts/{}/facts.parquet",
            lambda frame: frame.filter(~clip_id("clip_red0")),
            {"clip_id": "clip_red0", "outcome": "ok"},
        ),
        ("facts/{}/facts.parquet", lambda frame: frame.clear(), {"rows": 4}),
    ],
    "facts/values_are_measurements": [
        ("facts/{}/facts.parquet", put("value", float("nan")), {"kind": "distance"}),
        ("facts/{}/facts.parquet", put("sigma", float("inf")), {"sigma": float("inf")}),
        ("facts/{}/facts.parquet", put("end_ns", -1), {"kind": "distance"}),
    ],
    "facts/regions_are_known": [
        ("facts/{}/facts.parquet", put("region_ids", ["reg_x"]), {"region_id": "reg_x"}),
        (
            "regions/{}/regions.parquet",
            put("outcome", "filtered"),
            {"region_id": "reg_clip_red0_1", "rows": 2},
        ),
    ],
    "facts/units_match_kinds": [
        ("facts/{}/facts.parquet", put("unit", "cm"), {"expected": "m"}),
        ("facts/{}/facts.parquet", put("kind", "mood"), {"expected": None}),
    ],
    "facts/up_and_times_are_known": [
        ("facts/{}/facts.parquet", put("kind", "height_order"), {"unknown": "up"}),
        ("facts/{}/facts.parquet", put("kind", "camera_speed"), {"unknown": "times"}),
    ],
    "facts/metres_need_metric_scale": [
        ("facts/{}/facts.parquet", put("scale_kind", "relative"), {"unit": "m"}),
    ],
    "questions/letters_are_balanced": [
        (
            "questions/{}/questions.parquet",
            lambda frame: frame.with_columns(answer=pl.lit("B")),
            {"answer": "B", "share": 1.0},
        ),
    ],
    "questions/texts_are_unique": [
        (
            "questions/{}/questions.parquet",
            put("question", "2: how many objects move?"),
            {"copies": 2, "rows": 2},
        ),
    ],
    "questions/clips_are_accepted": [
        ("questions/{}/questions.parquet", put("clip_id", "clip_x"), {"clip_id": "clip_x"}),
        ("questions/{}/questions.parquet", put("video_id", "vid_x"), {"video_id": "vid_x"}),
    ],
    "questions/answers_match_options": [
        ("questions/{}/questions.parquet", put("answer", "C"), {"answer": "C", "answer_index": 0}),
        ("questions/{}/questions.parquet", put("answer_text", "2"), {"answer_text": "2"}),
        ("questions/{}/questions.parquet", put("answer_index", 4), {"answer_index": 4}),
        (
            "questions/{}/questions.parquet",
            put("options", ["0", "1", "1", "3"]),
            {"answer": "A"},
        ),
    ],
    "questions/facts_exist": [
        ("questions/{}/questions.parquet", put("fact_ids", ["fact_x"]), {"fact_id": "fact_x"}),
        (
            "facts/{}/facts.parquet",
            drop_first,
            {"fact_id": "fact_clip_red0_distance_2", "rows": 2},
        ),
    ],
    "questions/regions_exist": [
        (
            "questions/{}/questions.parquet",
            put("question", "how fast is <obj_3>?"),
            {"mark": 3, "region_id": None},
        ),
        (
            "questions/{}/questions.parquet",
            lambda frame: put("question", "how fast is <obj_1>?")(
                put("answer_text", "there is no such object")(frame)
            ),
            {"mark": 1, "region_id": None},
        ),
        (
            "questions/{}/questions.parquet",
            put("region_ids", ["reg_clip_red1_1"]),
            {"region_id": "reg_clip_red1_1"},
        ),
    ],
    "questions/metres_need_metric_scale": [
        (
            "facts/{}/facts.parquet",
            put("scale_kind", "relative", pl.col("fact_id") == "fact_clip_red0_distance_2"),
            {"unit": "m", "rows": 2},
        ),
    ],
    "release/no_leakage": [
        (
            "release/clips.parquet",
            put("split", "test", clip_id("clip_red1")),
            {"splits": ["test", "train"], "rows": 2},
        ),
        (
            "release/clips.parquet",
            put("group", example.video_id("sea"), clip_id("clip_red1")),
            {"kind": "group", "splits": ["test", "train"]},
        ),
    ],
    "release/no_copies_across_splits": [
        (
            "clips/{}/frame_hashes.parquet",
            # The first clip of red, in train, shows that of sea, in test, one frame later.
            put(
                "frame_hash",
                [example.sha("before")[:16], *example.hashes("sea", 0)["frame_hash"][:3]],
                clip_id("clip_red0"),
            ),
            {"clip_id": "clip_red0", "other_clip_id": "clip_sea0", "bits": 0.0},
        ),
    ],
    "release/no_near_duplicates_across_splits": [
        (
            "clips/{}/clips.parquet",
            # The first clip of red lies in train, those of sea in test.
            put("phash", f"{int(example.sha('sea')[:16], 16) ^ 0b111:016x}", clip_id("clip_red0")),
            {"clip_id": "clip_red0", "other_clip_id": "clip_sea0", "bits": 3, "rows": 2},
        ),
    ],
    "release/questions_are_in_their_split": [
        ("release/questions.parquet", put("split", "val"), {"clip_split": "train"}),
        ("release/questions.parquet", put("clip_id", "clip_x"), {"clip_split": None}),
    ],
    "release/questions_are_unchanged": [
        ("release/questions.parquet", put("answer_text", "7"), {"released": "A 7"}),
        ("release/questions.parquet", put("qa_id", "qa_x"), {"composed": None}),
    ],
    "release/splits_are_filled": [
        (
            "release/questions.parquet",
            put("split", "val", pl.col("split") == "test"),
            {"split": "test"},
        ),
    ],
    "external/media_are_held": [
        ("external/media.parquet", drop_first, {"row_id": "ext_a", "media": 1, "held": 0}),
        (
            "external/rows.parquet",
            lambda frame: frame.with_columns(
                questions=pl.Series([["<video> <video>"], ["Where?"]])
            ),
            {"row_id": "ext_a", "markers": 2, "media": 1, "rows": 2},
        ),
    ],
    "external/reasons_are_given": [
        ("external/rejected.parquet", put("reason", " "), {"number": 3}),
    ],
    "external/rows_are_usable": [
        ("external/rows.parquet", pl.DataFrame.clear, {"set": "own", "kept": 0, "rejected": 1}),
    ],
    "mixture/every_row_is_placed": [
        ("mixture/rows.parquet", drop_first, {"row_id": "ext_a", "split": None}),
        ("mixture/rows.parquet", put("split", "test"), {"split": "test"}),
        ("mixture/rows.parquet", put("split", "left_out"), {"split": "left_out"}),
    ],
    "mixture/no_row_shows_a_held_out_clip": [
        (
            "mixture/media.parquet",
            put("resembles_split", "test"),
            {"row_id": "ext_a", "resembles": "clip_red0"},
        ),
        (
            "mixture/media.parquet",
            put("resembles_split", "val", pl.col("media_id") == "med_b"),
            {"row_id": "ext_b", "resembles_split": "val"},
        ),
    ],
    "mixture/media_stay_in_one_split": [
        (
            "external/rows.parquet",
            put("media_ids", ["med_b"]),
            {"media_id": "med_b", "splits": ["held_out", "train"]},
        ),
    ],
    "evaluation/every_question_is_answered": [
        ("evaluation/predictions.parquet", drop_first, {"answers": 0, "arm": "p4d"}),
        ("evaluation/predictions.parquet", repeat_first, {"answers": 2, "arm": "p4d"}),
    ],
    "evaluation/scores_follow_from_answers": [
        ("evaluation/predictions.parquet", put("correct", False), {"arm": "p4d"}),
    ],
}

CASES = [(gate, *case) for gate, cases in BROKEN.items() for case in cases]


def offenders(tmp_path, made, gate: str) -> pl.DataFrame:
    root = example.write(tmp_path, made)
    stage = gate.partition("/")[0]
    return Warehouse.over(example.folders(root, stage, needed_upstreams(stage))).gate(gate)


@pytest.mark.parametrize("gate", sorted(sql_files("gates")))
def test_gate_passes_the_consistent_project(gate, tables, tmp_path):
    assert gate in REGISTERED, "no stage runs this gate: register it in p4d/quality/gates.py"
    assert gate in BROKEN, "no test shows that this gate can fail"
    found = offenders(tmp_path, tables, gate)
    declared = {column.name: column.type for column in sql_files("gates")[gate].columns}
    assert list(declared) == found.columns
    if gate != "videos/videos_are_usable":
        assert found.is_empty(), found


@pytest.mark.parametrize(("gate", "path", "broken", "telling"), CASES)
def test_gate_finds_what_is_broken(gate, path, broken, telling, tables, tmp_path):
    path = path.format(SHARD)
    tables[path] = broken(tables[path])
    found = offenders(tmp_path, tables, gate).to_dicts()
    expected = dict(telling)
    assert len(found) == expected.pop("rows", 1), found
    assert {name: found[0][name] for name in expected} == expected


REFUSED_UNREAD = {
    "video_id": "vid_0123456789abcdef",
    "name": "huge.mp4",
    "sha256": None,
    "bytes": 10**12,
    "licence": "unstated",
    "outcome": "rejected",
    "reason": "larger than 1000 bytes (landing.max_file_bytes); cut it",
}


@pytest.mark.parametrize("stage", ["videos", "clips"])
def test_file_refused_unread_stops_no_gate(stage, tables, tmp_path):
    path = f"videos/{SHARD}/videos.parquet"
    row = pl.DataFrame([REFUSED_UNREAD]).cast({"sha256": pl.String})
    tables[path] = pl.concat([tables[path], row], how="diagonal")
    for gate in GATES[stage]:
        if gate.blocking and gate.kind == "sql":
            assert offenders(tmp_path, tables, f"{stage}/{gate.name}").is_empty(), gate.name


def fail_clips(tables, stage: str, names: tuple[str, ...]) -> None:
    here = pl.col("clip_id").is_in(names)
    facts, outcomes = f"facts/{SHARD}/facts.parquet", f"{stage}/{SHARD}/outcomes.parquet"
    tables[facts] = tables[facts].filter(~here)
    tables[outcomes] = put("reason", "broken", here)(
        put("outcome", "failed", here)(tables[outcomes])
    )


def test_one_clip_that_could_not_be_measured_stops_no_shard_but_most_do(tables, tmp_path):
    fail_clips(tables, "facts", ("clip_red0", "clip_red1"))
    assert offenders(tmp_path, tables, "facts/every_clip_has_facts").is_empty()
    fail_clips(tables, "facts", ("clip_sea0",))
    found = offenders(tmp_path, tables, "facts/every_clip_has_facts")
    assert found["clip_id"].to_list() == ["clip_red0", "clip_red1", "clip_sea0"]
    assert set(found["reason"]) == {"broken"}


def test_clips_without_regions_need_no_facts(tables, tmp_path):
    for stage in ("regions", "facts"):
        path = f"{stage}/{SHARD}/{stage}.parquet"
        tables[path] = tables[path].filter(~clip_id("clip_red0"))
    assert offenders(tmp_path, tables, "facts/every_clip_has_facts").is_empty()


def test_release_that_promises_no_distance_fails(tables, tmp_path):
    root = example.write(tmp_path, tables)
    path = root / "data/release/manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["duplicate_hamming_bits"]
    path.write_text(json.dumps(manifest))
    folders = example.folders(root, "release", needed_upstreams("release"))
    assert not Warehouse.over(folders).gate("release/no_near_duplicates_across_splits").is_empty()
