"""Command line of the measurements of scale: `python -m benchmarks.scale PART`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from benchmarks.scale import growth, labels, pages, shards
from p4d.artifacts import read_json

FIGURES = RESULTS / "scale.json"

Part = Callable[[Mapping[str, Any]], Mapping[str, object]]
_OF_THE_LARGEST = ("status_one_shard_s", "plan_rss_mb")
PARTS: Mapping[str, Part] = {
    "growth": lambda given: growth.measure([int(n) for n in given["sizes"].split(",")]),
    "overhead": lambda given: shards.measure_overhead(_finished(given), given["shards"]),
    "memory": lambda given: shards.measure_memory(_finished(given), given["shards"]),
    "labels": lambda given: labels.measure(_finished(given)),
    "local": lambda given: shards.measure_local(_finished(given), given["shards"]),
    "pages": lambda given: pages.measure(_finished(given), given["partitions"]),
}


def _finished(given: Mapping[str, Any]) -> Path:
    return Path(given["project"] or CHECKOUT)


@click.command()
@click.argument("part", type=click.Choice(list(PARTS)))
@click.option("--sizes", default="100,1000,10000", show_default=True, help="Shards, for growth.")
@click.option("--project", help="A finished project to copy; default: this checkout.")
@click.option("--shards", default=6, show_default=True, help="New shards of one video each.")
@click.option("--partitions", default=10_000, show_default=True, help="Shards, for pages.")
@click.option("--keep/--print", default=True, help="Merge into the results, or only print.")
def main(part: str, **given: Any) -> None:
    before = os.getloadavg()[0]
    figures = dict(PARTS[part](given))
    if given["keep"]:
        known = read_json(FIGURES) if FIGURES.is_file() else {}
        load = {"before": round(before, 1), "after": round(os.getloadavg()[0], 1)}
        measured = {**known.get("measured", {}), part: {**describe(CHECKOUT), "load": load}}
        merge_results(FIGURES, {**_joined(known, figures), "measured": measured})
    click.echo(json.dumps(figures, indent=2))


def _joined(known: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures, with those of other sizes that are known already, and some of the largest."""
    joined = {
        name: {**known.get(name, {}), **value} if name.endswith("_by_shards") else value
        for name, value in figures.items()
    }
    for name in _OF_THE_LARGEST:
        if by_shards := joined.get(f"{name}_by_shards"):
            joined[name] = by_shards[max(by_shards, key=int)]
    return joined


if __name__ == "__main__":
    main()
