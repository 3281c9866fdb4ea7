import hashlib
import re

import pytest

from p4d.errors import ContractError
from p4d.evaluation.benchmarks.r4d_world import frozen
from p4d.evaluation.benchmarks.r4d_world.frozen import compare_with_frozen
from p4d.evaluation.benchmarks.r4d_world.release import SUMS

FILES = (
    "README.md",
    "images/r4d-world/world_0000.png",
    "stages/clips/0000-0a1b2c3d/clips.parquet",
    "stages/facts/0000-0a1b2c3d/facts.parquet",
    "stages/questions/0000-0a1b2c3d/questions.parquet",
    "test.json",
    "videos/r4d-world/world_0000.mp4",
)


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in FILES]
    (folder / SUMS).write_text("".join(lines))
    return folder


def test_a_full_release_is_compared_with_the_frozen_list(release, tmp_path, monkeypatch):
    listed = tmp_path / "list.sha256"
    monkeypatch.setattr(frozen, "FROZEN", listed)
    assert "not frozen" in compare_with_frozen(release, full=True, freeze=False)
    assert "frozen" in compare_with_frozen(release, full=True, freeze=True)
    assert "byte by byte" in compare_with_frozen(release, full=True, freeze=False)
    listed.write_text(listed.read_text().replace("test.json", "test2.json"))
    with pytest.raises(ContractError, match=r"test\.json"):
        compare_with_frozen(release, full=True, freeze=False)


def test_another_machine_may_differ_in_truth_but_not_in_what_is_asked(
    release, tmp_path, monkeypatch
):
    listed = tmp_path / "list.sha256"
    monkeypatch.setattr(frozen, "FROZEN", listed)
    lines = (release / SUMS).read_text().splitlines()

    def elsewhere(*changed):
        """The list with other digests of some files, and other names of shards."""
        other = ["0" * 64 + line[64:] if line.endswith(changed) else line for line in lines]
        listed.write_text(re.sub(r"/(\d{4})-[0-9a-f]{8}/", r"/\1-00000000/", "\n".join(other)))

    elsewhere("facts.parquet", "/clips.parquet", "test.json")
    assert "questions, answers" in compare_with_frozen(release, full=True, freeze=False)
    for asked_or_shown in ("questions.parquet", ".mp4", ".png", "README.md"):
        elsewhere(asked_or_shown)
        with pytest.raises(ContractError, match="not those of the frozen release"):
            compare_with_frozen(release, full=True, freeze=False)
