"""`dvc plots show` draws the columns that the stage table declares, with the real DVC."""

import contextlib
import json
import re
import shutil
import subprocess
import sys

import pytest

from p4d.pipeline import STAGES
from p4d.project import Project
from tests import browser

ROOT = Project.find().root
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
TERMS = ("total", "sft", "latent", "depth", "flow", "motion", "rays")
CURVE = "\n".join(
    [",".join(("step", *TERMS)), *(f"{n},{','.join([str(9 / n)] * 7)}" for n in range(1, 9))]
)
ACCURACIES = (
    "arm,category,n,accuracy,low,high\np4d,Average,9,0.5,0.4,0.6\nsft,Average,9,0.3,0.2,0.4"
)
DRAWN = "document.querySelectorAll('svg.marks').length"
LINES = "document.querySelectorAll('.mark-line path').length"
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
    page = tmp_path / "plots" / "index.html"
    drawn = specifications(page.read_text())
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
    assert not re.search(r"<script[^>]+src|https?://cdn", page.read_text())


@pytest.mark.skipif(browser.PROGRAM is None, reason="needs chromium")
def test_the_page_draws_every_plot_without_a_network(tmp_path):
    curves = {f"data/student_{arm}/curve.csv": CURVE for arm in ("sft", "p4d", "blind")}
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    for file, rows in {**curves, "data/evaluation/by_category.csv": ACCURACIES}.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(rows)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    show = [sys.executable, "-m", "dvc", "plots", "show", "-o", "plots"]
    subprocess.run(show, cwd=tmp_path, check=True, capture_output=True)
    with contextlib.closing(browser.Browser(tmp_path / "browser")) as seen:
        seen.call("Network.emulateNetworkConditions", **OFFLINE)
        seen.open((tmp_path / "plots" / "index.html").as_uri())
        seen.until(f"{DRAWN} === 4")
        assert seen.run(LINES) == len(TERMS) + 2
        assert seen.run("document.querySelectorAll('.mark-rect path').length") >= 2
        assert "Average" in seen.run("document.body.innerText")
        assert [each for each in seen.requests if not each.startswith(("file:", "data:"))] == []
        assert seen.messages == []


def test_what_dvc_draws_is_ignored_by_git():
    for path in ("dvc_plots/index.html", ".tmp_dagster_home_x/y"):
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert done.returncode == 0, path
