"""Card and datasheet of R4D-World."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p4d.categories import CATEGORIES, STATIC

VERSION = 2
"""Version 1 asked the same kinds of questions in other words; scores of the two do not compare."""


def card(facts: Mapping[str, Any], shares: Mapping[str, int]) -> str:
    """Return the README of the release: its content and how to use it."""
    whole, total = sum(shares.values()), sum(facts["questions"].values())
    lines = [
        f"# R4D-World, version {VERSION}",
        "",
        f"Release `{facts['release']}`: {total} region-level questions about "
        f"{facts['worlds']} simulated worlds with exact truth, for testing only. It has the layout "
        "of R4D-Bench: a tool that reads `test.json`, `videos/` and `images/` of R4D-Bench can "
        "read it.",
        "",
        "| category | kind | questions | target share |",
        "|---|---|---|---|",
        *(
            f"| {name} | {'static' if name in STATIC else 'dynamic'} "
            f"| {facts['questions'].get(name, 0)} | {shares[name] / whole:.1%} |"
            for name in CATEGORIES
        ),
        "",
        "```",
        "p4d evaluate --benchmark THIS_FOLDER --model MODEL_FOLDER",
        "sha256sum -c SHA256SUMS",
        "```",
        "",
        "- `question` refers to regions as `<obj_1>`, `<obj_2>`, ...; `som_image` shows their "
        "marks on the first frame of `video`, a single clip of 2 s.",
        "- `answer` is the text of the right option. In addition to R4D-Bench's fields a record "
        "has `family`, `shard`, `clip_id` and `fact_ids`, which refer to rows in `stages/`.",
        "- `stages/` holds the same clips as small frames with masks, and the facts behind each "
        "answer, in the layout of p4d's pipeline.",
        "",
        "## Families",
        "",
        "| family | questions |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in facts["families"].items()),
        "",
    ]
    return "\n".join(lines)


def datasheet(facts: Mapping[str, Any]) -> str:
    """Return the datasheet, with the headings of Gebru et al., "Datasheets for Datasets" (2021)."""
    total = sum(facts["questions"].values())
    options = ", ".join(f"{count} with {n} options" for n, count in facts["options"].items())
    return f"""# Datasheet of R4D-World {VERSION}, release {facts["release"]}

## Motivation

R4D-World measures whether a video-language model perceives the depth, motion and timing of marked
regions. Its videos are in no training set, and its answers follow from exact simulated truth. It
was made with p4d.

## Composition

- {total} multiple-choice questions ({options}) about {facts["worlds"]} videos of 2 s. Each video is
  one clip. The videos are drawn from {facts["made_of"]} simulated worlds. No person, real place or
  text is shown.
- The worlds look different from all training worlds: cones, pyramids, prisms, wedges and octahedra;
  eight other colours; checked and striped objects in tiled rooms. Object and camera motions are
  drawn from the distributions used in training, so only the appearance differs.
- A record consists of a marked first frame, a video, a question, options and an answer. Each answer
  is derived from facts with unit and sigma in `stages/facts`.
- There are no splits: all questions are for testing. There is no known noise in the answers. A
  question was left out unless its answer led every wrong option by three sigma.
- Questions come in complete exchange groups: the options of a group are the right answers of its
  own questions, so letters, words, numbers and ranks do not reveal the answer. In counting
  questions, all clips of a group show the same number of marks.

## Collection process

The worlds were simulated with MuJoCo from fixed seeds. Depth, instances, poses and cameras are
exact. There were no annotators and no recorded persons.

## Preprocessing, cleaning, labelling

The videos are H.264 at 192 px; a third of them have a variable frame rate. They were processed by
p4d's stages: ingest, clips, regions, facts, questions. Regions that cover fewer than 40 of the
64 x 64 px of the first frame, or that are hidden in more than two of eight frames, are not asked
about. Complete exchange groups were selected to match fixed shares of the nine categories; among
them, families and then clips with the fewest questions were preferred.

## Uses

The benchmark compares models with each other, and control models with chance (`p4d evaluate`,
`p4d compare`). A model trained on p4d's simulated worlds has an advantage over a model that was
not: object motions, camera motions and phrasings are the same as in its training data. Results say
little about real video. Do not train on it. Answer each question on its own: within an exchange
group each option is right exactly once, so a reader of several questions of one group can exclude
options.

## Distribution

Users make it themselves with `make r4d-world`. The SHA-256 list in the repository identifies the
bytes that published results refer to. Code and content are licensed under Apache-2.0.

## Maintenance

A release never changes. A new release gets a new identifier and a new list of digests. Results on
different releases are not comparable.
"""
