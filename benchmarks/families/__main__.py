"""`python -m benchmarks.families agreement | dry-run FILE | presets`."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import CHECKOUT, RESULTS, describe, merge_results
from p4d.artifacts import read_json
from p4d.config import Params
from p4d.config.presets import read_preset, with_preset
from p4d.project import Project

SCORES = RESULTS / "scores.json"


def agreement() -> dict[str, object]:
    """Ask tiny checkpoints of each family as transformers' own processors and networks do."""
    from p4d.students.model.pretrained import open_checkpoint
    from tests.students.model.published.cases import cases_of
    from tests.students.model.published.checkpoints import FAMILIES, write_checkpoint
    from tests.students.model.published.compare import compare

    found: dict[str, object] = {}
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            student = open_checkpoint(write_checkpoint(Path(folder) / family, family))
            found[family] = {
                case.name: _rounded(asdict(compare(student, family, case)))
                for case in cases_of(family)
            }
    return found


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.2g}") if isinstance(v, float) else v for k, v in values.items()}


def dry(file: Path) -> dict[str, object]:
    """A dry run with the settings of the paper, as LoRA in bfloat16, so that a CPU can do it."""
    from p4d.students.training.dry_run import dry_run

    raw = with_preset(Project.find().raw_params, read_preset(CHECKOUT / "configs" / "paper.yaml"))
    raw["training"] |= {"trainable": "lora", "weights": "bfloat16", "threads": 2}
    raw["training"] |= {"gradient_checkpointing": False}
    found = dry_run(file, Params.from_mapping(raw))
    memory = {
        f"{mode}, {devices} device{'s' * (devices > 1)}": {**asdict(each), "total": each.total}
        for (mode, devices), each in found.memory.items()
    }
    return {
        "parameters": found.parameters,
        "bytes_per_device": memory,
        "cut": asdict(found.cut),
        "machine": describe(CHECKOUT),
    }


def presets() -> dict[str, object]:
    """Each setting of both presets beside the default, with the test that pins it."""
    from tests.students.training import test_presets

    raw = Project.find().raw_params
    found: dict[str, object] = {}
    for key in test_presets.PAPER:
        section, name = key.split(".")
        tests = [f"test_the_paper[{key}]", f"test_the_release[{key}]"]
        found[key] = {
            "paper": test_presets.PAPER[key],
            "release": test_presets.RELEASE[key],
            "default": raw[section][name],
            "tests": [f"tests/students/training/test_presets.py::{test}" for test in tests],
        }
    return found


def main(arguments: list[str]) -> None:
    """Measure what is asked for and merge it into the results."""
    command = f"python -m benchmarks.families {' '.join(arguments)}"
    about = {"command": command, "machine": describe(CHECKOUT)}
    match arguments:
        case ["agreement"]:
            merge_results(SCORES, {"families": {**agreement(), **about}})
        case ["presets"]:
            merge_results(SCORES, {"paper_preset": {**presets(), **about}})
        case ["dry-run", file]:
            path = Path(file)
            result = dry(path)
            known = read_json(SCORES).get("dry_run", {}) if SCORES.is_file() else {}
            merge_results(SCORES, {"dry_run": {**known, path.stem: {**result, "command": command}}})
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
