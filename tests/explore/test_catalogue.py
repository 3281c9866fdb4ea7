"""The lists are the rows of the published tables, follow changes, and survive damaged files."""

from datetime import UTC, datetime

import polars as pl
import pytest

from p4d.artifacts import write_table
from p4d.errors import QueryError
from p4d.explore import filters
from p4d.explore.catalogue import MEASURES, CatalogueReader
from p4d.explore.question_rows import DROPPED, LEFT_OUT, RELEASED, SUPERSEDED
from p4d.review.verdicts import Verdict, add_verdicts, apply_verdicts, read_verdicts, resolve
from p4d.video.landing import reject


@pytest.fixture(scope="module")
def catalogue(made):
    return CatalogueReader(made.project).catalogue()


def verdict(qa_id, decision, **more):
    return Verdict(
        batch="review_0123456789abcdef", qa_id=qa_id, decision=decision, annotator="ana",
        reason="" if decision == "accept" else "a reason", at=datetime.now(UTC).isoformat(), **more,
    )  # fmt: skip


def ids(rows, column):
    return set(rows[column].to_list())


def test_every_row_of_the_tables_is_listed_once(made, catalogue):
    assert sorted(catalogue.videos["video_id"]) == sorted(
        made.table("videos", "videos.parquet")["video_id"]
    )
    assert sorted(catalogue.clips["clip_id"]) == sorted(
        made.table("clips", "clips.parquet")["clip_id"]
    )
    questions = made.table("questions", "questions.parquet")
    assert sorted(catalogue.questions["qa_id"]) == sorted(questions["qa_id"])
    assert ids(catalogue.questions, "standing") == {RELEASED}
    assert (
        catalogue.refusals["count"].sum()
        == made.table("questions", "refusals.parquet")["count"].sum()
    )
    assert catalogue.arms == ("sft", "p4d", "blind")
    assert catalogue.unreadable == ()


def test_the_first_fault_of_any_stage_is_the_outcome_of_a_clip(own):
    shard = own.project.shards()[0]
    path = own.data / "facts" / shard / "outcomes.parquet"
    table = pl.read_parquet(path)
    before = CatalogueReader(own.project).catalogue().clips
    failed = before.filter(outcome="ok", shard=shard)["clip_id"][0]
    write_table(
        path,
        table.with_columns(
            outcome=pl.when(pl.col("clip_id") == failed)
            .then(pl.lit("failed"))
            .otherwise("outcome"),
            reason=pl.when(pl.col("clip_id") == failed).then(pl.lit("no camera")),
        ),
        sort_by=["clip_id"],
    )
    catalogue = CatalogueReader(own.project).catalogue()
    row = catalogue.clip(failed)
    assert (row["outcome"], row["at_stage"], row["reason"]) == ("failed", "facts", "no camera")
    found = filters.matching_clips(catalogue, {"outcome": "failed", "reason": "no camera"})
    assert found["clip_id"].to_list() == [failed]


def test_a_filter_finds_what_a_plain_reading_of_the_tables_finds(made, catalogue):
    questions = made.table("questions", "questions.parquet").to_dicts()
    predictions = made.table("evaluation", "predictions.parquet").to_dicts()
    right = {(row["arm"], row["qa_id"]): row["correct"] for row in predictions}
    split = dict(made.table("release", "clips.parquet").select("clip_id", "split").iter_rows())
    category = questions[0]["category"]

    def expected(holds):
        return {row["qa_id"] for row in questions if holds(row)}

    cases = [
        ({"category": category}, lambda row: row["category"] == category),
        ({"split": "test"}, lambda row: split[row["clip_id"]] == "test"),
        (
            {"arm_p4d": "right", "arm_sft": "wrong"},
            lambda row: right.get(("p4d", row["qa_id"])) is True
            and right.get(("sft", row["qa_id"])) is False,
        ),
        ({"text": "WHICH"}, lambda row: "which" in row["question"].lower()),
        ({"text": "<obj_1>"}, lambda row: "<obj_1>" in row["question"]),
        ({"category": category, "split": "train"},
         lambda row: row["category"] == category and split[row["clip_id"]] == "train"),
        ({"verdict": "none"}, lambda row: True),
        ({"verdict": "any"}, lambda row: False),
        ({"verdict": "drop"}, lambda row: False),
        ({"family": "no such family"}, lambda row: False),
    ]  # fmt: skip
    for query, holds in cases:
        wanted = expected(holds)
        assert ids(filters.matching_questions(catalogue, query), "qa_id") == wanted, query
        if query.keys() <= {"category", "arm_p4d", "arm_sft"}:
            clips = {row["clip_id"] for row in questions if row["qa_id"] in wanted}
            assert ids(filters.matching_clips(catalogue, query), "clip_id") == clips
    assert len(expected(cases[2][1])) == 8  # of 16 test questions, sft answers every second one


