"""Facts of videos that nothing is known of, measured by the pipeline's stages and expert."""

import re
from pathlib import Path

import pytest
import yaml

from p4d.config import Params
from p4d.errors import ContractError
from p4d.evaluation.benchmarks.item import Benchmark, BenchmarkItem, PublishedRules
from p4d.evaluation.controls.measured_facts import MOST_CLIPS, facts_of_items
from p4d.evaluation.evaluate import EvaluateSettings, evaluate
from p4d.ids import sha256_file
from p4d.teachers.expert4d import embedded
from p4d.worlds.corpus import write_world
from tests.evaluation import asked

EXPERT = Path(embedded.__file__).parent
RULES = PublishedRules(
    script="", prompt=lambda item: f"PROMPT {item.question}", frames=8, max_new_tokens=4,
    score=lambda item, reply: 0.0, overall=lambda *_: {},
)  # fmt: skip


def params():
    raw = yaml.safe_load((Path(__file__).parents[3] / "params.yaml").read_text())
    return Params.from_mapping(raw)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """One rendered video with truth beside it, which nobody may read, and one that is no video."""
    folder = tmp_path_factory.mktemp("benchmark")
    video = write_world(folder / "seen.mp4", 3, params().worlds)
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video")
    items = [
        BenchmarkItem(
            item_id=name, category="x", dynamic=True, kind="mcq", video=path, group=name,
            question="Does <obj_1> move?", options=("yes", "no"), answer_index=0, start_ns=start,
        )
        for name, path, start in (
            ("whole", video, None), ("late", video, 10**12), ("broken", broken, None),
            ("frames", folder, None),
        )
    ]  # fmt: skip
    return Benchmark(name="vlm4d", folder=folder, items=tuple(items), rejected=(), rules=RULES)


@pytest.fixture(scope="module")
def told(benchmark, tmp_path_factory):
    build = tmp_path_factory.mktemp("build")

    def call():
        return facts_of_items(
            benchmark, benchmark.items, expert=EXPERT, build=build, params=params()
        )

    first = call()
    made = {path: path.stat().st_mtime_ns for path in build.rglob("*.parquet")}
    assert call() == first
    assert made == {path: path.stat().st_mtime_ns for path in build.rglob("*.parquet")}
    return first, build


def test_what_is_measured_is_told_and_nothing_else(told, benchmark):
    texts, build = told
    assert set(texts) == {"whole"}, "no facts of a later time, of no video, of a folder of frames"
    assert texts["whole"].startswith("From second 0 on: ")
    assert 1 <= texts["whole"].count("From second ") <= MOST_CLIPS
    assert "<obj_" not in texts["whole"], "the benchmark's own marks have these names"
    assert len(re.findall(r"[a-z_ ]+: ", texts["whole"])) > 1
    landed = {path.name for path in (build / "inbox").iterdir()}
    assert landed == {
        f"{sha256_file(item.video)[:16]}.mp4" for item in benchmark.items if item.video.is_file()
    }, "no truth lies beside the copies"


def test_the_same_model_reads_them_before_each_question(told, benchmark, tmp_path, monkeypatch):
    texts, _ = told
    seen = {}
    from p4d.evaluation import evaluate as module

    def spy(student, questions, *rest, **named):
        seen.update({question.qa_id: question.turn() for question in questions})
        return real(student, questions, *rest, **named)

    real = module.ask
    monkeypatch.setattr(module, "ask", spy)
    model = asked.student(tmp_path)
    settings = EvaluateSettings(threads=1, facts=texts, frames=4, size_px=32, likelihood=False)
    found = evaluate(benchmark, model, tmp_path / "m.facts", asked.params(), settings)
    assert seen["whole"].count(texts["whole"]) == 1
    assert seen["whole"].index(texts["whole"]) < seen["whole"].index("Does <obj_1> move?")
    assert "second" not in seen["late"]
    assert found["facts"] == {"told": 1, "asked": 4}
    with pytest.raises(ContractError, match="another"):
        evaluate(
            benchmark, model, tmp_path / "m.facts", asked.params(),
            EvaluateSettings(threads=1, frames=4, size_px=32, likelihood=False),
        )  # fmt: skip


def test_without_an_expert_nothing_can_be_measured(benchmark, tmp_path):
    with pytest.raises(ContractError, match="holds no expert to measure the videos with"):
        facts_of_items(
            benchmark, benchmark.items, expert=tmp_path, build=tmp_path / "b", params=params()
        )
