"""Every format is recognised by its own fixture, and no fixture by another format's reader."""

import pytest

from benchmarks.doors.datasets_fixtures import FIXTURES
from p4d.datasets.registry import BY_FORMAT, READERS, find_roots

ALSO = {"bonn": {"tum"}}
"""Formats that read the layout as well, and are asked later."""


def test_every_format_has_a_fixture():
    assert set(FIXTURES) == set(BY_FORMAT)


@pytest.mark.parametrize("name", FIXTURES)
def test_a_fixture_is_recognised_as_what_it_is(tmp_path, name):
    FIXTURES[name](tmp_path / f"{name}_fixture")
    roots = list(find_roots(tmp_path))
    assert {root.format for root in roots} == {name}
    for root in roots:
        others = {reader.format for reader in READERS if reader.recognise(root.folder)}
        assert others - {name} == ALSO.get(name, set())


def test_folders_of_pictures_and_videos_are_no_datasets(tmp_path):
    for name in ("holiday/day 1/a.jpg", "clips/b.mp4", "notes/rgb.md", "depth/0.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert list(find_roots(tmp_path)) == []
