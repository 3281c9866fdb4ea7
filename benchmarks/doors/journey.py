"""Part `journey`: one project from the fixtures of all datasets to an export, by its commands.

The fixtures land beside simulated videos, are labelled by two teachers, asked about, and released;
ten steps train on our and on external questions; the release is exported. Each step is the command
that a user types, in a checkout of its own with small sizes. What the consumers load of the export
is the part `exports`, with `P4D_PROJECT` naming the project that is left here.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from p4d.artifacts import read_json, read_table
from tests.conftest import Checkout, make_checkout
from tests.external import sets

WORLDS, STEPS = 10, 10
MIX = {"web": 0.25, "sat": 0.25}


def measure(work: Path) -> Mapping[str, object]:
    """Walk the whole way in `work`/project and count what came out of each step."""
    folder = work / "project"
    folder.mkdir()
    checkout = make_checkout(folder)
    teachers = _parameters(checkout)
    for seed in range(WORLDS):
        checkout.run("p4d", "world", f"inbox/world_{seed}.mp4", "--seed", str(seed))
    datasets = _datasets(checkout, work / "fixtures")
    sets.llava(folder / "external" / "web")
    sets.sat(folder / "external" / "sat" / "train.parquet", rows=8)
    seconds = {name: _timed(checkout, *command) for name, command in _COMMANDS.items()}
    return {
        "datasets": datasets,
        "teachers": teachers,
        "labels": _labels(folder),
        "questions": _count(folder, "questions/*/questions.parquet"),
        "released": _count(folder, "release/questions.parquet"),
        "external": read_json(folder / "data" / "mixture" / "mixture.json")["sets"],
        "trained": _trained(folder),
        "decision": read_json(folder / "data" / "champion" / "decision.json")["decision"],
        "exported": _lines(folder / "export"),
        "wall_s": seconds,
    }


_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "up": ("python", "-m", "dagster_project", "up"),
    "export": ("p4d", "export", "training", "export", "--webdataset"),
    "verify": ("p4d", "audit", "verify"),
}
"""The commands after landing, in order; each must end with status 0."""


def _parameters(checkout: Checkout) -> list[str]:
    """Ten steps, two kinds of rows, and two teachers that every video has."""
    teachers, settings = ["expert4d", "exact"], {}
    if importlib.util.find_spec("cv2") is not None:
        teachers, settings = [*teachers, "dis"], {"dis": {"kind": "flow_dis"}}
    checkout.set_params(
        labels={"teachers": teachers, "settings": settings},
        training={"steps": STEPS, "mix": MIX},
        external={"heldout_fraction": 0.3},
        promotion={"max_general_drop": 0.5},
    )
    return teachers


def _datasets(checkout: Checkout, fixtures: Path) -> dict[str, str]:
    """Land every format's fixture; per format what the command says last."""
    name = f"{__package__}.datasets_fixtures"
    if importlib.util.find_spec(name) is None:
        return {}
    said = {}
    for kind, write in importlib.import_module(name).FIXTURES.items():
        # Some layouts write beside this name, so each has a folder that `p4d land` searches.
        write(fixtures / kind / "fixture")
        done = checkout.run("p4d", "land", "--dataset", kind, str(fixtures / kind))
        said[kind] = done.stdout.strip().splitlines()[-1]
    return said


def _timed(checkout: Checkout, *command: str) -> float:
    started = time.perf_counter()
    checkout.run(*command)
    return round(time.perf_counter() - started, 1)


def _labels(folder: Path) -> dict[str, int]:
    tables = [read_table(path) for path in sorted(folder.glob("data/labels/*/index.parquet"))]
    good = pl.concat(tables, how="diagonal").filter(pl.col("outcome") == "ok")
    return dict(good.group_by("teacher").len().sort("teacher").iter_rows())


def _count(folder: Path, pattern: str) -> int:
    return sum(read_table(path).height for path in folder.glob(f"data/{pattern}"))


def _trained(folder: Path) -> dict[str, object]:
    """Rows of every source that each arm saw, and the fall of its loss."""
    found: dict[str, object] = {}
    for arm in ("sft", "p4d", "blind"):
        card = json.loads(
            (folder / "data" / f"student_{arm}" / "card.json").read_text(encoding="utf-8")
        )
        found[arm] = {"steps": card["steps"], "external_sets": card["external_sets"]}
    return found


def _lines(export: Path) -> dict[str, int]:
    return {
        path.stem: len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(export.glob("*.jsonl"))
    }
