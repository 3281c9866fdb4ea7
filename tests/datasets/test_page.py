"""The page of datasets: its table names every format, and its own capture lands as it says."""

import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from p4d.artifacts import read_json
from p4d.cli.app import cli
from p4d.datasets.registry import BY_FORMAT
from p4d.truth import path_for, read
from tests.datasets.gates import found_in
from tests.video.media import make_project

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text()


def test_the_table_names_every_format():
    rows = re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)
    assert sorted(rows) == sorted(BY_FORMAT)


def test_the_capture_of_the_page_lands(tmp_path, monkeypatch):
    program = re.search(r"```python\n(.*?)```", PAGE, flags=re.DOTALL).group(1)
    command = re.search(r"^p4d (land --dataset tum .*)$", PAGE, flags=re.MULTILINE).group(1)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    project = make_project(tmp_path / "project")
    monkeypatch.setenv("P4D_ROOT", str(project.root))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, command.split())
    assert done.exit_code == 0, done.output
    assert "1 accepted" in done.output
    (video,) = (project.inbox / "datasets" / "tum").glob("*.mp4")
    truth = read(path_for(video))
    assert truth.gives == ("intrinsics", "camera_poses", "depth")
    assert truth.camera.valid.all()
    assert truth.background == "still"
    found, fits = found_in(video)
    assert not found
    still = fits["identity"].error_levels.mean()
    assert fits["stated"].error_levels.mean() < 0.4 * still
    (shard,) = project.shards()
    (row,) = read_json(project.shards_dir / f"{shard}.json")["files"]
    assert row["origin"]["terms_id"] == "own"
