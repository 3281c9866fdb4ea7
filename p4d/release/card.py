"""The dataset card of a release, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from p4d.config import ReleaseParams
from p4d.foreign_text import one_line
from p4d.origins import Origin, withheld
from p4d.splits import SPLITS

_MOST_NOTES = 20


def card(
    manifest: Mapping[str, Any],
    measured: Mapping[str, Any],
    questions: pl.DataFrame,
    params: ReleaseParams,
    review: Mapping[str, Any],
    origins: Mapping[str, Origin],
) -> str:
    """Return the card of a release.

    Args:
        manifest: `manifest.json`.
        measured: `balance.json`.
        questions: of the release.
        params: of the release.
        review: `review.json`.
        origins: by video, of those that state their dataset or terms.
    """
    counts = manifest["counts"]
    sections = [
        _summary(manifest, questions),
        _splits(manifest["splits"]),
        _categories(sorted(set(questions["category"].to_list())), measured),
        _method(counts, params),
        _review(review, counts),
        [
            "## Sources and licences",
            "",
            "Per video in `data/videos/<shard>/videos.parquet`, columns `source` and `licence`.",
            *_datasets(origins),
        ],
        _limits(counts),
        _left_out("Shards left out", manifest["excluded"]),
        _left_out("Videos left out", manifest["left_out_videos"]),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _summary(manifest: Mapping[str, Any], questions: pl.DataFrame) -> list[str]:
    counts = manifest["counts"]
    exact = questions.filter(pl.col("has_truth")).height
    return [
        f"# Release {manifest['release_id']}",
        "",
        f"{counts['questions']} multiple-choice questions about {counts['clips']} clips of "
        f"{counts['videos']} videos, from {len(manifest['shards'])} shards. {exact} questions are "
        f"based on exact truth, {counts['questions'] - exact} on labels of teachers.",
    ]


def _splits(splits: Mapping[str, Mapping[str, int]]) -> list[str]:
    rows = (
        [name, *(str(splits[name][what]) for what in ("videos", "clips", "questions"))]
        for name in SPLITS
    )
    return _table(["split", "videos", "clips", "questions"], rows)


def _categories(categories: Sequence[str], measured: Mapping[str, Any]) -> list[str]:
    rows = []
    for category in categories:
        counts = [str(measured[name].get(category, {}).get("questions", 0)) for name in SPLITS]
        test = measured["test"].get(category)
        prior = [f"{test['majority_prior']:.2f}", f"{test['chance']:.2f}"] if test else ["-", "-"]
        rows.append([category, *counts, *prior])
    return _table(["category", *SPLITS, "majority prior of test", "chance"], rows)


def _method(counts: Mapping[str, int], params: ReleaseParams) -> list[str]:
    return [
        "## How it was made",
        "",
        "Each answer is derived from facts in `data/facts`, listed in `fact_ids`. Questions are "
        "asked in exchange groups: the questions of a group read alike and share one set of "
        "options, and each option is right once. So wrong options are never invented, and letters, "
        "ranks and words are balanced.",
        "",
        "A split contains whole videos. Videos are in the same split if the perceptual hashes of "
        f"their clips differ by at most {params.duplicate_hamming_bits} bits, or those of their "
        f"frames by at most {params.copy_bits:g} bits on average over half a clip, at any shift, "
        "mirrored too. So trimmed, letterboxed, slightly cropped and mirrored copies stay "
        "together; copies at another speed, rotated, or cropped by far more are not found. "
        f"{counts['repeated_questions_left_out']} repeated questions were left out, and "
        f"{counts['incomplete_group_questions_left_out']} questions whose exchange group was "
        f"incomplete. {counts['videos_left_out']} videos were left out because they resemble "
        "videos of two splits.",
    ]


def _datasets(origins: Mapping[str, Origin]) -> list[str]:
    """What the card states of datasets: their terms, what may not leave, and what was done."""
    if not origins:
        return []
    by_terms: dict[tuple[str, str, str, str, bool], list[Origin]] = {}
    for _, each in sorted(origins.items()):
        key = (each.dataset, each.terms_id, each.terms, each.terms_url, each.redistributable)
        by_terms.setdefault(key, []).append(each)
    rows = [
        [
            _cell(each[0]),
            str(len(videos)),
            _cell(" ".join(part for part in (each[1], each[3]) if part)),
            "yes" if each[4] else "**no**",
            _cell(each[2]),
        ]
        for each, videos in sorted(by_terms.items())
    ]
    lines = ["", *_table(["dataset", "videos", "terms", "pictures may leave", "text"], rows)]
    if kept := withheld(origins):
        lines += [
            "",
            f"The terms of {len(kept)} videos forbid redistribution. Exports, bundles and pushes "
            "to a remote that is not private leave their pictures out; `origins.parquet` names "
            "dataset and sequence, from which `p4d land --dataset` makes them again.",
        ]
    declared = sum(each.times == "declared" for each in origins.values())
    if declared:
        lines += ["", f"The frame rate of {declared} videos is declared, not measured."]
    notes = Counter(_cell(note) for each in origins.values() for note in each.notes)
    shown = [f"- {note} ({count})" for note, count in notes.most_common(_MOST_NOTES)]
    more = len(notes) - len(shown)
    return [
        *lines,
        *(["", "Notes of the readers, with the number of videos:", ""] if shown else []),
        *shown,
        *([f"- and {more} more, in `origins.parquet`"] if more > 0 else []),
    ]


def _cell(text: str) -> str:
    """Text from outside in one cell of a table."""
    return one_line(text).replace("|", "\\|") or "-"


def _limits(counts: Mapping[str, int]) -> list[str]:
    return [
        "## Limits",
        "",
        "- The majority prior counts the answers in train and predicts the most frequent one. With "
        "few questions it scatters around chance; the blind arm is the stronger test.",
        "- Questions about metres are asked only if the scale is metric. Questions about real "
        "clips refer to the image.",
        "- Regions of real clips are moving objects only, unless `regions.sources` names a "
        "detector and a tracker; objects at rest have no mark.",
        f"- {_unverified(counts)}",
    ]


def _unverified(counts: Mapping[str, int]) -> str:
    verified = counts["accepted_questions"] + counts["fixed_questions"]
    if not verified:
        return "No person has verified these questions."
    unverified = counts["questions"] - verified
    return f"{unverified} of {counts['questions']} questions have not been verified by a person."


def _review(review: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """Return the section on verdicts; empty if there are none."""
    if not review["verdicts"]:
        return []
    kappa = review["fleiss_kappa"]
    agreement = "undefined (all equal, or too few)" if kappa is None else f"{kappa:.2f}"
    rows = (
        [
            row["family"],
            row["category"],
            *(str(row[what]) for what in ("reviewed", "fixed", "dropped")),
            f"{row['drop_rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
        ]
        for row in review["by_family"]
    )
    return [
        "## Review by people",
        "",
        f"{review['annotators']} annotators reviewed {review['questions_reviewed']} questions, "
        f"{review['questions_with_two_or_more']} of them by two or more annotators. Fleiss' kappa "
        f"is {agreement}; {review['conflicts']} questions have conflicting verdicts. Drop takes "
        "precedence over fix, and fix over accept. "
        f"{counts['accepted_questions']} released questions were accepted and "
        f"{counts['fixed_questions']} fixed; {counts['rejected_questions']} were dropped and are "
        "in `rejected.parquet`. Other questions of an exchange group are dropped with it only as "
        "far as the balance of options requires. "
        f"{review['not_applicable']} verdicts refer to questions that no longer exist.",
        "",
        *_table(
            ["family", "category", "reviewed", "fixed", "dropped", "drop rate, 95 % interval"],
            rows,
        ),
    ]


def _left_out(title: str, reasons: Mapping[str, str]) -> list[str]:
    """Return a list of what was left out; empty if nothing was."""
    if not reasons:
        return []
    return [f"## {title}", "", *(f"- {name}: {why}" for name, why in sorted(reasons.items()))]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]
