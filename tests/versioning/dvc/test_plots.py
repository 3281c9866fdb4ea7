"""`dvc plots show` draws the columns that the stage table declares, with the real DVC."""

import json
import re
import shutil
import subprocess
import sys

from p4d.pipeline import STAGES
from p4d.project import Project

ROOT = Project.find().root
COPIED = (".dvc/config", ".dvc/plots", ".dvcignore", "dvc.yaml", "params.yaml", "shards")


def specifications(page):
    """The Vega-Lite specification of each plot of a page, by title."""
    decoder = json.JSONDecoder()
    starts = [found.start(1) for found in re.finditer(r"=\s*(\{\"\$schema\")", page)]
    found = [decoder.raw_decode(page[start:])[0] for start in starts]
    return {spec["title"]["text"]: spec for spec in found}


def test_curves_and_accuracies_are_drawn_over_their_columns(tmp_path):
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    for stage in STAGES:
        for plot in stage.plots:
            columns = ["arm", "low", "high", plot.x, *plot.y]
            file = tmp_path / "data" / stage.name / plot.file
            file.parent.mkdir(parents=True)
            rows = [",".join(columns), *(",".join(str(n) for _ in columns) for n in (1, 2))]
            file.write_text("\n".join(rows) + "\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    show = [sys.executable, "-m", "dvc", "plots", "show", "-o", "plots"]
    subprocess.run(show, cwd=tmp_path, check=True, capture_output=True)
    drawn = specifications((tmp_path / "plots" / "index.html").read_text())
    assert set(drawn) == {plot.title for stage in STAGES for plot in stage.plots}
    curve = json.dumps(drawn["P4D student: loss and its terms"])
    assert '"field": "step"' in curve
    assert {row["field"] for row in drawn["P4D student: loss and its terms"]["data"]["values"]} == {
        "total", "sft", "latent", "depth", "flow", "motion", "rays",
    }  # fmt: skip
    assert '"field": "total"' in json.dumps(drawn["SFT student: loss"])
    (accuracy,) = (spec for title, spec in drawn.items() if title.startswith("Accuracy"))
    bars, interval, chance = accuracy["spec"]["layer"]
    assert bars["encoding"]["x"]["field"] == "accuracy"
    assert accuracy["spec"]["encoding"]["y"]["field"] == "category"
    ends = [interval["encoding"][name]["field"] for name in ("x", "x2")]
    assert ends == ["low", "high"]
    assert chance["encoding"]["x"]["datum"] == 0.25


def test_what_dvc_draws_is_ignored_by_git():
    for path in ("dvc_plots/index.html", ".tmp_dagster_home_x/y"):
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert done.returncode == 0, path
