"""Figures in the documents are those of `benchmarks/results/`, and their commands exist.

Each figure must stand in the paragraph, or the row of a table, that holds its words. A new
measurement or a new sentence changes both.
"""

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = re.compile(r"python -m ((?:benchmarks|p4d|dagster_project|scripts)(?:\.\w+)*)")
RESULT_FILE = re.compile(r"(?:benchmarks/results/|\[`)(\w+\.(?:json|svg|png|md))\b")

README, RESULTS_MD = "README.md", "docs/results.md"
FIGURES = {
    README: {
        "P4D gains **": [
            ("distillation", "gain.equal_steps.mean", 100, "{:.1f} points"),
            ("distillation", "gain.equal_steps.ci95.0", 100, "{:+.1f} to"),
            ("distillation", "gain.equal_steps.ci95.1", 100, "to {:+.1f}"),
            ("distillation", "gain.few_questions.mean", 100, "{:.1f} points"),
            ("distillation", "gain.few_questions.ci95.0", 100, "({:+.1f} to"),
            ("distillation", "gain.few_questions.ci95.1", 100, "to {:+.1f}"),
            ("distillation", "gain.unseen_looks.mean", 100, "({:+.1f}, "),
            ("distillation_again", "gain.equal_steps.mean", 100, "gave {:+.1f} ("),
            ("distillation_again", "gain.equal_steps.ci95.0", 100, "({:+.1f} to"),
            ("distillation_again", "gain.equal_steps.ci95.1", 100, "to {:+.1f})"),
            ("distillation_again", "gain.few_questions.mean", 100, "and {:+.1f} ("),
        ],
        "ends in a promoted": [
            ("distillation", "demo.accuracy.p4d.accuracy", 1, "{:.2f}"),
            ("distillation", "demo.accuracy.sft.accuracy", 1, "{:.2f}"),
            ("distillation", "demo.accuracy.blind.accuracy", 1, "{:.2f}"),
        ],
        "`make demo`, environment": [
            ("distillation", "demo.wall_s", 1, "({:.0f} s)"),
        ],
        "a shard of a backfill": [
            ("ui", "backfill_s_per_shard.ui", 1, "{:.2f} s"),
            ("ui", "backfill_s_per_shard.make_up", 1, "{:.2f} s"),
        ],
        "a page of `p4d explore`": [
            ("ui", "explorer_ms.p50", 1, "{:.0f} ms"),
            ("ui", "explorer_ms.p95", 1, "{:.0f} ms"),
        ],
        "| ingest (": [
            ("reality", "ingest_ratio.ratio", 1, "{:.2f} of"),
        ],
        "with 10,000 shards": [
            ("scale", "publish_s_by_shards.10000", 1, "{:.2f} s"),
            ("scale", "noop_s_by_shards.10000", 1, "{:.0f} s"),
            ("scale", "status_one_shard_s_by_shards.10000", 1, "{:.1f} s"),
            ("scale", "plan_rss_mb", 0.001, "{:.2f} GB"),
        ],
        "the slowest audit query": [
            ("durability", "why_s", 1, "{:.1f} s"),
            ("durability", "audit_sql_s", 1, "{:.2f} s"),
        ],
        "questions from facts": [
            ("questions", "generation_qa_per_s", 1, "{:,.0f} per"),
            ("reality", "facts_questions_per_s.per_s", 1, "{:,.0f} per"),
        ],
        "a P4D step against": [
            ("training", "step.p4d_over_sft.step_ratio", 1, "{:.2f} times"),
        ],
        "32 of 55 real clips": [
            ("reality", "real.clips_asked", 1, "{} of 55"),
            ("reality", "real.true", 1, "{} of 196"),
        ],
    },
    RESULTS_MD: {
        "With all questions P4D is": [
            ("distillation", "gain.equal_steps.mean", 100, "{:+.1f}"),
            ("distillation", "gain.equal_steps.ci95.0", 100, "{:+.1f}"),
            ("distillation", "gain.equal_steps.ci95.1", 100, "{:+.1f}"),
        ],
        "Measured again": [
            ("distillation_again", "gain.equal_steps.mean", 100, "is {:+.1f} over"),
            ("distillation_again", "gain.equal_steps.processor_s_over_sft", 1, "at {:.2f} of"),
            ("distillation_again", "gain.few_questions.mean", 100, "and {:+.1f} with"),
        ],
        "the teacher's labels of all": [
            ("distillation", "gain.few_questions.mean", 100, "{:+.1f}"),
        ],
        "gave +1.3 points": [
            ("distillation_tokens", "gain.equal_steps.mean", 100, "{:+.1f}"),
        ],
        "| questions from facts": [
            ("questions", "generation_qa_per_s", 1, "{:,.0f} per"),
            ("questions", "memory_mb", 1, "{:.0f} MB"),
        ],
        "demo's six shards": [
            ("reality", "facts_questions_per_s.per_s", 1, "{:,.0f}"),
            ("reality", "facts_questions_per_s.facts_per_s", 1, "{:,.0f}"),
        ],
        "2,000 damaged files": [
            ("reality", "fuzz.crashes", 1, "{} crashes"),
        ],
        "copies of 35 worlds": [
            ("reality", "copies.found_total", 1, "35 found"),
        ],
        "planted in 40 pairs": [
            ("reality", "cuts.found.dissolve", 1, "37 of 40"),
        ],
        "| ingest (": [
            ("reality", "ingest_ratio.ratio", 1, "{:.2f} of"),
        ],
        "| memory of ingest": [
            ("reality", "peak_rss_mb.all_processes", 1, "{} MB"),
        ],
        "bare forward pass, one": [
            ("reality", "expert_ratio.wall", 1, "{:.2f} of"),
            ("reality", "expert_ratio.cpu", 1, "{:.2f} per"),
        ],
        "against an SFT step": [
            ("training", "step.p4d_over_sft.step_ratio", 1, "{:.2f} times"),
        ],
        "teacher online": [
            ("training", "step.p4d_over_online", 1, "{:.2f} times"),
        ],
        "waiting for data": [
            ("training", "data.wait_share", 100, "{:.1f} %"),
        ],
        "| labelling |": [
            ("training", "labelling.small_expert.labelled_over_bare", 1, "{:.2f}"),
        ],
        "beyond computing it": [
            ("scale", "publish_s_by_shards.100", 1, "{:.2f} s at 100"),
            ("scale", "publish_s_by_shards.1000", 1, "{:.2f} s at 1,000"),
            ("scale", "publish_s_by_shards.10000", 1, "{:.2f} s at 10,000"),
        ],
        "| nothing to do": [
            ("scale", "noop_s_by_shards.1000", 1, "{:.1f} s"),
            ("scale", "noop_s_by_shards.10000", 1, "{:.0f} s"),
        ],
        "| `p4d why` among": [
            ("durability", "why_s", 1, "{:.1f} s"),
        ],
        "slowest audit query": [
            ("durability", "audit_sql_s", 1, "{:.2f} s"),
        ],
        "`p4d audit verify`": [
            ("durability", "verify_ratio", 1, "{:.2f} times"),
        ],
        "killed at random points": [
            ("durability", "kills", 1, "{} processes"),
        ],
        "forged bundles": [
            ("trust", "bundle_forgeries.detected", 1, "{} of 44"),
        ],
        "memory of the verifier": [
            ("trust", "verify_peak_mb", 1, "{:.0f} MB"),
        ],
        "distributions of an env": [
            ("trust", "lock.distributions", 1, "{}"),
            ("trust", "lock.to_run_on_cpus", 1, "{} to run"),
        ],
    },
    "docs/many_machines.md": {
        "of six new shards": [
            ("scale", "shard_overhead", 1, "{:.1f} times"),
            ("scale", "shard_overhead_detail.up_s", 1, "{:.1f} s"),
        ],
        "`labels_ratio` is": [
            ("scale", "labels_ratio", 1, "{:.2f} with one"),
        ],
        "One worker makes": [
            ("scale", "local.shards_per_minute.1", 1, "{:.1f}"),
            ("scale", "local.shards_per_minute.2", 1, "{:.1f}"),
        ],
        "a hundred kills": [
            ("scale", "kills.kinds.node", 1, "{} of nodes"),
        ],
        **{
            f"| {shards:,} |": [
                ("scale", f"publish_s_by_shards.{shards}", 1, "{:.2f} s"),
                ("scale", f"noop_s_by_shards.{shards}", 1, "{:.1f} s"),
                ("scale", f"status_one_shard_s_by_shards.{shards}", 1, "{:.1f} s"),
                ("scale", f"plan_rss_mb_by_shards.{shards}", 0.001, "{:.2f} GB"),
            ]
            for shards in (100, 1_000, 10_000)
        },
    },
    "docs/doors.md": {
        "the journey of": [
            ("doors", "journey.released", 1, "{} questions"),
            ("doors", "journey.labels.expert4d", 1, "{} clips"),
        ],
    },
    "docs/audit.md": {
        "by chance": [
            ("promotion", "by_groups.1.false_promotions.spending", 100, "{:.0f} of 100"),
        ],
    },
}  # fmt: skip
"""By document and words beside the figure: result, key in it, factor, form."""


