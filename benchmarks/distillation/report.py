"""The report of the finished runs: JSON, a table, a chart and the recorded runs themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.distillation.answers import from_digits, questions_of, r4d_world
from benchmarks.distillation.chart import accuracy_chart, write_svg
from benchmarks.distillation.choices import committed_choices
from benchmarks.distillation.plan import TEST
from benchmarks.distillation.statistics import RunAnswers, gain_over_seeds
from benchmarks.distillation.table import table_of
from benchmarks.machine import describe
from p4d.artifacts import read_json, read_table, write_bytes, write_json
from p4d.config import Params
from p4d.drawing import png
from p4d.errors import ContractError
from p4d.project import Project
from p4d.students.distillation.probes import probes_file, probes_picture
from p4d.students.embedded import CORE_FAMILIES
from p4d.students.use.cost import inference_cost, latency_ratio

INFERENCE = "inference.json"
"""In the work folder: the cost of inference."""

RECORDED = Path("benchmarks/results/distillation")
"""In the checkout: the small files of all runs that the report is computed from."""


def runs_of(work: Path, corpus: str) -> dict[str, dict[str, Any]]:
    """Return the finished runs that were asked the test split, by name.

    Raises:
        ContractError: a run was trained on another corpus, or runs are of several commits.
    """
    found = {p.stem: read_json(p) for p in sorted((work / "runs").glob("*.json"))}
    if strange := [name for name, result in found.items() if result["corpus"] != corpus]:
        raise ContractError(
            f"{work / 'runs'}: {', '.join(strange)} did not learn from {corpus}, which is there "
            "now; remove them, or let the benchmark run them again"
        )
    results = {name: one for name, one in found.items() if one.get("split", TEST) == TEST}
    commits = sorted({result["commit"] for result in results.values()})
    if len(commits) > 1:
        raise ContractError(
            f"{work / 'runs'}: runs of the commits {', '.join(commits)}; one table has one commit: "
            "let the benchmark run the older ones again"
        )
    return results


def record(work: Path, checkout: Path, runs: Iterable[str]) -> None:
    """Record the runs beside the report, so that it can be recomputed or completed."""
    shutil.rmtree(checkout / RECORDED, ignore_errors=True)
    _copy(work, checkout / RECORDED, runs)


def restore(work: Path, checkout: Path, corpus: str) -> None:
    """Copy the recorded runs into the work folder.

    Raises:
        ContractError: they were trained on another corpus.
    """
    recorded = checkout / RECORDED
    if runs := runs_of(recorded, corpus):
        _copy(recorded, work, runs)


def _copy(source: Path, target: Path, runs: Iterable[str]) -> None:
    for name in (INFERENCE, *(f"runs/{run}.json" for run in runs)):
        if (source / name).is_file():
            write_bytes(target / name, (source / name).read_bytes())


def collect(
    work: Path,
    checkout: Path,
    corpus: str,
    *,
    seeds: int,
    left_out: Sequence[str] = (),
) -> None:
    """Write distillation.json, .md, .svg and the picture of probes to benchmarks/results/.

    Raises:
        ContractError: no run was asked the test split, or the runs do not belong together.
    """
    results = runs_of(work, corpus)
    if not results:
        raise ContractError(f"{work / 'runs'}: no run has answered the test questions")
    measure_inference(work, Project(checkout).params)
    record(work, checkout, results)
    target = checkout / "benchmarks" / "results"
    table = read_table(work / "release" / "questions.parquet").filter(pl.col("split") == TEST)
    chosen = {name: from_digits(result["answers"], table) for name, result in results.items()}
    answers = RunAnswers(table, chosen)
    before = read_json(target / "distillation.json") if _has_report(target) else {}
    machine = describe(checkout)
    del machine["commit"]  # the report has changed the tree by now; `commit` is that of the runs
    report = {
        **figures(checkout, results, answers, seeds=seeds),
        "command": "python -m benchmarks.distillation",
        "machine": machine,
        "commit": next(iter(results.values()))["commit"],
        "corpus": corpus,
        "choices": committed_choices(checkout, corpus),
        "left_out": list(left_out),
        # Measured by `python -m benchmarks.distillation time` and `demo`.
        "time": before.get("time"),
        "demo": before.get("demo"),
        "teacher": read_json(work / "expert" / "card.json"),
        "inference": read_json(work / INFERENCE) if (work / INFERENCE).is_file() else None,
    }
    write_json(target / "distillation.json", report)
    (target / "distillation.md").write_text(table_of(report, answers.names), encoding="utf-8")
    write_svg(accuracy_chart(report, answers.names), target / "distillation.svg")
    if probes_file(work / "students" / "p4d-0"):
        (target / "distillation_probes.png").write_bytes(
            png(probes_picture(work / "students" / "p4d-0", split="test"))
        )


def _has_report(target: Path) -> bool:
    return (target / "distillation.json").is_file()


def figures(
    checkout: Path, results: Mapping[str, Mapping[str, Any]], answers: RunAnswers, *, seeds: int
) -> dict[str, Any]:
    """Return all that is computed from the answers and the costs of the runs."""
    by_role: dict[str, list[dict[str, Any]]] = {"arm": [], "control": [], "ablation": []}
    for name, result in results.items():
        run = result["run"]
        by_role[run["role"]].append(
            {
                "name": run["arm"],
                "seed": run["seed"],
                "steps": result["steps"],
                "student_code": result["student_code"],
                "setting": {key: run[key] for key in ("base", "training", "distillation")},
                "accuracy": answers.accuracy(name),
            }
        )
    gain = partial(gain_over_seeds, answers, other="sft", seeds=seeds)
    frozen = _on_r4d_world(checkout, results, seeds)
    return {
        "questions": {"test": len(answers.categories), "chance": answers.chance},
        "arms": by_role["arm"],
        "controls": by_role["control"],
        "ablations": by_role["ablation"],
        "gain": {
            # Each arm at its chosen setting: steps without questions cost less than others.
            "equal_steps": _with_cost(gain("p4d"), measured_ratio(results, "p4d")),
            "equal_time": _equal_time(results, gain),
            "few_questions": _with_cost(
                gain_over_seeds(answers, "p4d_few", "sft_few", seeds),
                measured_ratio(results, "p4d_few", over="sft_few"),
            ),
            "few_questions_trained_encoder": gain_over_seeds(
                answers, "p4d_few", "sft_few_trained", seeds
            ),
            # R4D-World has shapes, colours and textures that nothing was trained on.
            "unseen_looks": frozen["trained_families"]["gain"] if frozen else None,
            "all_families": frozen["all"]["gain"] if frozen else None,
            "over_longer_sft": gain_over_seeds(answers, "p4d", "sft_longer", seeds),
            "exact_teacher": gain("p4d_exact"),
        },
        "r4d_world": frozen,
        "p4d_over": _over_the_others(answers, by_role, seeds),
        "cost": {
            name: {key: result[key] for key in ("cpu_s", "wall_s", "steps")}
            for name, result in results.items()
        },
        "data_wait": _data_wait(results),
    }


def _equal_time(
    results: Mapping[str, Mapping[str, Any]], gain: Callable[[str], dict[str, Any] | None]
) -> dict[str, Any] | None:
    """The gain at no more processor seconds than SFT: of a shorter P4D, or of P4D itself."""
    ratio = measured_ratio(results, "p4d")
    arm = "p4d" if ratio is not None and ratio <= 1 else "p4d_equal_time"
    found = gain(arm)
    if found:
        found |= {"arm": arm}
    return _with_cost(found, measured_ratio(results, arm))


def _with_cost(found: dict[str, Any] | None, ratio: float | None) -> dict[str, Any] | None:
    return {**found, "processor_s_over_sft": ratio} if found else found


def measured_ratio(
    results: Mapping[str, Mapping[str, Any]], arm: str, *, over: str = "sft"
) -> float | None:
    """Return processor seconds of whole runs of an arm over those of another, over common seeds.

    None without a common seed.
    """
    pairs = [
        (result["cpu_s"], results[other]["cpu_s"])
        for name, result in results.items()
        if result["run"]["arm"] == arm and (other := f"{over}-{result['run']['seed']}") in results
    ]
    if not pairs:
        return None
    ones, others = zip(*pairs, strict=True)
    return round(sum(ones) / sum(others), 4)


def _over_the_others(
    answers: RunAnswers, by_role: Mapping[str, Sequence[Mapping[str, Any]]], seeds: int
) -> dict[str, Any]:
    """Return the gain of P4D over every other arm, control and ablation, over its seeds."""
    found = {}
    for entries in by_role.values():
        for arm in sorted({entry["name"] for entry in entries} - {"p4d"}):
            if gain := gain_over_seeds(answers, "p4d", arm, seeds):
                found[arm] = {"mean": gain["mean"], "ci95": gain["ci95"]}
    return found


def _on_r4d_world(
    checkout: Path, results: Mapping[str, Mapping[str, Any]], seeds: int
) -> dict[str, Any] | None:
    """Return SFT and P4D on R4D-World: all families, and those they were trained on."""
    benchmark = r4d_world(Project(checkout))
    digits = {name: result["r4d_world"] for name, result in results.items() if result["r4d_world"]}
    if benchmark is None or not digits:
        return None
    asked = questions_of(benchmark)
    chosen = {name: from_digits(answers, asked) for name, answers in digits.items()}
    parts = {"all": asked, "trained_families": asked.filter(pl.col("family").is_in(CORE_FAMILIES))}
    found: dict[str, Any] = {}
    for part, questions in parts.items():
        answers = RunAnswers(questions, chosen)
        found[part] = {
            "questions": len(questions),
            "accuracy": {name: answers.accuracy(name) for name in chosen},
            "gain": gain_over_seeds(answers, "p4d", "sft", seeds),
        }
    return found


def _data_wait(results: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the mean share of time that P4D runs waited for data."""
    shares = [r["data_wait"] for r in results.values() if r.get("data_wait") is not None]
    return round(float(np.mean(shares)), 4) if shares else None


def measure_inference(work: Path, params: Params) -> None:
    """Measure once P4D over its base: weights, counted operations, time in alternating pairs."""
    student, base = work / "students" / "p4d-0", work / "base_student"
    if (work / INFERENCE).is_file() or not student.is_dir():
        return
    after, before = inference_cost(student, params.clips), inference_cost(base, params.clips)
    latency = latency_ratio(student, base, params.clips)
    found = {
        "params_ratio": after.parameters / before.parameters,
        "flops_ratio": after.flops / before.flops,
        "visual_tokens_ratio": after.visual_tokens / before.visual_tokens,
        "text_tokens_ratio": after.text_tokens / before.text_tokens,
        "latency_ratio": round(latency.ratio, 4),
        "latency_low": round(latency.low, 4),
        "latency_high": round(latency.high, 4),
    }
    write_json(work / INFERENCE, found)
