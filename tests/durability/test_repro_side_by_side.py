"""`dvc repro` in several terminals: each on the pipeline file of another group of shards."""

from tests.durability.toy import build
from tests.durability.ui import until

FIRST, SECOND = ("0005-aaaaaaaa", "0006-bbbbbbbb"), ("0009-cccccccc",)


def file_of(group):
    return f"shards/pipelines/{group:04d}/dvc.yaml"


def test_two_groups_are_made_at_the_same_time_and_both_are_recorded(tmp_path):
    toy = build(tmp_path / "toy", (*FIRST, *SECOND))
    toy.run("python", "-m", "dagster_project", "up", "--only", "expert")
    (tmp_path / "pause").mkdir()
    # The first waits within its stage: DVC has started it and records it only at its end.
    paused = toy.start("dvc", "repro", file_of(1), TOY_PAUSE=f"videos:{tmp_path / 'pause'}")
    until(lambda: (tmp_path / "pause" / "began").exists() or paused.poll() is not None)
    assert paused.poll() is None, paused.communicate()
    toy.run("dvc", "repro", file_of(2))
    assert (toy.root / "data" / "labels" / SECOND[0] / "content.txt").is_file()
    assert paused.poll() is None
    (tmp_path / "pause" / "go").touch()
    _, error = paused.communicate(timeout=300)
    assert paused.returncode == 0, error
    toy.run("dvc", "repro", file_of(1))
    toy.run("dvc", "repro")
    assert "up to date" in toy.run("dvc", "status").stdout
    told = toy.up().stderr
    assert "New to Dagster: 8 published version(s)" in told  # 3 videos, 3 labels, and two more
    assert "[" not in told, "a run made something again"
    verified = toy.run("python", "-m", "p4d.cli", "audit", "verify")
    assert verified.returncode == 0
