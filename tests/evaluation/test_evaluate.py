import json
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import read_json
from p4d.errors import ContractError
from p4d.evaluation.answering.ask import AskSettings, ask
from p4d.evaluation.answering.replies import Journal, Reply
from p4d.evaluation.comparison import compare, render
from p4d.evaluation.evaluate import EvaluateSettings
from p4d.evaluation.scoring.statistics import Bootstrap
from p4d.students.data.clip_reader import Visual
from p4d.students.data.packer import Packer
from p4d.students.data.questions import Question
from p4d.students.model.student import load
from tests.evaluation import asked
from tests.evaluation.benchmarks import files
from tests.students import tiny
from tests.students.model.published.checkpoints import FAMILIES as PUBLISHED
from tests.students.model.published.checkpoints import write_checkpoint
from tests.video.media import ROOT

RESULTS = ("predictions.parquet", "metrics.json", "by_category.csv", "index.html")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate")
    model = asked.student(root)
    bench = files.r4d_bench(root / "bench")
    found = asked.run(bench, model, root / "out")
    return root, model, bench, found


def test_every_item_is_a_row_and_bad_ones_are_in_no_mean(done):
    root, _, _, found = done
    rows = pl.read_parquet(root / "out" / "predictions.parquet")
    assert found["outcomes"] == {"ok": 4, "rejected": 5}
    ok = rows.filter(pl.col("outcome") == "ok")
    assert found["scores"]["likelihood"]["Average"]["n"] == len(ok) == 4
    assert found["accuracy"] == pytest.approx(ok["likelihood"].mean())
    assert rows.filter(pl.col("outcome") != "ok")["reason"].null_count() == 0
    assert found["chance"] == pytest.approx((2 / 5 + 2 / 4) / 4, abs=1e-6)


def test_unparsed_text_is_scored_in_three_ways(done):
    root, _, _, found = done
    ok = pl.read_parquet(root / "out" / "predictions.parquet").filter(pl.col("outcome") == "ok")
    unparsed = ok.filter(pl.col("parsed_index").is_null())
    assert len(unparsed) == found["unparsed"]
    assert (unparsed["text_wrong"] == 0).all()
    assert unparsed["text_excluded"].null_count() == len(unparsed)
    assert unparsed["text_random"].is_in([0.0, 1.0]).all()


def test_a_killed_run_resumes_and_ends_the_same(done, tmp_path):
    root, model, bench, _ = done
    out = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-m", "tests.evaluation.asked", str(bench), str(model), str(out)],
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    journal = out / "replies.jsonl"
    half = journal.read_text()
    assert 0 < half.count("qa_id") < (root / "out" / "replies.jsonl").read_text().count("qa_id")
    assert not (out / "metrics.json").exists()
    journal.write_text(half + '[{"qa_id": "incomplete')  # a line cut off by the kill
    asked.run(bench, model, out)
    for name in (*RESULTS, "replies.jsonl"):
        assert (out / name).read_bytes() == (root / "out" / name).read_bytes()


def test_answers_of_another_run_are_not_mixed(done, tmp_path):
    root, model, bench, _ = done
    with pytest.raises(ContractError, match="another run"):
        asked.run(bench, model, root / "out", replace(asked.SETTINGS, limit=2))
    with pytest.raises(ContractError, match="no model"):
        asked.run(bench, tmp_path, tmp_path / "out")


def test_a_video_that_cannot_be_decoded_fails_its_items_alone(done, tmp_path):
    _, model, _, _ = done
    bench = files.r4d_bench(tmp_path / "bench")
    path = bench / "videos" / "vlm4d" / "b.mp4"
    path.write_bytes(path.read_bytes()[:600])
    found = asked.run(bench, model, tmp_path / "out")
    assert found["outcomes"] == {"failed": 2, "ok": 2, "rejected": 5}
    rows = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    reasons = rows.filter(pl.col("outcome") == "failed")["reason"].to_list()
    assert all("b.mp4" in reason for reason in reasons)


def test_a_limit_asks_a_fixed_subset(done, tmp_path):
    _, model, bench, _ = done
    settings = replace(asked.SETTINGS, limit=2, likelihood=False, prompt="benchmark")
    found = asked.run(bench, model, tmp_path, settings)
    assert found["outcomes"]["ok"] == 2
    assert found["primary_metric"] == "text_wrong"
    assert "likelihood" not in found["scores"]


