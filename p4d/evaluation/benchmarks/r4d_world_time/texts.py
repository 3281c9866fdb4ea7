"""Card and datasheet of R4D-World-Time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION = 1


def card(facts: Mapping[str, Any], shares: Mapping[str, int]) -> str:
    """Return the README of the release: its content and how to use it."""
    total = sum(facts["questions"].values())
    lines = [
        f"# R4D-World-Time, version {VERSION}",
        "",
        f"Release `{facts['release']}`: {total} questions about takes of {facts['made_of']} "
        "simulated worlds, whose answers need the seconds of the frames. For testing only. It has "
        "the layout of R4D-World and of R4D-Bench.",
        "",
        "- The takes of a world, `world_0000_0.mp4` and so on, have equal frames at other times: "
        "8 frames over 1 to 8 s, at a constant rate, with jitter, with a pause, in bursts, or ever "
        "slower or faster. Read all 8 frames with their presentation times; a reader that assumes "
        "a constant rate sees other times.",
        "- Questions come in groups of four about equal frames, with equal words and options in "
        "equal order. Each option is right once, so a model that ignores the times answers "
        "exactly one in four.",
        "- Takes of a world are not independent: resample worlds, not videos, for intervals.",
        "",
        "| category | questions |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in shares.items()),
        "",
        "| family | questions |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in facts["families"].items()),
        "",
        "```",
        "p4d evaluate --benchmark THIS_FOLDER --model MODEL_FOLDER",
        "sha256sum -c SHA256SUMS",
        "```",
        "",
    ]
    return "\n".join(lines)


def datasheet(facts: Mapping[str, Any]) -> str:
    """Return the datasheet, with the headings of Gebru et al., "Datasheets for Datasets" (2021)."""
    total = sum(facts["questions"].values())
    return f"""# Datasheet of R4D-World-Time {VERSION}, release {facts["release"]}

## Motivation

R4D-World shows all clips at one rate, so the order of frames decides its answers. R4D-World-Time
measures whether a video-language model uses the times of frames.

## Composition

- {total} multiple-choice questions of four options about {facts["worlds"]} videos, which are takes
  of {facts["made_of"]} simulated worlds: equal frames at other times. No person, real place or text
  is shown. Appearance is that of R4D-World.
- Nothing is thrown, because gravity would reveal the true seconds. Objects that change place rest
  before or after, and do not spin.
- Events are tied to frames: an object starts at the last frame in which it still rests, and has
  stopped at the first one in which it rests again.
- There are no splits: all questions are for testing. An answer leads every wrong option by three
  sigma.

## Collection process

The worlds were simulated with MuJoCo from fixed seeds. The frames of a world were encoded once
(H.264, 192 px) and stored with the times of each take.

## Preprocessing, cleaning, labelling

p4d's stages videos, clips (`span: video`), regions, facts and questions (`seconds: pictures`).
Every complete group of four is released.

## Uses

The benchmark compares ways of telling a model the times of frames, and a model with itself when the
times are withheld. A model trained on p4d's simulated worlds has an advantage. Do not train on it.
Answer each question on its own: within a group each option is right exactly once.

## Distribution

Users make it themselves with `p4d benchmark make FOLDER --time`. The SHA-256 list in the repository
identifies the bytes that published results refer to. Code and content are licensed under
Apache-2.0.

## Maintenance

A release never changes. A new release gets a new identifier and a new list of digests.
"""
