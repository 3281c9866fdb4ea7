"""Gates in Python: they derive a stage's output again, or open files that no query reads.

Each takes the name of the checked stage and the folders, and returns metrics and offending rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from p4d.artifacts import Arrays, read_csv, read_json, read_table
from p4d.errors import ContractError
from p4d.quality.look_gates import (
    newest_look_held,
    unseen_looks_are_measured,
    unseen_looks_hold,
)
from p4d.truth.clip_parts import WHOLE, ClipParts, stated_parts

Folders = Mapping[str, Path | Mapping[str, Path]]
Found = tuple[dict[str, float | int | str], pl.DataFrame]

PROBES = ("probes.safetensors", "looks.safetensors")
"""Files of `p4d.students.distillation.probes`, today's and the former name."""


def weights_are_finite(stage: str, folders: Folders) -> Found:
    """Find arrays with values that are not finite, in every safetensors file of the stage.

    Probes are left out: they are pictures, and NaN marks a pixel of which nothing is known.

    Raises:
        ContractError: there is no such file.
    """
    folder = _single(folders, stage)
    paths = sorted(set(folder.rglob("*.safetensors")) - {folder / name for name in PROBES})
    if not paths:
        raise ContractError(f"{folder} holds no weights")
    counted = 0
    rows: list[dict[str, object]] = []
    for path in paths:
        for name, values in _arrays(path):
            counted += values.size
            bad = int(values.size - np.isfinite(values).sum()) if values.dtype.kind == "f" else 0
            if bad:
                where = str(path.relative_to(folder))
                rows.append({"file": where, "array": name, "not_finite": bad, "of": values.size})
    schema = {"file": pl.String, "array": pl.String, "not_finite": pl.Int64, "of": pl.Int64}
    return {"values": counted}, pl.DataFrame(rows, schema=schema)