def test_numbers_are_scored_by_relative_accuracy(done, tmp_path, monkeypatch):
    _, model, _, _ = done
    texts = {"0": "about 2.2 m", "1": "B", "2": "no idea"}  # the truth of the first is 2.0
    monkeypatch.setattr(
        "p4d.evaluation.evaluate.ask",
        lambda student, questions, *rest, **more: {
            question.qa_id: Reply(question.qa_id, text=texts[question.qa_id])
            for question in questions
        },
    )
    found = asked.run(files.vsti_bench(tmp_path / "vsti"), model, tmp_path / "out")
    assert found["outcomes"] == {"ok": 3, "rejected": 1}
    assert found["primary_metric"] == "text_wrong"
    assert found["mean_relative_accuracy"] == pytest.approx(0.9)
    assert found["accuracy"] == pytest.approx((0.9 + 1 + 0) / 3, abs=1e-6)
    assert found["over_types"]["text_wrong"]["mean_of_types"] == pytest.approx(1.9 / 3, abs=1e-6)


def test_numeric_questions_get_generated_text(done, tmp_path):
    _, model, _, _ = done
    asked.run(files.vsti_bench(tmp_path / "vsti"), model, tmp_path / "out")
    rows = pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(kind="numeric")
    (row,) = rows.to_dicts()
    assert row["text"] is not None
    assert row["option_logp"] == []
    expected = None if row["parsed_value"] is None else row["text_wrong"]
    assert row["text_excluded"] == expected


def test_the_page_is_whole_without_a_network(done):
    root, _, _, _ = done
    page = (root / "out" / "index.html").read_text()
    assert not re.search(r"(src|href)=['\"](?!data:)", page)
    assert "<script" not in page
    assert "&lt;obj_1&gt;" in page
    assert page.count("data:image/jpeg;base64,") >= 5
    assert "is not among the options" in page  # what was not asked, with the reason


def test_pairs_are_compared_on_shared_items(done, tmp_path):
    root, _, bench, first = done
    other = asked.student(tmp_path, seed=12)
    second = asked.run(bench, other, tmp_path / "out")
    found = compare(root / "out", tmp_path / "out", Bootstrap(100, 0.95))
    assert found["shared"] == 4
    assert found["gain"]["Average"]["value"] == pytest.approx(
        second["accuracy"] - first["accuracy"], abs=1e-5
    )
    assert found["second_better"] - found["first_better"] == pytest.approx(
        4 * found["gain"]["Average"]["value"], abs=1e-4
    )
    assert "Average" in render(found)
    nothing = compare(root / "out", root / "out", Bootstrap(100, 0.95))
    assert nothing["gain"]["Average"]["value"] == 0


def test_other_versions_of_a_benchmark_are_not_compared(done, tmp_path):
    root, model, _, _ = done
    bench = files.r4d_bench(tmp_path / "bench")
    records = json.loads((bench / "test.json").read_text())
    records[1]["answer"] = 2
    files.write_json(bench / "test.json", records)
    asked.run(bench, model, tmp_path / "out")
    with pytest.raises(ContractError, match="different versions"):
        compare(root / "out", tmp_path / "out", Bootstrap(100, 0.95))


def test_a_journal_takes_whole_batches(tmp_path):
    path = tmp_path / "replies.jsonl"
    journal = Journal(path, {"model": "a"})
    journal.add([Reply("q1", (-0.5, -1.0)), Reply("q2", text="B")])
    with path.open("a") as stream:
        stream.write('[{"qa_id": "q3", "option_logp": [], "text": null, "failure": null}]')
    again = Journal(path, {"model": "a"})
    assert again.replies == {"q1": Reply("q1", (-0.5, -1.0)), "q2": Reply("q2", text="B")}
    again.add([Reply("q3", failure="no video")])
    assert set(Journal(path, {"model": "a"}).replies) == {"q1", "q2", "q3"}
    with pytest.raises(ContractError, match="another run"):
        Journal(path, {"model": "b"})


def test_the_likeliest_letter_is_never_one_that_is_not_offered(done):
    _, model, _, _ = done
    question = Question(
        qa_id="q", clip_id="c", video_id="v", shard="", category="Counting",
        question="How many?", options=("0", "1"), answer_index=0, dynamic=True,
    )  # fmt: skip

    class Nothing:
        def of(self, question):
            raise ContractError("the clip is gone")

    student = load(model)
    settings = AskSettings(frames=4, batch=1, answer_tokens=2)
    failed = ask(student, [question], Nothing(), settings)["q"]
    assert (failed.failure, failed.likeliest, failed.text) == ("the clip is gone", None, None)
    blind = replace(student, sees_video=False)
    reply = ask(blind, [question], Nothing(), settings)["q"]
    assert len(reply.option_logp) == 2
    assert reply.likeliest in (0, 1)


