"""The dataset card of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from p4d.config import ReleaseParams
from p4d.splits import SPLITS


def card(
    manifest: Mapping[str, Any],
    measured: Mapping[str, Any],
    questions: pl.DataFrame,
    params: ReleaseParams,
    review: Mapping[str, Any],
) -> str:
    """The datasheet of a release, in Markdown."""
    counts, splits = manifest["counts"], manifest["splits"]
    simulated = questions.filter(pl.col("has_truth")).height
    lines = [
        f"# Release {manifest['release_id']}",
        "",
        f"{counts['questions']} multiple-choice questions about {counts['clips']} clips of "
        f"{counts['videos']} videos, from {len(manifest['shards'])} shards. {simulated} "
        f"rest on exact truth, {counts['questions'] - simulated} on labels of the expert.",
        "",
        "| split | videos | clips | questions |",
        "|---|---|---|---|",
        *(
            f"| {name} | {splits[name]['videos']} | {splits[name]['clips']} "
            f"| {splits[name]['questions']} |"
            for name in SPLITS
        ),
        "",
        "| category | train | val | test | majority prior of test | chance |",
        "|---|---|---|---|---|---|",
    ]
    for category in sorted(set(questions["category"].to_list())):
        cells = [str(measured[name].get(category, {}).get("questions", 0)) for name in SPLITS]
        test = measured["test"].get(category)
        prior = f"{test['majority_prior']:.2f} | {test['chance']:.2f}" if test else "- | -"
        lines.append(f"| {category} | {' | '.join(cells)} | {prior} |")
    lines += [
        "",
        "## How it was made",
        "",
        "Every answer derives from facts in `data/facts`, named by `fact_ids`. Questions are asked "
        "in exchange groups: members read alike and share one set of options, of which each is "
        "right once. Wrong options are thus never invented; letters, ranks and words are balanced.",
        "",
        "Splits keep a video whole, and videos together whose clips differ by at most "
        f"{params.duplicate_hamming_bits} bits of perceptual hash. "
        f"{counts['repeated_questions_left_out']} repeated questions were left out, and "
        f"{counts['torn_questions_left_out']} whose exchange group near-duplicates tore apart; "
        f"{counts['videos_left_out']} videos look like videos of two splits and are left out.",
        "",
        *_review_lines(review, manifest["counts"]),
        "## Sources and licences",
        "",
        "Per video in `data/videos/<shard>/videos.parquet`, columns `source` and `licence`.",
        "",
        "## Limits",
        "",
        "- The majority prior counts answers in train and applies the counts. With few "
        "questions it scatters around chance; the blind arm is the stronger test.",
        "- Metres are asked only where the scale is metric; real clips are asked of the picture.",
        "- Regions of real clips are moving regions only, and things at rest carry no mark, unless "
        "`regions.sources` names a detector and a tracker.",
        f"- {_unverified(counts)}",
    ]
    if manifest["excluded"]:
        lines += ["", "## Shards left out", ""]
        lines += [f"- {shard}: {why}" for shard, why in sorted(manifest["excluded"].items())]
    if manifest["left_out_videos"]:
        lines += ["", "## Videos left out", ""]
        lines += [f"- {video}: {why}" for video, why in sorted(manifest["left_out_videos"].items())]
    return "\n".join(lines) + "\n"


def _unverified(counts: Mapping[str, int]) -> str:
    verified = counts["accepted_questions"] + counts["fixed_questions"]
    if not verified:
        return "No person has verified these questions."
    return f"{counts['questions'] - verified} of {counts['questions']} were verified by no person."


def _review_lines(review: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """The section on verdicts; empty when nobody judged anything."""
    if not review["verdicts"]:
        return []
    kappa = review["fleiss_kappa"]
    lines = [
        "## Review by people",
        "",
        f"{review['annotators']} annotators judged {review['questions_reviewed']} questions, "
        f"{review['questions_with_two_or_more']} of them by two or more, who agree with a Fleiss "
        f"kappa of {'no meaning (all alike, or too few)' if kappa is None else f'{kappa:.2f}'} and "
        f"conflict on {review['conflicts']}. Drop wins over fix, fix over accept. "
        f"{counts['accepted_questions']} released questions were accepted, "
        f"{counts['fixed_questions']} fixed; {counts['rejected_questions']} were dropped and are "
        "in `rejected.parquet`. A verdict on a question takes its exchange group along only where "
        "that is needed to keep options balanced. "
        f"{review['not_applicable']} verdicts speak of questions that no longer exist.",
        "",
        "| family | category | reviewed | fixed | dropped | drop rate, 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['family']} | {row['category']} | {row['reviewed']} | {row['fixed']} "
        f"| {row['dropped']} | {row['drop_rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}] |"
        for row in review["by_family"]
    ]
    return [*lines, ""]
