import dataclasses
from pathlib import Path

import pytest
import yaml

from p4d.artifacts import read_json, read_table
from p4d.config import Params
from p4d.external.stage import build_external
from p4d.pipeline import StageInputs, stage_named

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Built:
    """The stage's artifact."""

    folder: Path

    @property
    def rows(self):
        return {
            row["source_id"]: row for row in read_table(self.folder / "rows.parquet").to_dicts()
        }

    @property
    def rejected(self):
        table = read_table(self.folder / "rejected.parquet")
        return {(r["set"], r["file"], r["number"]): r["reason"] for r in table.to_dicts()}

    @property
    def media(self):
        return {
            row["media_id"]: row for row in read_table(self.folder / "media.parquet").to_dicts()
        }

    @property
    def sets(self):
        return read_json(self.folder / "sets.json")


def params(**sections):
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, values in sections.items():
        raw[name].update(values)
    return Params.from_mapping(raw)


@pytest.fixture
def drop(tmp_path):
    """The folder external/ of a project."""
    folder = tmp_path / "external"
    folder.mkdir()
    return folder


@pytest.fixture
def build(drop, tmp_path):
    """Runs the stage on the folder; each call writes a folder of its own."""
    runs = iter(range(100))

    def run(**sections):
        out = tmp_path / f"out{next(runs)}"
        inputs = StageInputs(
            stage=stage_named("external"),
            all_params=params(**sections),
            folders={},
            tracked_folders={"external": drop},
        )
        build_external(inputs, out)
        return Built(out)

    return run