def loss_fell(stage: str, folders: Folders) -> Found:
    """Compare the mean loss of the last fifth of the steps with that of the first fifth.

    Steps that ask nothing, in which the encoder learns from the teacher alone, have an SFT loss of
    exactly 0 and are left out.

    Raises:
        ContractError: the curve is empty.
    """
    path = _single(folders, stage) / "curve.csv"
    curve = read_csv(path)
    terms = [name for name in curve.columns if name != "step"]
    if not terms or curve.is_empty():
        raise ContractError(f"{path}: needs rows and a column for each loss term")
    # Weights of distillation terms change during training, so only sft is comparable over time.
    column = "sft" if "sft" in terms else "sum of terms"
    losses = curve.select(pl.sum_horizontal("sft" if "sft" in terms else terms)).to_series()
    values = losses.to_numpy()
    if column == "sft" and (values != 0).any():
        values = values[values != 0]  # keeps NaN
    part = max(1, len(values) // 5)
    first, last = float(values[:part].mean()), float(values[-part:].mean())
    metrics: dict[str, float | int | str] = {
        "loss": column,
        "steps": len(values),
        "first": round(first, 6),
        "last": round(last, 6),
    }
    # Written so that a NaN does not pass.
    fell = len(values) == 1 or last < first
    return metrics, pl.DataFrame([] if fell else [metrics])


def answers_follow_from_facts(stage: str, folders: Folders) -> Found:
    """Find questions whose answer differs from the one derived from their facts.

    The derivation is `p4d.questions.asking.recompute.recompute`, which does not read the stored
    answer.
    """
    from p4d.questions.asking.recompute import recompute
    from p4d.questions.facts.table import Fact

    questions = read_table(_single(folders, stage) / "questions.parquet")
    table = read_table(_single(folders, "facts") / "facts.parquet")
    facts = {row["fact_id"]: Fact.from_row(row) for row in table.iter_rows(named=True)}
    rows: list[dict[str, object]] = []
    for question in questions.sort("qa_id").iter_rows(named=True):
        try:
            index = recompute(question, facts)
            derived = question["options"][index]
            problem = "" if index == question["answer_index"] else "another answer"
        except (ContractError, KeyError, ValueError) as error:
            derived, problem = None, f"{type(error).__name__}: {error}"
        if problem:
            rows.append(
                {
                    "qa_id": question["qa_id"],
                    "family": question["family"],
                    "given": question["answer_text"],
                    "derived": derived,
                    "problem": problem,
                }
            )
    names = ("qa_id", "family", "given", "derived", "problem")
    return {"questions": len(questions)}, pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def counts_match(stage: str, folders: Folders) -> Found:
    """Find counts of the manifest that differ from the rows of the tables."""
    folder = _single(folders, stage)
    manifest = read_json(folder / "manifest.json")
    tables = {name: read_table(folder / f"{name}.parquet") for name in ("questions", "clips")}
    actual: dict[str, int] = {name: len(table) for name, table in tables.items()}
    claimed = {name: manifest["counts"].get(name) for name in tables}
    for split, counts in manifest["splits"].items():
        for name, table in tables.items():
            actual[f"{split} {name}"] = len(table.filter(pl.col("split") == split))
            claimed[f"{split} {name}"] = counts.get(name)
    wrong = [
        {"count": name, "claimed": claimed[name], "actual": actual[name]}
        for name in sorted(actual)
        if claimed[name] != actual[name]
    ]
    schema = {"count": pl.String, "claimed": pl.Int64, "actual": pl.Int64}
    return dict(actual), pl.DataFrame(wrong, schema=schema)


LEAST_COVERAGE = 0.8
"""Share of the pixels with known depth. Simulated worlds have 0.96 to 1; inverse poses gave 0.63 to
0.95, OpenGL's axes 0.39 to 0.94 (benchmarks/reality/conventions.py)."""
LEAST_COVERAGE_OF_UNKNOWN_MOTION = 0.5
"""The same where a dataset does not state that its background stands still: whatever moves there
lands elsewhere."""
LEAST_GAIN, LEAST_GAIN_SIGMA = 0.02, 3.0
"""By how much another reading must predict the pictures of a shard better, as a share of the stated
error and in standard errors over pairs of frames, to be taken for the right one."""
LEAST_GAIN_OF_VIDEO, LEAST_GAIN_SIGMA_OF_VIDEO = 0.07, 4.0
"""The same for one video. A shard has dozens of videos, and each is read in seven ways: of 370 good
ones the largest gains by chance were 0.056 at 4.5 sigma and 0.053 at 5.9. Of 96 with a planted
convention (benchmarks/reality/conventions.py) 60 are named, as many as at 0.05."""
NOTHING_CHANGES_LEVELS = 0.05
ALL_VIDEOS = "all videos together"


def truth_flow_covers_the_picture(stage: str, folders: Folders) -> Found:
    """Find videos whose truth predicts the place of too few pixels in the frame before."""
    table = _truth_fits(folders, stage).filter(reading="stated")
    parts = stated_parts(_single(folders, stage))
    by_video = (
        table.with_columns(
            at_least=pl.col("clip_id").map_elements(
                lambda clip_id: _least_coverage(parts.get(clip_id, WHOLE)), return_dtype=pl.Float64
            )
        )
        .group_by("video_id")
        .agg(pl.col("coverage").mean(), pl.col("at_least").min())
        .sort("video_id")
    )
    least = by_video["coverage"].min() if len(by_video) else 1.0
    metrics: dict[str, float | int | str] = {
        "videos": len(by_video),
        "least_coverage": round(float(least), 4),  # type: ignore[arg-type]
    }
    return metrics, by_video.filter(~(pl.col("coverage") >= pl.col("at_least")))


def _least_coverage(parts: ClipParts) -> float:
    return LEAST_COVERAGE if parts.background == "still" else LEAST_COVERAGE_OF_UNKNOWN_MOTION


def truth_explains_the_pictures(stage: str, folders: Folders) -> Found:
    """Find videos, or shards, whose pictures another reading of their truth predicts better."""
    table = _truth_fits(folders, stage)
    groups = [
        (str(video_id), part)
        for (video_id,), part in table.group_by("video_id", maintain_order=True)
    ]
    if len(groups) > 1:
        groups.append((ALL_VIDEOS, table))
    rows: list[dict[str, object]] = []
    for name, part in groups:
        gains = _gains(part)
        if name != ALL_VIDEOS:
            gains = [
                row
                for row in gains
                if float(row["gain"]) > LEAST_GAIN_OF_VIDEO
                and float(row["sigma"]) > LEAST_GAIN_SIGMA_OF_VIDEO
            ]
        best = max(gains, key=lambda row: float(row["gain"]), default=None)
        if best:
            rows.append({"video_id": name, **best})
    schema = {"video_id": pl.String, "reading": pl.String, "gain": pl.Float64, "sigma": pl.Float64}
    return {"videos": table["video_id"].n_unique()}, pl.DataFrame(rows, schema=schema)


def _gains(part: pl.DataFrame) -> list[dict[str, float | str]]:
    """The readings that predict better than the stated ones, with gain and certainty.

    Stored flow has readings of its own.
    """
    of_flow = pl.col("reading").str.starts_with("stored flow")
    return [
        row
        for stated, rows in (
            ("stated", part.filter(~of_flow)),
            ("stored flow", part.filter(of_flow)),
        )
        if len(rows)
        for row in _gains_over(stated, rows)
    ]


def _gains_over(name: str, part: pl.DataFrame) -> list[dict[str, float | str]]:
    errors = {
        str(reading): np.concatenate([np.array(each) for each in rows["error_levels"].to_list()])
        for (reading,), rows in part.sort("clip_id").group_by("reading", maintain_order=True)
    }
    stated = errors.pop(name)
    found: list[dict[str, float | str]] = []
    for reading, other in sorted(errors.items()):
        better = stated - other
        gain = float(better.mean()) / max(float(stated.mean()), NOTHING_CHANGES_LEVELS)
        spread = float(better.std(ddof=1)) / len(better) ** 0.5 if len(better) > 1 else np.inf
        sigma = float(better.mean()) / max(spread, 1e-9)
        if gain > LEAST_GAIN and sigma > LEAST_GAIN_SIGMA:
            found.append({"reading": reading, "gain": round(gain, 4), "sigma": round(sigma, 1)})
    return found


def _truth_fits(folders: Folders, stage: str) -> pl.DataFrame:
    """The fits of a shard; none in a version that was made before they existed."""
    path = _single(folders, stage) / "truth_fit.parquet"
    if not path.is_file():
        schema = {"clip_id": pl.String, "video_id": pl.String, "reading": pl.String}
        return pl.DataFrame(
            schema={**schema, "coverage": pl.Float64, "error_levels": pl.List(pl.Float64)}
        )
    return read_table(path).sort("video_id", "clip_id")


CODE_GATES: Mapping[str, Callable[[str, Folders], Found]] = {
    "unseen_looks_hold": lambda stage, folders: unseen_looks_hold(_single(folders, stage)),
    "newest_look_held": lambda stage, folders: newest_look_held(_single(folders, stage)),
    "unseen_looks_are_measured": lambda stage, folders: unseen_looks_are_measured(
        _single(folders, stage)
    ),
    "answers_follow_from_facts": answers_follow_from_facts,
    "loss_fell": loss_fell,
    "truth_explains_the_pictures": truth_explains_the_pictures,
    "truth_flow_covers_the_picture": truth_flow_covers_the_picture,
    "counts_match": counts_match,
    "weights_are_finite": weights_are_finite,
}


def _single(folders: Folders, stage: str) -> Path:
    found = folders[stage]
    if not isinstance(found, Path):
        raise ContractError(f"{stage}: expected a single folder, got one per shard")
    return found


def _arrays(path: Path) -> list[tuple[str, np.ndarray]]:
    try:
        return list(Arrays(path).items())
    except (TypeError, AttributeError):  # bfloat16 is unknown to numpy
        from safetensors.torch import load_file

        return [(name, values.float().numpy()) for name, values in load_file(path).items()]
