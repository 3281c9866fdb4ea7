"""Makes small tables for the UI: the content of an artifact in a few rows.

Like the pictures of p4d/display/previews.py, they are made from published folders and are not
artifacts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from p4d.artifacts import read_csv, read_json, read_table

Folders = Mapping[str, Path]

_QUALITY = (
    "depth_absrel",
    "depth_delta1",
    "flow_epe_px",
    "flow_zero_epe_px",
    "motion_iou",
    "ray_angle_rad",
)


def landed_files(folders: Folders) -> pl.DataFrame:
    """Every landed file of a shard with its outcome and reason, what was left out first."""
    table = read_table(folders["videos"] / "videos.parquet")
    return table.select(
        "name",
        "outcome",
        "reason",
        "codec",
        pl.format("{} x {}", "width_px", "height_px").alias("size_px"),
        (pl.col("duration_ns") / 1e9).round(2).alias("seconds"),
        pl.col("fps_mean").round(2).alias("frames_per_s"),
        pl.col("is_vfr").alias("variable_rate"),
        (pl.col("bytes") / 1e6).round(3).alias("megabytes"),
        "licence",
    ).sort(pl.col("outcome") == "ok", "name")


def expert_card(folders: Folders) -> pl.DataFrame:
    """The expert's measured quality on unseen scenes, one row per number of its card."""
    card = read_json(folders["expert"] / "card.json")
    return pl.DataFrame(list(_leaves(card)), schema=["measure", "value"], orient="row")


def label_quality(folders: Folders) -> pl.DataFrame:
    """Mean quality of a shard's labels by teacher, against truth and by self-consistency."""
    stats = read_table(folders["labels"] / "label_stats.parquet")
    measures = [name for name in _QUALITY if name in stats.columns]
    return stats.group_by("teacher").agg(pl.col(measures).mean().round(4)).sort("teacher")


def question_counts(folders: Folders) -> pl.DataFrame:
    """Questions asked and candidates refused, by category."""
    asked = read_table(folders["questions"] / "questions.parquet")
    refused = read_table(folders["questions"] / "refusals.parquet")
    return (
        asked.group_by("category")
        .agg(asked=pl.len())
        .join(
            refused.group_by("category").agg(refused=pl.col("count").sum()),
            on="category",
            how="full",
            coalesce=True,
        )
        .fill_null(0)
        .sort("category")
    )


def release_counts(folders: Folders) -> pl.DataFrame:
    """Questions of a release, categories by splits."""
    questions = read_table(folders["release"] / "questions.parquet")
    counted = questions.group_by("category", "split").agg(n=pl.len())
    return counted.pivot("split", index="category", values="n").fill_null(0).sort("category")


def accuracies(folders: Folders) -> pl.DataFrame:
    """One row per category: its questions, each arm's accuracy, and P4D's paired gain over SFT.

    The intervals of the accuracies are in the picture beside it.
    """
    table = read_csv(folders["evaluation"] / "by_category.csv")
    wide = table.pivot("arm", index=("category", "n"), values="accuracy")
    gains = read_json(folders["evaluation"] / "comparisons.json")["p4d_over_sft"]
    gained = pl.DataFrame(
        [(name, _with_interval(gain)) for name, gain in gains.items()],
        schema=["category", "p4d over sft"],
        orient="row",
    )
    averages = pl.col("category").is_in(["Average", "Static", "Dynamic"])
    return (
        wide.rename({"n": "questions"})
        .with_columns(pl.selectors.float().round(3))
        .join(gained, on="category", how="left")
        .sort(~averages, "category")
    )


def decision(folders: Folders) -> pl.DataFrame:
    """The promotion decision, its reasons and the gains it rests on, in their order of weight."""
    found = read_json(folders["champion"] / "decision.json")
    rows = [("decision", found["decision"])]
    rows += [("reason", reason) for reason in found["reasons"]]
    evidence = found["evidence"]
    for name in sorted(name for name in evidence if name.startswith("over_student")):
        rows.append((f"gain {name.replace('_', ' ')}", _gain(evidence[name])))
    for category, gain in evidence["over_compared"].items():
        rows.append((f"gain over {found['compared_with']}: {category}", _gain(gain)))
    for name, gain in evidence.get("at_error_rate_of_try", {}).items():
        rows.append((f"tested: gain {name.replace('_', ' ')}", _gain(gain)))
    kept = ("challenger", "incumbent", "champion", "error_rate", "rule")
    rest = {name: found[name] for name in kept if name in found}
    rows += list(_leaves(rest))
    return pl.DataFrame(rows, schema=["item", "value"], orient="row")


def _gain(gain: Mapping[str, float]) -> str:
    return f"{_with_interval(gain)}, {gain['n']} questions"


def _with_interval(gain: Mapping[str, float]) -> str:
    return f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"


def _leaves(value: object, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [
            leaf
            for key in sorted(value)
            for leaf in _leaves(value[key], f"{name}.{key}" if name else key)
        ]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return [(name, text)]
