"""A release over real simulated clips, with the folders of its stages beside it."""

import pytest

from p4d.config import replace_params
from p4d.project import Project
from p4d.standalone import run_stages
from tests.factories import make_clips_dir

SHARD = "0000-00000000"


@pytest.fixture(scope="session")
def demo_release(tmp_path_factory):
    base = tmp_path_factory.mktemp("review")
    make_clips_dir(base / "clips" / SHARD, 16, seed=5, shard=SHARD)
    # Clips with truth need no label; empty folders say that nobody labelled.
    (base / "labels" / SHARD).mkdir(parents=True)
    (base / "expert").mkdir()
    params = replace_params(Project.find().params, release={"val_fraction": 0.0})
    run_stages(base, params, ["regions", "facts", "questions", "release"], [SHARD])
    return base / "release"
