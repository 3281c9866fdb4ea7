"""What changes while a step runs is not passed off as what it was made from; through Dagster."""

import time

import pytest

from tests.durability.kills import Server
from tests.durability.toy import SHARDS

A, B = SHARDS

EDITS = {
    "params changed: labels.teachers": (
        "params.yaml", "teachers: [expert4d, exact]", "teachers: [expert4d]"
    ),
    "code changed: p4d/toy/labels.py": ("p4d/toy/labels.py", "VERSION = 1", "VERSION = 9"),
    f"input changed: data/videos/{A}": (f"data/videos/{A}/content.txt", "version", "verzion"),
}  # fmt: skip


def paused(tmp_path, stage="labels"):
    """An environment in which a stage stops in its middle, and the folder to talk to it."""
    folder = tmp_path / "pause"
    folder.mkdir()
    return {"TOY_PAUSE": f"{stage}:{folder}"}, folder


def wait_for(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def dvc_stale(server):
    return set(server.run("not_fresh")["dvc"])


@pytest.mark.parametrize("named", EDITS)
def test_an_edit_while_dagster_runs_a_step_is_refused_by_name(toy, tmp_path, named):
    toy.edit("params.yaml", "seed: 17", "seed: 18")  # so that the labels are made again
    before = (toy.root / "data" / "labels" / A / "content.txt").read_text()
    environment, folder = paused(tmp_path)
    with Server(toy, tmp_path / "answers") as server:
        run = server.start("up", environment)
        wait_for(folder / "began")
        toy.edit(*EDITS[named])
        (folder / "go").touch()
        assert run.wait() == 1
        assert (
            f"labels@{A} is not published, as this changed while it was made: {named}" in run.log()
        )
        assert (toy.root / "data" / "labels" / A / "content.txt").read_text() == before
        assert f"labels@{A}" in dvc_stale(server)
        if "input" in named:
            toy.edit(EDITS[named][0], "verzion", "version")
        server.run("up")
        facts = server.run("facts")
        assert facts["verified"], facts["verify_text"]
        assert dvc_stale(server) == set()


def test_dvc_is_never_satisfied_while_a_shard_is_missing_or_made_by_other_code(toy, tmp_path):
    toy.edit("p4d/toy/labels.py", "VERSION = 1", "VERSION = 2")
    with Server(toy, tmp_path / "answers") as server:
        server.run("run", stage="labels", shard=A)
        assert dvc_stale(server) == {f"labels@{B}", "release"}
        refused = server.start("run", stage="release")
        assert refused.wait() == 1
        assert "mixed origin" in refused.log()
        assert dvc_stale(server) == {f"labels@{B}", "release"}
        server.run("run", stage="labels", shard=B)
        server.run("run", stage="release")
        server.run("run", stage="champion")
        assert dvc_stale(server) == set()
