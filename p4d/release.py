"""Stage `release`: a frozen set of questions, split so that nothing of a video crosses a split.

Clips of one video stay together, and so do videos whose clips look alike (perceptual hashes within
a few bits). Where a group falls depends on its first-landed video alone (p4d/splits.py), and which
group a video joins on those that landed before it, so later shards never move a video from one
split to another; a video that looks like videos of two splits is left out. Exchange groups
(p4d/questions/balance.py) were drawn within splits; those that near-duplicates tear are left out.

Verdicts of people (p4d/review/verdicts.py) come first: dropped questions go to `rejected.parquet`
with their reason, fixed ones are released under an id of their own. What a dropped or re-answered
question unbalances is evened out like a torn group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from p4d.artifacts import read_table, write_bytes, write_json, write_table
from p4d.config import ReleaseParams
from p4d.errors import ContractError
from p4d.ids import content_id
from p4d.pipeline import StageInputs, StageReport
from p4d.review.agreement import review_report
from p4d.review.verdicts import apply_verdicts, read_verdicts, resolve
from p4d.splits import SPLITS, split_for


def build_release(inputs: StageInputs, out: Path) -> StageReport:
    """Write the release.

    `questions.parquet`, `clips.parquet`, `rejected.parquet`, `manifest.json`, `balance.json`,
    `review.json` and `card.md`.

    Raises:
        ContractError: there are no questions, a split that was asked for is empty, or a verdict is
            malformed.
    """
    params: ReleaseParams = inputs.params("release")
    clip_folders, question_folders = (
        inputs.shard_folders("clips"),
        inputs.shard_folders("questions"),
    )
    shards = [shard for shard in question_folders if shard in clip_folders]
    clips = _clips({shard: clip_folders[shard] for shard in shards})
    questions = _questions({shard: question_folders[shard] for shard in shards})
    if not questions.height:
        raise ContractError(
            "no shard has a question: look at data/questions/*/refusals.parquet, "
            "or land more videos"
        )
    groups, between = duplicate_groups(clips.to_dicts(), params)
    clips = (
        clips.filter(~pl.col("video_id").is_in(list(between)))
        .with_columns(group=pl.col("video_id").replace_strict(groups, return_dtype=pl.String))
        .with_columns(
            split=pl.col("group").map_elements(
                lambda group: split_for(group, params), return_dtype=pl.String
            )
        )
        .select("clip_id", "video_id", "shard", "split", "group")
    )
    reviews = inputs.tracked("reviews")
    verdicts = read_verdicts(reviews) if reviews else []
    reviewed = apply_verdicts(questions, resolve(verdicts))
    review = review_report(verdicts, questions, reviewed.not_applicable)
    unique, repeated = drop_repeated(reviewed.questions)
    n_unique = unique.height
    unique = unique.join(clips.select("clip_id", "split"), on="clip_id", how="inner")
    bridging = n_unique - unique.height
    unique, torn = drop_torn(unique)
    _require_splits(unique, params)
    counts = {
        "videos": clips["video_id"].n_unique(),
        "clips": clips.height,
        "groups": clips["group"].n_unique(),
        "questions": unique.height,
        "accepted_questions": unique.filter(pl.col("review") == "accept").height,
        "fixed_questions": unique.filter(pl.col("review") == "fix").height,
        "rejected_questions": reviewed.rejected.height,
        "verdicts_not_applicable": len(reviewed.not_applicable),
        "repeated_questions_left_out": repeated,
        "torn_questions_left_out": torn,
        "videos_left_out": len(between),
        "questions_of_left_out_videos": bridging,
    }
    splits = {
        name: {
            "videos": clips.filter(pl.col("split") == name)["video_id"].n_unique(),
            "clips": clips.filter(pl.col("split") == name).height,
            "questions": unique.filter(pl.col("split") == name).height,
        }
        for name in SPLITS
    }
    identity = unique.sort("qa_id").select("qa_id", "split", "answer").rows()
    manifest: dict[str, Any] = {
        "release_id": content_id("rel", [list(row) for row in identity]),
        "shards": [
            {"shard": shard, "versions": _versions(inputs.versions, shard)} for shard in shards
        ],
        "excluded": dict(inputs.excluded),
        "left_out_videos": dict(sorted(between.items())),
        "duplicate_hamming_bits": params.duplicate_hamming_bits,
        "splits": splits,
        "counts": counts,
    }
    measured = balance(unique)
    write_table(out / "questions.parquet", unique, sort_by=["qa_id"])
    write_table(out / "clips.parquet", clips, sort_by=["clip_id"])
    write_table(out / "rejected.parquet", reviewed.rejected, sort_by=["qa_id"])
    write_json(out / "manifest.json", manifest)
    write_json(out / "balance.json", measured)
    write_json(out / "review.json", review)
    write_bytes(out / "card.md", card(manifest, measured, unique, params, review).encode())
    metrics = {f"questions_{name}": splits[name]["questions"] for name in SPLITS}
    return StageReport(
        rows={
            "ok": unique.height,
            "filtered": repeated + torn + bridging,
            "rejected": reviewed.rejected.height,
        },
        metrics={"release_id": manifest["release_id"], "shards": len(shards), **metrics},
    )


def duplicate_groups(
    clips: Sequence[Mapping[str, Any]], params: ReleaseParams
) -> tuple[dict[str, str], dict[str, str]]:
    """Near-duplicate group of every video, and the videos that fit no split.

    A video joins the earliest group it is near to, or founds one that bears its name. Groups never
    merge, as that could move old videos; a later video near to several of one split joins the
    earliest. Each video is thus decided by those before it alone.

    Args:
        clips: rows with video_id and phash (16 hex digits), in landing order.
        params: clips whose hashes differ in at most `duplicate_hamming_bits` are near. Null hashes
            are near to nothing.

    Returns:
        The group by video; and by video near to groups of different splits, which has none, why.
    """
    clips_of: dict[str, list[int]] = {}
    for clip in clips:
        hashes = clips_of.setdefault(clip["video_id"], [])
        if clip["phash"] is not None:
            hashes.append(int(clip["phash"], 16))
    groups: dict[str, str] = {}
    between: dict[str, str] = {}
    founders: list[str] = []
    # One row per hash of a grouped video: its bits, and the position of its group in `founders`.
    bits = np.empty(sum(map(len, clips_of.values())), dtype=np.uint64)
    group_of = np.empty(len(bits), dtype=np.int64)
    filled = 0
    for video, hashes in clips_of.items():
        near: set[int] = set()
        for value in hashes:
            differing = np.bitwise_count(bits[:filled] ^ np.uint64(value))
            near.update(group_of[:filled][differing <= params.duplicate_hamming_bits].tolist())
        splits = {split_for(founders[k], params) for k in near}
        if len(splits) > 1:
            names = ", ".join(founders[k] for k in sorted(near))
            between[video] = f"looks like videos of {' and '.join(sorted(splits))}: {names}"
            continue
        if not near:
            founders.append(video)
        joined = min(near, default=len(founders) - 1)
        groups[video] = founders[joined]
        bits[filled : filled + len(hashes)] = hashes
        group_of[filled : filled + len(hashes)] = joined
        filled += len(hashes)
    return groups, between


def drop_repeated(questions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the first of questions with equal clip and text; also how many were left out."""
    kept = questions.unique(["clip_id", "question"], keep="first", maintain_order=True)
    return kept, questions.height - kept.height