def test_refused_candidates_lead_to_their_clips(made, catalogue):
    refused = made.table("questions", "refusals.parquet")
    row = refused.row(0, named=True)
    of_family = refused.filter(family=row["family"])
    for query, expected in (
        ({"refused_family": row["family"]}, of_family),
        ({"refused_reason": row["reason"]}, refused.filter(reason=row["reason"])),
        ({"refused_family": row["family"], "refused_reason": row["reason"]},
         of_family.filter(reason=row["reason"])),
        ({"refused_family": "no such family"}, refused.clear()),
    ):  # fmt: skip
        found = filters.matching_clips(catalogue, query)
        assert ids(found, "clip_id") == ids(expected, "clip_id")
    listed = filters.matching_refusals(catalogue, {"family": row["family"]})
    assert listed["count"].sum() == of_family["count"].sum()
    (line,) = listed.filter(reason=row["reason"], category=row["category"]).to_dicts()
    assert line["clips"] == of_family.filter(reason=row["reason"])["clip_id"].n_unique()


def test_clips_are_sorted_by_the_worst_label_first(made, catalogue):
    stats = made.table("labels", "label_stats.parquet")
    for measure in MEASURES:
        found = filters.matching_clips(catalogue, {"measure": measure})
        best_is_high = measure in ("coverage", "motion_iou")
        of = pl.col(measure)
        worst = stats.group_by("clip_id").agg(of.min() if best_is_high else of.max())
        expected = worst.drop_nulls().sort(measure, descending=not best_is_high)[measure]
        assert found[measure].to_list() == expected.to_list(), measure
    limit = float(catalogue.clips["depth_absrel"].median())
    found = filters.matching_clips(catalogue, {"measure": "depth_absrel", "least": str(limit)})
    assert 0 < len(found) < len(catalogue.clips)
    assert found["depth_absrel"].min() >= limit


def test_pages_hold_every_row_once_in_the_order_of_the_list(catalogue):
    rows = filters.matching_questions(catalogue, {})
    pages = [filters.page_of(rows, {"page": str(k)}, 25) for k in range(1, 8)]
    seen = [row["qa_id"] for page in pages for row in page.rows]
    assert pages[0].pages == 7
    assert seen == rows["qa_id"].to_list()
    assert [page.first for page in pages] == [1, 26, 51, 76, 101, 126, 151]
    assert filters.page_of(rows, {"page": "99"}, 25).rows == pages[-1].rows


@pytest.mark.parametrize(
    "query",
    [{"page": "-1"}, {"page": "0"}, {"page": "1.5"}, {"page": "²"}, {"page": "9" * 12}],
)
def test_a_page_that_is_no_number_is_named(catalogue, query):
    with pytest.raises(QueryError, match="a page is a number from 1"):
        filters.page_of(catalogue.clips, query, 10)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"measure": "beauty"}, "beauty"),
        ({"measure": "coverage", "least": "nan"}, "least"),
        ({"measure": "coverage", "most": "x"}, "most"),
        ({"arm_p4d": "maybe"}, "arm_p4d"),
    ],
)
def test_a_filter_that_cannot_be_read_is_named(catalogue, query, named):
    with pytest.raises(QueryError, match=named):
        filters.matching_clips(catalogue, query)


def test_verdicts_and_the_next_release_appear_without_a_restart(own):
    reader = CatalogueReader(own.project)
    test = reader.catalogue().questions.filter(split="test").sort("qa_id")["qa_id"].to_list()
    accepted, fixed, dropped = test[:3]
    add_verdicts(
        own.root / "reviews",
        [
            verdict(accepted, "accept"), verdict(dropped, "drop"),
            verdict(fixed, "fix", question="Is <obj_1> there?"),
        ],
    )  # fmt: skip
    by_id = {q: reader.catalogue().question(q)["verdict"] for q in (accepted, fixed, dropped)}
    assert by_id == {accepted: "accept", fixed: "fix", dropped: "drop"}
    assert ids(reader.catalogue().questions.filter(standing=RELEASED), "qa_id") >= set(test)

    # As the next release has them; `apply_verdicts` is what builds it.
    path = own.data / "release" / "questions.parquet"
    released = pl.read_parquet(path)
    applied = apply_verdicts(
        released.drop("review", "fixed_from"), resolve(read_verdicts(own.root / "reviews"))
    )
    write_table(path, applied.questions.select(released.columns), sort_by=["qa_id"])
    catalogue = reader.catalogue()
    shown = catalogue.question(fixed)
    assert shown["qa_id"] != fixed
    assert shown["composed_id"] == fixed
    assert (shown["question"], shown["verdict"]) == ("Is <obj_1> there?", "fix")
    assert shown["standing"] == RELEASED
    assert catalogue.question(dropped)["standing"] == DROPPED
    assert len(catalogue.questions) == len(released)


