"""Card and datasheet of R4D-World."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from p4d.categories import CATEGORIES, STATIC


def card(facts: Mapping[str, Any], shares: Mapping[str, int]) -> str:
    """The README of the release: what is in it and how to use it."""
    whole, total = sum(shares.values()), sum(facts["questions"].values())
    lines = [
        "# R4D-World",
        "",
        f"Release `{facts['release']}`: {total} region-level questions about "
        f"{facts['worlds']} simulated worlds with exact truth, for testing only. Its layout is "
        "R4D-Bench's: a tool that reads `test.json`, `videos/` and `images/` of R4D-Bench reads "
        "this.",
        "",
        "| category | kind | questions | share wanted |",
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
        "- `question` names regions `<obj_1>`, `<obj_2>`, ...; `som_image` marks them on the first "
        "frame of `video`, which is one clip of 2 s and is seen as a whole.",
        "- `answer` is the text of the right option. Beyond R4D-Bench's fields a record has "
        "`family`, `shard`, `clip_id` and `fact_ids`, which lead into `stages/`.",
        "- `stages/` holds the same clips as small frames with masks, and the facts behind every "
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
    """The datasheet, under the headings of Gebru et al., "Datasheets for Datasets" (2021)."""
    total = sum(facts["questions"].values())
    options = ", ".join(f"{count} with {n} options" for n, count in facts["options"].items())
    return f"""# Datasheet of R4D-World, release {facts["release"]}

## Motivation

To measure whether a video-language model perceives depth, motion and time of marked regions, on
material that certainly is in no training set and whose answers are certain. Made with p4d.

## Composition

- {total} multiple-choice questions ({options}) about {facts["worlds"]} videos of 2 s, one clip
  each, drawn from {facts["made_of"]} simulated worlds. No person, place or text is shown.
- Worlds have a look that no training world has: cones, pyramids, prisms, wedges and octahedra;
  eight other colours; checked and striped objects in tiled rooms. Motions and cameras are drawn as
  in training, so that look alone differs.
- Each record: marked first frame, video, question, options, answer; each answer derives from facts
  with unit and sigma in `stages/facts`.
- There is no split: everything is for testing. No noise in answers is known; questions whose
  answer did not lead every wrong option by three sigma were not asked.
- Questions come in whole exchange groups: the options of a group are its members' own right
  answers, so letters, words, numbers and ranks tell nothing. Where objects are counted, the clips
  of a group show equally many marks.

## Collection process

Simulated with MuJoCo from fixed seeds; depth, instances, poses and cameras are exact. Nobody
annotated anything and nobody was recorded.

## Preprocessing, cleaning, labelling

Videos are H.264 at 192 px, a third of them with a variable frame rate. They were landed and went
through p4d's stages: decoding, clips, regions, facts, questions. Regions smaller than 40 px of
64 x 64 in the first frame, or hidden for more than two of eight frames, are not asked about. Whole
exchange groups were chosen to stated shares of the nine categories, families and then clips with
fewest questions first.

## Uses

Comparing models with each other, and controls with chance (`p4d evaluate`, `p4d compare`). A model
that was trained on p4d's simulated worlds has an advantage over one that was not: motions, cameras
and phrasings are those of its training. It says little about real video. It must not be trained on.
Items are to be answered one by one: within an exchange group every option is right once, so whoever
reads several of its questions together can exclude options.

## Distribution

Made by whoever needs it with `make r4d-world`; the SHA-256 list in the repository says which bytes
figures refer to. Code and content are under Apache-2.0.

## Maintenance

A release never changes. Another one gets another identifier and another list of digests, and
figures of different releases are not compared.
"""
