"""What the runs of `benchmarks.distillation` say together: JSON, a table, a picture."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.answering import from_digits, frozen_benchmark, questions_of
from benchmarks.machine import describe
from p4d.artifacts import read_json, read_table, write_bytes, write_json
from p4d.config import Params
from p4d.drawing import png
from p4d.errors import ContractError
from p4d.ids import seed_for
from p4d.project import Project
from p4d.students.distillation.probes import probes_file, probes_picture
from p4d.students.embedded import CORE_FAMILIES
from p4d.students.use.cost import inference_cost, latency_ratio

COST = "cost.json"
"""In the work folder: what distillation costs."""
INFERENCE = "inference.json"
"""In the work folder: what the student costs in use."""
RECORDED = Path("benchmarks/results/distillation")
"""In the checkout: small files of the work folder that the report rests on, of all runs."""
ON_FROZEN = ("sft", "p4d")
"""Arms that are also asked R4D-World; they run first, however little time there is."""
SAMPLES, CONFIDENCE = 2000, 0.95
TITLES = {
    "text_only": "text only",
    "text_and_time": "text and time",
    "regions_only": "regions in the first frame, no motion",
    "perfect_facts": "perfect facts as text, those that answer",
    "all_facts": "perfect facts as text, of all regions",
    "teacher_features": "the teacher's features in the place of the encoder's",
    "sft": "SFT",
    "p4d": "P4D",
    "p4d_equal_time": "P4D, equal time",
    "p4d_exact": "P4D, exact truth as teacher",
    "to_the_end": "P4D, distilling to the end",
}


class Answers:
    """Right and wrong of all runs on the same questions, with categories and clusters."""

    def __init__(self, asked: pl.DataFrame, said: Mapping[str, Mapping[str, int]]) -> None:
        """Compare with what is right.

        Args:
            asked: `qa_id`, `video_id`, `category`, `options`, `answer_index` of each question.
            said: by name of the run, the chosen option of each question.
        """
        test = asked.sort("qa_id")
        self.categories = test["category"].to_numpy()
        self.names = sorted(set(self.categories.tolist()))
        self.chance = {
            name: round(
                float(np.mean([1 / len(o) for o in test.filter(category=name)["options"]])), 4
            )
            for name in self.names
        }
        _, self.cluster = np.unique(test["video_id"].to_numpy(), return_inverse=True)
        index = dict(zip(test["qa_id"], test["answer_index"], strict=True))
        self._right = {
            name: np.array([answers[qa] == right for qa, right in index.items()], float)
            for name, answers in said.items()
        }

    @property
    def runs(self) -> frozenset[str]:
        """Names of the runs."""
        return frozenset(self._right)

    def right(self, run: str) -> np.ndarray:
        """1 where the run answered right, one value per question."""
        return self._right[run]

    def accuracy(self, run: str) -> dict[str, float]:
        """Per category, and their mean."""
        right = self.right(run)
        found = {name: float(right[self.categories == name].mean()) for name in self.names}
        found["mean"] = float(np.mean(list(found.values())))
        return {name: round(value, 4) for name, value in found.items()}

    def gain(self, ones: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
        """Mean over categories of accuracy of `ones` less that of `others`, seed by seed.

        The interval resamples videos (all questions of a video go together) and seeds.
        """
        pairs = zip(ones, others, strict=True)
        difference = np.stack([self.right(a) - self.right(b) for a, b in pairs])
        clusters, kinds = int(self.cluster.max()) + 1, len(self.names)
        kind = np.searchsorted(self.names, self.categories)
        cell = self.cluster * kinds + kind
        counts = np.bincount(cell, minlength=clusters * kinds).reshape(clusters, kinds)
        sums = np.stack(
            [np.bincount(cell, d, clusters * kinds).reshape(clusters, kinds) for d in difference]
        )
        rng = np.random.default_rng(seed_for("gain", *ones, *others))
        drawn = rng.multinomial(clusters, np.full(clusters, 1 / clusters), SAMPLES)
        seeds = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), SAMPLES) / len(sums)
        per_seed = np.einsum("bc,sck->bsk", drawn, sums)
        resampled = np.einsum("bs,bsk->bk", seeds, per_seed) / np.maximum(drawn @ counts, 1)
        value = sums.mean(axis=0).sum(axis=0) / counts.sum(axis=0)
        return {
            "mean": round(float(value.mean()), 4),
            "ci95": _interval(resampled.mean(axis=1)),
            "per_category": {
                name: {"mean": round(float(value[k]), 4), "ci95": _interval(resampled[:, k])}
                for k, name in enumerate(self.names)
            },
        }


def _interval(values: np.ndarray) -> list[float]:
    tail = (1 - CONFIDENCE) / 2
    return [round(float(v), 4) for v in np.quantile(values, [tail, 1 - tail])]


def runs_of(work: Path, corpus: str) -> dict[str, dict[str, Any]]:
    """The finished runs by name.

    Raises:
        ContractError: some have learned from another corpus.
    """
    results = {p.stem: read_json(p) for p in sorted((work / "runs").glob("*.json"))}
    if strange := [name for name, result in results.items() if result["corpus"] != corpus]:
        raise ContractError(
            f"{work / 'runs'}: {', '.join(strange)} did not learn from {corpus}, which lies there "
            "now; remove them, or let the benchmark run them again"
        )
    return results


def record(work: Path, checkout: Path, runs: Iterable[str]) -> None:
    """Keep beside the report what it rests on, so that it can be computed again or completed."""
    shutil.rmtree(checkout / RECORDED, ignore_errors=True)
    _copy(work, checkout / RECORDED, runs)


def restore(work: Path, checkout: Path, corpus: str) -> None:
    """Take the recorded runs of this corpus as if they had been made here.

    Raises:
        ContractError: they have learned from another corpus.
    """
    recorded = checkout / RECORDED
    if runs := runs_of(recorded, corpus):
        _copy(recorded, work, runs)


def _copy(source: Path, target: Path, runs: Iterable[str]) -> None:
    for name in (COST, INFERENCE, *(f"runs/{run}.json" for run in runs)):
        write_bytes(target / name, (source / name).read_bytes())


def collect(work: Path, checkout: Path, corpus: str, *, seeds: int) -> None:
    """Write benchmarks/results/distillation.json, .md, .svg and the picture of probes."""
    measure_inference(work, Project(checkout).params)
    results = runs_of(work, corpus)
    record(work, checkout, results)
    table = read_table(work / "release" / "questions.parquet").filter(pl.col("split") == "test")
    said = {name: from_digits(result["answers"], table) for name, result in results.items()}
    answers = Answers(table, said)
    by_role: dict[str, list[dict[str, Any]]] = {"arm": [], "control": [], "ablation": []}
    for name, result in results.items():
        run = result["run"]
        by_role[run["role"]].append(
            {
                "name": run["arm"],
                "seed": run["seed"],
                "steps": result["steps"],
                "commit": result["commit"],
                "wall_s": result["wall_s"],
                "cpu_s": result["cpu_s"],
                "accuracy": answers.accuracy(name),
            }
        )

    gain = partial(gain_over_seeds, answers, other="sft", seeds=seeds)
    at_equal_steps = gain("p4d") or {}
    report = {
        "command": "python -m benchmarks.distillation",
        "machine": describe(checkout),
        "corpus": corpus,
        "questions": {"test": len(answers.categories), "chance": answers.chance},
        "arms": by_role["arm"],
        "gain": {
            **at_equal_steps,
            "equal_steps": at_equal_steps,
            "equal_time": gain("p4d_equal_time"),
            "exact_teacher": gain("p4d_exact"),
        },
        "r4d_world": _on_frozen(checkout, results, seeds),
        "controls": by_role["control"],
        "ablations": by_role["ablation"],
        "p4d_over": _over_the_others(answers, by_role, seeds),
        "teacher": read_json(work / "expert" / "card.json"),
        **read_json(work / COST),
        "data_wait": _data_wait(results),
        "inference": read_json(work / INFERENCE),
    }
    target = checkout / "benchmarks" / "results"
    write_json(target / "distillation.json", report)
    (target / "distillation.md").write_text(table_of(report, answers.names))
    (target / "distillation.svg").write_text(picture_of(report, answers.names))
    if probes_file(work / "students" / "p4d-0"):
        (target / "distillation_probes.png").write_bytes(
            png(probes_picture(work / "students" / "p4d-0", split="test"))
        )


def gain_over_seeds(answers: Answers, arm: str, other: str, seeds: int) -> dict[str, Any] | None:
    """Gain of one arm over another from the seeds that both have; None without any."""
    pairs = [(f"{arm}-{seed}", f"{other}-{seed}") for seed in range(seeds)]
    both = [pair for pair in pairs if all(name in answers.runs for name in pair)]
    if not both:
        return None
    return answers.gain(*(list(names) for names in zip(*both, strict=True)))


def _over_the_others(
    answers: Answers, by_role: Mapping[str, Sequence[Mapping[str, Any]]], seeds: int
) -> dict[str, Any]:
    """What P4D gains over every other arm, control and ablation, from the seeds of that one."""
    found = {}
    for entries in by_role.values():
        for arm in sorted({entry["name"] for entry in entries} - {"p4d"}):
            if gain := gain_over_seeds(answers, "p4d", arm, seeds):
                found[arm] = {"mean": gain["mean"], "ci95": gain["ci95"]}
    return found


def _on_frozen(
    checkout: Path, results: Mapping[str, Mapping[str, Any]], seeds: int
) -> dict[str, Any] | None:
    """SFT and P4D on R4D-World: all its families, and those that they were trained on."""
    benchmark = frozen_benchmark(Project(checkout))
    digits = {name: result["r4d_world"] for name, result in results.items() if result["r4d_world"]}
    if benchmark is None or not digits:
        return None
    asked = questions_of(benchmark)
    said = {name: from_digits(answers, asked) for name, answers in digits.items()}
    parts = {"all": asked, "trained_families": asked.filter(pl.col("family").is_in(CORE_FAMILIES))}
    found: dict[str, Any] = {}
    for part, questions in parts.items():
        answers = Answers(questions, said)
        found[part] = {
            "questions": len(questions),
            "accuracy": {name: answers.accuracy(name) for name in said},
            "gain": gain_over_seeds(answers, "p4d", "sft", seeds),
        }
    return found


def _data_wait(results: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Mean share of the time of P4D runs that waited for data."""
    shares = [r["data_wait"] for r in results.values() if r.get("data_wait") is not None]
    return round(float(np.mean(shares)), 4) if shares else None