@cache
def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def value_of(name, key):
    found = result(name)
    for part in key.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


@cache
def places_of(document):
    """Rows of tables, items of lists and paragraphs, each on one line."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [" ".join(place.split()) for place in re.split(r"\n(?=\||- |\n)", text)]


@pytest.mark.parametrize(
    ("document", "words"), [(name, words) for name in FIGURES for words in FIGURES[name]]
)
def test_figures_are_the_measured_ones(document, words):
    places = [place for place in places_of(document) if words.lower() in place.lower()]
    assert places, f"{document}: nothing says {words!r}; change this list with the sentence"
    for name, key, factor, text in FIGURES[document][words]:
        value = value_of(name, key)
        shown = text.format(value if factor == 1 else value * factor)
        assert any(shown in place for place in places), f"{name}.json has {shown}: {places}"


@pytest.mark.parametrize(
    ("document", "row", "arm"),
    [
        (README, "| SFT (no distillation) |", "sft"),
        (README, "| **P4D** |", "p4d"),
        (RESULTS_MD, "| SFT, all questions |", "sft"),
        (RESULTS_MD, "| **P4D**, all questions |", "p4d"),
        (RESULTS_MD, "| SFT, a tenth of the questions |", "sft_few"),
        (RESULTS_MD, "| **P4D**, a tenth of the questions, all clips |", "p4d_few"),
    ],
)
def test_the_accuracies_of_an_arm_are_the_means_over_its_seeds(document, row, arm):
    runs = [one["accuracy"] for one in result("distillation")["arms"] if one["name"] == arm]
    seconds = [c["cpu_s"] for name, c in result("distillation")["cost"].items() if arm == name[:-2]]
    cells = next(place for place in places_of(document) if place.startswith(row)).split("|")[2:-1]
    shown = [float(cell.replace("*", "")) for cell in cells]
    if document == RESULTS_MD:
        assert shown.pop(0) == len(runs) == len(seconds)
    means = {key: sum(run[key] for run in runs) / len(runs) for key in runs[0]}
    assert shown.pop(0) == pytest.approx(sum(seconds) / len(seconds), abs=0.5)
    wanted = list(means.values())
    for value in shown:
        assert any(value == pytest.approx(mean, abs=0.0051) for mean in wanted), (value, means)


def test_every_result_that_a_document_names_exists():
    for document in [ROOT / README, *sorted((ROOT / "docs").glob("*.md"))]:
        for name in RESULT_FILE.findall(document.read_text(encoding="utf-8")):
            assert (RESULTS / name).exists(), f"{document.name} names {name}"


def test_every_command_of_a_document_and_of_a_result_exists():
    texts = [ROOT / README, *(ROOT / "docs").glob("*.md"), *RESULTS.glob("*.json")]
    for path in texts:
        for module in COMMAND.findall(path.read_text(encoding="utf-8")):
            place = ROOT.joinpath(*module.split("."))
            is_there = place.with_suffix(".py").exists() or (place / "__main__.py").exists()
            assert is_there, f"{path.name} names python -m {module}"