def test_a_question_that_changed_since_the_release_is_shown_as_both(own):
    shard = own.project.shards()[0]
    path = own.data / "questions" / shard / "questions.parquet"
    table = pl.read_parquet(path).sort("qa_id")
    old = table["qa_id"][0]
    renamed = table.with_columns(pl.col("qa_id").replace({old: "qa_ffffffffffffffff"}))
    write_table(path, renamed, sort_by=["qa_id"])
    catalogue = CatalogueReader(own.project).catalogue()
    assert catalogue.question(old)["standing"] == SUPERSEDED
    assert catalogue.question("qa_ffffffffffffffff")["standing"] == LEFT_OUT


def test_a_video_that_was_taken_down_is_known_before_anything_is_rebuilt(own):
    video = own.clip(name="world_1.mp4")["video_id"]
    reject(own.project, video, "taken down: asked by its owner")
    catalogue = CatalogueReader(own.project).catalogue()
    assert catalogue.video(video)["taken_down"] == "asked by its owner"
    taken_down = catalogue.clips.filter(pl.col("taken_down").is_not_null())
    assert ids(taken_down, "video_id") == {video}


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("videos", "videos.parquet"), ("clips", "clips.parquet"), ("labels", "index.parquet"),
        ("labels", "label_stats.parquet"), ("regions", "outcomes.parquet"),
        ("questions", "questions.parquet"), ("questions", "refusals.parquet"),
        ("release", "questions.parquet"), ("evaluation", "predictions.parquet"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["cut", "text", "columns", "empty", "pages"])
def test_a_damaged_file_is_named_and_costs_only_what_it_holds(own, stage, name, damage):
    first, second = own.project.shards()
    folder = own.data / stage
    path = folder / first / name if (folder / first).is_dir() else folder / name
    whole = path.read_bytes()
    if damage == "columns":
        write_table(path, pl.DataFrame({"other": [1]}), sort_by=["other"])
    else:
        path.unlink()
        footer = int.from_bytes(whole[-8:-4], "little") + 8
        path.write_bytes(
            {
                "cut": whole[: len(whole) // 2], "text": b"no table", "empty": b"",
                "pages": whole[:4] + bytes(len(whole) - footer - 4) + whole[-footer:],
            }[damage]
        )  # fmt: skip
    catalogue = CatalogueReader(own.project).catalogue()
    named = [each.path for each in catalogue.unreadable]
    assert named == [path.relative_to(own.root).as_posix()]
    assert all(each.reason for each in catalogue.unreadable)
    of_second = pl.col("shard") == second
    assert len(catalogue.videos.filter(of_second)) == 1
    (path.unlink(), path.write_bytes(whole))
    assert CatalogueReader(own.project).catalogue().unreadable == ()


def test_a_review_file_that_was_edited_is_named(own):
    add_verdicts(own.root / "reviews", [verdict("qa_0000000000000000", "accept")])
    (path,) = (own.root / "reviews").glob("*.jsonl")
    path.write_text(path.read_text().replace("accept", "reject"))
    (named,) = CatalogueReader(own.project).catalogue().unreadable
    assert named.path == "reviews/"
    assert "reject" in named.reason


def test_a_project_that_is_still_being_made_has_empty_lists(own):
    for stage in ("evaluation", "release", "questions", "facts", "regions", "labels"):
        for path in sorted((own.data / stage).rglob("*.parquet")):
            path.unlink()
        catalogue = CatalogueReader(own.project).catalogue()
        assert catalogue.unreadable == ()
        assert len(catalogue.clips) == 14
    assert catalogue.questions.is_empty()
    assert catalogue.refusals.is_empty()
    assert catalogue.arms == ()