def measure_inference(work: Path, params: Params) -> None:
    """Write once P4D over its base: weights, counted operations, and time in alternating pairs."""
    student, base = work / "students" / "p4d-0", work / "base_student"
    if (work / INFERENCE).is_file():
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


def _means(report: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[float]]:
    """Accuracy per category and mean, averaged over seeds, by arm or control."""
    rows: dict[str, list[Mapping[str, float]]] = {}
    for entry in (*report["controls"], *report["arms"], *report["ablations"]):
        rows.setdefault(entry["name"], []).append(entry["accuracy"])
    return {
        arm: [float(np.mean([r[name] for r in found])) for name in (*names, "mean")]
        for arm, found in rows.items()
    }


def table_of(report: Mapping[str, Any], names: Sequence[str]) -> str:
    """Markdown: a row per arm, a column per category."""
    means = _means(report, names)
    lines = [
        f"| | {' | '.join(names)} | mean | P4D over it, points |",
        "|---|" + "---|" * (len(names) + 2),
        "| chance | "
        + " | ".join(f"{report['questions']['chance'][n]:.2f}" for n in names)
        + f" | {np.mean(list(report['questions']['chance'].values())):.2f} | |",
    ]
    order = [*(arm for arm in TITLES if arm in means), *sorted(set(means) - set(TITLES))]
    for arm in order:
        values = " | ".join(f"{value:.3f}" for value in means[arm])
        over = _points(report["p4d_over"][arm]) if arm in report["p4d_over"] else ""
        lines.append(f"| {TITLES.get(arm, arm.replace('_', ' '))} | {values} | {over} |")
    frozen = report["r4d_world"] or {}
    gains = {
        "equal steps": report["gain"].get("equal_steps"),
        "equal time": report["gain"].get("equal_time"),
        **{
            f"equal steps on R4D-World, {part.replace('_', ' ')}": found["gain"]
            for part, found in frozen.items()
        },
    }
    for label, found in gains.items():
        if found:
            lines.append(f"\nP4D over SFT at {label}, points (95 % interval): {_points(found)}.")
    return "\n".join(lines) + "\n"


