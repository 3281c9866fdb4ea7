"""Loads an export of a finished project with each consumer's own code: rows, and whether equal.

`P4D_PROJECT` names the project; default: this checkout, after `make demo`. Each consumer has an
environment of its own below `P4D_CONSUMERS` (default `.venv-consumers`), which is made if it is
missing: some of them pin packages that exclude each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.machine import CHECKOUT
from p4d.artifacts import read_table
from p4d.audit.lookup.why import why
from p4d.exports.training.export import TrainingOptions, export_training
from p4d.exports.training.reading import read_export
from p4d.project import Project

CONSUMERS = Path(__file__).with_name("consumers")
ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "light": ("datasets==5.2.0", "webdataset==1.0.2", "mlcroissant==1.1.1", "pillow", "av"),
    "lf": ("llamafactory==0.9.5",),
    "swift": ("ms-swift==4.6.0",),
    "lmms": ("lmms-eval==0.7.3",),
}
"""Packages of each environment."""

PROGRAMS: Mapping[str, tuple[str, str, str]] = {
    "datasets": ("light", "hf_datasets", "datasets"),
    "webdataset": ("light", "web_dataset", "webdataset"),
    "mlcroissant": ("light", "croissant", "mlcroissant"),
    "llamafactory": ("lf", "llama_factory", "llamafactory"),
    "ms-swift": ("swift", "ms_swift", "ms-swift"),
}
"""Environment, program and package of each consumer that reads the folder."""


def measure(work: Path) -> dict[str, object]:
    """Export twice, read everything back, and load it with each consumer."""
    project = Project(Path(os.environ.get("P4D_PROJECT", CHECKOUT)).resolve())
    options = TrainingOptions(webdataset=True, held_out_answers=True)
    first = export_training(project, work / "first", options)
    second = export_training(project, work / "second", options)
    figures: dict[str, object] = {"p4d": _read_back(project, first.path, second.path)}
    for name, (environment, program, package) in PROGRAMS.items():
        figures[name] = run_consumer(environment, program, package, str(first.path))
    figures["lmms-eval held-out"] = run_consumer(
        "lmms", "lmms", "lmms-eval", str(first.path), "p4d_heldout"
    )
    return figures


def _read_back(project: Project, first: Path, second: Path) -> dict[str, object]:
    """What our own reader gives, against the release; and whether two exports have equal bytes."""
    release = read_table(project.data / "release" / "questions.parquet")
    truth = {row["qa_id"]: row for row in release.iter_rows(named=True)}
    rows, equal = 0, True
    for split in ("train", "val", "test"):
        for row in read_export(first, split):
            rows += 1
            one = truth.pop(row.qa_id)
            equal &= (row.question, list(row.options)) == (one["question"], one["options"])
            equal &= row.answer_index == one["answer_index"] and row.split == one["split"]
            equal &= [fact["fact_id"] for fact in row.facts or ()] == one["fact_ids"]
    recipes = _recipes(first)
    lineage = json.loads((first / "train.jsonl").read_text(encoding="utf-8").split("\n")[0])
    tree = why(project, lineage["lineage"])
    return {
        "rows": rows,
        "recipes": len(recipes),
        "equal": equal and set(truth) == recipes,
        "bytes": sum(path.stat().st_size for path in first.rglob("*") if path.is_file()),
        "equal_bytes": (first / "SHA256SUMS").read_bytes() == (second / "SHA256SUMS").read_bytes(),
        "row_leads_to_a_source_file": any(
            node.kind == "file" and node.detail.get("present") for node in tree.walk()
        ),
    }


def _recipes(export: Path) -> set[str]:
    """Ids of the questions about videos whose terms bind their pictures: they leave as recipes."""
    return {
        json.loads(line)["id"]
        for path in sorted((export / "recipes").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    }


def run_consumer(
    environment: str, program: str, package: str, *arguments: str
) -> dict[str, object]:
    """The last line of a consumer's program, and the version of its package."""
    python = _python(environment)
    script = str(CONSUMERS / f"{program}.py")
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    variables |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    # `datasets` names its cache after the folder's last part alone: without a cache of its own it
    # gives the rows of an earlier export of this name.
    with tempfile.TemporaryDirectory(prefix="datasets-") as cache:
        done = subprocess.run(
            [python, script, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env={**variables, "HF_DATASETS_CACHE": cache},
        )
    if done.returncode:
        raise SystemExit(f"{program} failed\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    version = subprocess.run(
        [python, "-c", f"import importlib.metadata as m; print(m.version({package!r}))"],
        capture_output=True, text=True, encoding="utf-8", check=True, env=variables,
    ).stdout.strip()  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "version": version}


def _python(environment: str) -> str:
    """The interpreter of an environment, which is made if it is missing."""
    home = Path(os.environ.get("P4D_CONSUMERS", CHECKOUT / ".venv-consumers")) / environment
    python = home / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([python, "-m", "pip", "install", *ENVIRONMENTS[environment]], check=True)
    return str(python)
