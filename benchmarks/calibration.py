"""Do sigmas mean what they say? `python -m benchmarks.calibration FOLDER EXPERT [--worlds N]`.

Draws two disjoint sets of simulated worlds, labels them with the expert of folder EXPERT, fits
factors of sigma on the first set and reports the coverage of both on the second: key `calibration`
of `benchmarks/results/questions.json`. FOLDER keeps clips and labels between runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.fact_calibration import calibration_errors, coverage, fit_factors
from p4d.artifacts import read_json, write_json
from p4d.config import Params, replace_params
from p4d.project import Project
from p4d.standalone import drop_stale, run_stages
from p4d.worlds.clip_shards import write_clip_shard

# Far from the seeds of corpus, expert and embedded benchmark.
SETS = {"fit": ("0000-0a1b2c3d", 8_100_000), "check": ("0001-0a1b2c3f", 8_400_000)}
RESULTS = Path(__file__).with_name("results") / "questions.json"


def prepare(folder: Path, expert: Path, params: Params, worlds: int) -> None:
    """Draw and label both sets, unless they are there."""
    if not (folder / "expert").is_dir():
        shutil.copytree(expert, folder / "expert")
    for shard, first_seed in SETS.values():
        clips = folder / "clips" / shard
        if not (clips / "truth.safetensors").is_file():
            seeds = range(first_seed, first_seed + worlds)
            write_clip_shard(clips, seeds, params.clips, shard=shard)
    shards = [shard for shard, _ in SETS.values()]
    drop_stale(folder, params, ["labels", "regions"])
    run_stages(folder, params, ["labels", "regions"], shards)


def study(folder: Path, params: Params) -> dict[str, Any]:
    """Coverage on the second set, with sigmas as they are and with factors of the first."""
    errors = {}
    for name, (shard, _) in SETS.items():
        folders = [(folder / stage / shard) for stage in ("clips", "labels", "regions")]
        errors[name] = calibration_errors([tuple(folders)], params.facts, params.regions)  # type: ignore[list-item]
    factors = fit_factors(errors["fit"])
    kinds = set(errors["check"].select("study", "kind").unique().rows())
    return {
        "clips": {name: rows["clip_id"].n_unique() for name, rows in errors.items()},
        "seeds": {name: first for name, (_, first) in SETS.items()},
        "held_out": _rows(coverage(errors["check"])),
        "held_out_with_fitted_factors": _rows(coverage(errors["check"], factors)),
        "no_factor_suffices": [" / ".join(key) for key in sorted(kinds - set(factors))],
    }


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    return table.to_dicts()


def main() -> None:
    """Run the study and merge it into the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("expert", type=Path)
    parser.add_argument("--worlds", type=int, default=150, help="of each set; two clips each")
    given = parser.parse_args()
    params = replace_params(Project.find().params, labels={"threads": 1})
    prepare(given.folder, given.expert, params, given.worlds)
    found = study(given.folder, params)
    results = read_json(RESULTS) if RESULTS.is_file() else {}
    write_json(RESULTS, {**results, "calibration": found})
    print(json.dumps(found["held_out"], indent=1))


if __name__ == "__main__":
    main()