def _points(gain: Mapping[str, Any]) -> str:
    low, high = gain["ci95"]
    return f"{100 * gain['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def picture_of(report: Mapping[str, Any], names: Sequence[str]) -> str:
    """SVG: grouped bars per category for text only, SFT, P4D and P4D with exact truth.

    Whiskers: the interval of the difference from SFT, around the bar.
    """
    means = _means(report, names)
    over_sft = {
        "p4d": report["gain"]["equal_steps"],
        "p4d_exact": report["gain"]["exact_teacher"],
    }
    colours = {"text_only": "#b0b0b0", "sft": "#4c78a8", "p4d": "#e45756", "p4d_exact": "#f2a900"}
    shown = [arm for arm in colours if arm in means]
    groups = [*names, "mean"]
    wide, high, left, base = 96, 260, 44, 290
    width = left + wide * len(groups) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="360" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for tick in range(0, 11, 2):
        y = base - high * tick / 10
        parts.append(f'<line x1="{left}" x2="{width - 10}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick / 10:.1f}</text>')
    bar = (wide - 16) / max(len(shown), 1)
    for g, group in enumerate(groups):
        x = left + g * wide + 8
        for k, arm in enumerate(shown):
            tall = high * means[arm][g]
            parts.append(
                f'<rect x="{x + k * bar:.1f}" y="{base - tall:.1f}" width="{bar - 1:.1f}" '
                f'height="{tall:.1f}" fill="{colours[arm]}"/>'
            )
            if gain := over_sft.get(arm):
                found = gain if group == "mean" else gain["per_category"][group]
                low, top = (base - tall - high * (end - found["mean"]) for end in found["ci95"])
                middle = x + (k + 0.5) * bar - 0.5
                parts.append(
                    f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{low:.1f}" y2="{top:.1f}" '
                    'stroke="#333"/>'
                )
        for line, word in enumerate(group.replace(" & ", " &amp; ").split(" ", 1)):
            parts.append(
                f'<text x="{x + (wide - 16) / 2}" y="{base + 16 + 12 * line}" '
                f'text-anchor="middle">{word}</text>'
            )
    for k, arm in enumerate(shown):
        x = left + 8 + k * 190
        parts.append(f'<rect x="{x}" y="336" width="10" height="10" fill="{colours[arm]}"/>')
        parts.append(f'<text x="{x + 15}" y="345">{TITLES[arm]}</text>')
    if any(over_sft.values()):
        said = "lines: 95 % interval of the difference from SFT"
        parts.append(f'<text x="{width - 10}" y="14" text-anchor="end" fill="#555">{said}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