def drop_torn(questions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep each option of a shard's family right equally often within a split.

    Whole exchange groups stay untouched. Of torn ones so many questions go, by hash, that the
    options of a set are even again; also how many went.
    """
    sets: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in questions.sort("qa_id").iter_rows(named=True):
        key = (row["split"], row["shard"], row["family"], *sorted(row["options"]))
        by_answer = sets.setdefault(key, {option: [] for option in row["options"]})
        by_answer[row["answer_text"]].append(row["qa_id"])
    kept: list[str] = []
    for by_answer in sets.values():
        even = min(len(ids) for ids in by_answer.values())
        kept += [qa_id for ids in by_answer.values() for qa_id in ids[:even]]
    even_questions = questions.filter(pl.col("qa_id").is_in(kept))
    return even_questions, questions.height - even_questions.height


def balance(questions: pl.DataFrame) -> dict[str, Any]:
    """What a reader of texts alone could exploit, per split and category.

    `majority_prior` is the accuracy of counting: take the option that was right most often, of the
    times it was offered, in the train questions of the family (equal ones share). In train itself
    it is fitted and read too high. `chance` is the mean of one over the number of options.
    """
    rates = answer_rates(questions.filter(pl.col("split") == "train"))
    found: dict[str, Any] = {}
    for split in SPLITS:
        part = questions.filter(pl.col("split") == split)
        found[split] = {
            category: _balance_of(part.filter(pl.col("category") == category), rates)
            for category in sorted(set(part["category"].to_list()))
        }
    return found


def answer_rates(questions: pl.DataFrame) -> dict[tuple[str, str], float]:
    """How often an option is right when its family offers it."""
    offered: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for row in questions.iter_rows(named=True):
        offered.update((row["family"], option) for option in row["options"])
        right[(row["family"], row["answer_text"])] += 1
    return {key: right[key] / count for key, count in offered.items()}


def counting_accuracy(questions: pl.DataFrame, rates: Mapping[tuple[str, str], float]) -> float:
    """Expected accuracy of taking the option with the highest rate; unseen ones count as chance."""
    score = 0.0
    for row in questions.iter_rows(named=True):
        options = row["options"]
        guesses = [rates.get((row["family"], option), 1.0 / len(options)) for option in options]
        best = max(guesses)
        if guesses[row["answer_index"]] == best:
            score += 1.0 / guesses.count(best)
    return score / questions.height


def _balance_of(rows: pl.DataFrame, rates: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    ranks: Counter[int] = Counter()
    for row in rows.iter_rows(named=True):
        rank = numeric_rank(row["options"], row["answer_index"])
        if rank is not None:
            ranks[rank] += 1
    chances = [1.0 / len(options) for options in rows["options"].to_list()]
    return {
        "questions": rows.height,
        "chance": round(sum(chances) / len(chances), 6),
        "letters": _counts(Counter(rows["answer"].to_list())),
        "numeric_ranks": _counts(ranks),
        "answers": _counts(_words(rows)),
        "families": _counts(Counter(rows["family"].to_list())),
        "frames": _counts(Counter(rows["frame"].to_list())) if "frame" in rows.columns else {},
        "uneven_option_sets": uneven_option_sets(rows),
        "majority_prior": round(counting_accuracy(rows, rates), 6),
    }


def uneven_option_sets(questions: pl.DataFrame) -> int:
    """Of how many sets of options some option of a family is right more often than another."""
    right: dict[tuple[str, ...], Counter[str]] = {}
    for row in questions.iter_rows(named=True):
        key = (row["family"], *sorted(row["options"]))
        right.setdefault(key, Counter())[row["answer_text"]] += 1
    return sum(
        len(counts) < len(key) - 1 or len(set(counts.values())) > 1 for key, counts in right.items()
    )


def numeric_rank(options: Sequence[str], answer_index: int) -> int | None:
    """Rank of the right option among single numbers, 0 for the smallest; None for other options."""
    try:
        values = [float(option.split()[0]) for option in options]
    except ValueError:
        return None
    return sorted(values).index(values[answer_index])


def _words(rows: pl.DataFrame) -> Counter[str]:
    """Answers that are words or counts; measured numbers hardly repeat."""
    return Counter(
        row["answer_text"]
        for row in rows.iter_rows(named=True)
        if not row["answer_text"].endswith((" m", " m/s", " m/s2", " degrees", " times"))
    )


def _counts(counter: Counter[Any]) -> dict[str, int]:
    return {str(key): counter[key] for key in sorted(counter)}


def _clips(folders: Mapping[str, Path]) -> pl.DataFrame:
    """Usable clips of all shards in landing order; a clip that landed twice counts once."""
    tables = []
    for shard, folder in folders.items():
        table = read_table(folder / "clips.parquet").filter(pl.col("outcome") == "ok")
        tables.append(
            table.sort("clip_id").select(
                "clip_id", "video_id", pl.lit(shard).alias("shard"), "phash"
            )
        )
    if not tables:
        raise ContractError("no shard may enter the release: see the gates' results")
    return pl.concat(tables).unique("clip_id", keep="first", maintain_order=True)


def _questions(folders: Mapping[str, Path]) -> pl.DataFrame:
    tables = [
        read_table(folder / "questions.parquet").sort("qa_id").with_columns(shard=pl.lit(shard))
        for shard, folder in folders.items()
    ]
    return pl.concat(tables)


def _require_splits(questions: pl.DataFrame, params: ReleaseParams) -> None:
    wanted = [("train", 1.0), ("val", params.val_fraction), ("test", params.test_fraction)]
    present = set(questions["split"].to_list())
    empty = [name for name, fraction in wanted if fraction > 0 and name not in present]
    # A release without val is usable: it only picks hyperparameters.
    if set(empty) - {"val"}:
        videos = questions["video_id"].n_unique()
        raise ContractError(
            f"release: the split {' and '.join(empty)} is empty with {videos} videos; "
            "land more videos, or change release.test_fraction in params.yaml"
        )


def _versions(versions: Mapping[str, str], shard: str) -> dict[str, str]:
    """Data versions of one shard's upstream artifacts, by stage."""
    ending = f"@{shard}"
    return {
        key.removesuffix(ending): version
        for key, version in sorted(versions.items())
        if key.endswith(ending)
    }


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