def test_questions_of_a_clip_are_divided_evenly_and_answered_alike_however_they_share_rows(
    done, monkeypatch
):
    _, model, _, _ = done
    questions = [
        Question(
            qa_id=f"q{number:02d}", clip_id="c", video_id="v", shard="", category="Counting",
            question=f"How many of {'very ' * number}red?", options=("0", "1", "2"),
            answer_index=0, dynamic=True,
        )
        for number in range(14)
    ]  # fmt: skip
    frames = np.random.default_rng(0).integers(0, 255, (4, tiny.SIZE, tiny.SIZE, 3), np.uint8)
    visual = Visual(frames, np.arange(4) / 4, np.zeros((0, tiny.SIZE, tiny.SIZE), np.uint8))
    calls, student = [], load(model)
    rows, pictures = [], []
    pack, encode = Packer.pack, type(student.adapter).encode

    def packed(packer, samples):
        rows.extend([len(question.question) for question in each.questions] for each in samples)
        return pack(packer, samples)

    def encoded(adapter, frames, *more):
        pictures.append(len(frames))
        return encode(adapter, frames, *more)

    monkeypatch.setattr(Packer, "pack", packed)
    monkeypatch.setattr(type(student.adapter), "encode", encoded)

    class Always:
        def of(self, question):
            calls.append(question.qa_id)
            return visual

    def answered(**more):
        for seen in (calls, rows, pictures):
            seen.clear()
        settings = AskSettings(frames=4, batch=2, **more)
        return ask(student, questions, Always(), settings, generated=())

    alone = answered(questions_per_row=1)
    assert [len(row) for row in rows] == [1] * 14
    assert len(calls) == 7  # the clip is read and encoded once for the two rows of a batch
    assert pictures == [1] * 7
    together = answered(questions_per_row=14)
    assert [len(row) for row in rows] == [14]
    answered()  # as many as there are
    assert [len(row) for row in rows] == [14]
    replies = answered(questions_per_row=3)
    assert sorted(len(row) for row in rows) == [2, 3, 3, 3, 3]
    # Little padding: no row is longer than another by more than one question.
    assert max(map(sum, rows)) - min(map(sum, rows)) <= max(map(max, rows))
    assert pictures == [1, 1, 1]
    for found in (together, replies):
        for qa_id, reply in found.items():
            assert reply.likeliest == alone[qa_id].likeliest
            assert reply.option_logp == pytest.approx(alone[qa_id].option_logp, abs=1e-4)


def test_metrics_on_disk_are_what_is_returned(done):
    root, _, _, found = done
    assert read_json(root / "out" / "metrics.json") == json.loads(json.dumps(found))


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_published_checkpoint_is_scored_on_frames_of_their_own_size(done, tmp_path, family):
    """Marks are stills before the video; nothing is squashed or added."""
    _, _, bench, ours = done
    model = write_checkpoint(tmp_path / family, family)
    found = asked.run(bench, model, tmp_path / "out", EvaluateSettings(batch=2, threads=1))
    assert found["outcomes"] == ours["outcomes"]
    assert found["run"]["size_px"] is None
    assert found["run"]["prompt"] == "benchmark"
    rows = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert rows.filter(pl.col("outcome") == "ok")["likelihood"].null_count() == 0


def test_both_scores_and_the_card_are_in_the_json_and_on_the_page(done):
    root, _, _, found = done
    page = (root / "out" / "index.html").read_text()
    published = found["published"]
    ok = pl.read_parquet(root / "out" / "predictions.parquet").filter(pl.col("outcome") == "ok")
    assert published["figures"]["overall"] == pytest.approx(ok["published_rule"].mean(), abs=1e-6)
    assert published["differs"] == ["prompt", "frames"]  # asked as trained: 4 frames
    card = found["reproduction"]
    assert card["checkpoint"] == found["run"]["model"]
    assert (card["device"], card["dtype"], card["frames"]) == ("cpu", "float32", 4)
    for text in (card["prompt_sha256"], card["versions"]["transformers"], published["script"]):
        assert text in page
    assert "What others would do" in page
    assert "p4d train labels" in page


def test_as_published_takes_the_benchmarks_own_settings(done, tmp_path):
    _, model, bench, found = done
    settings = replace(asked.SETTINGS, as_published=True, limit=1, likelihood=False)
    again = asked.run(bench, model, tmp_path / "out", settings)
    assert again["published"]["differs"] == []
    assert (again["run"]["prompt"], again["run"]["frames"]) == ("benchmark", 16)
    assert again["reproduction"]["prompt_sha256"] != found["reproduction"]["prompt_sha256"]
    shorter = replace(settings, max_new_tokens=3)
    named = asked.run(bench, model, tmp_path / "shorter", shorter)
    assert named["published"]["differs"] == ["max_new_tokens"]


def test_a_model_in_bfloat16_answers_and_says_so(done, tmp_path):
    _, model, bench, _ = done
    settings = replace(asked.SETTINGS, dtype="bfloat16", limit=2)
    found = asked.run(bench, model, tmp_path / "out", settings)
    assert found["reproduction"]["dtype"] == found["run"]["dtype"] == "bfloat16"
    assert found["outcomes"]["ok"] == 2
