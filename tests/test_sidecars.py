"""Names of sidecars, and the source file: what it states, and what happens if it states nothing."""

import json
from pathlib import Path

import pytest

from p4d.sidecars import (
    MAX_SOURCE_BYTES,
    SOURCE_SUFFIX,
    TRUTH_SUFFIX,
    UNSTATED,
    StatedSource,
    read_source,
    sidecar_path,
    write_source,
)


def test_a_sidecar_replaces_the_last_extension():
    assert sidecar_path(Path("in/a.b.mp4"), TRUTH_SUFFIX) == Path("in/a.b.truth.safetensors")
    assert sidecar_path(Path("a"), SOURCE_SUFFIX) == Path("a.source.json")


def test_a_source_file_is_read_as_written(tmp_path):
    video = tmp_path / "a.mp4"
    write_source(video, licence="CC0-1.0", source="a camera")
    path = tmp_path / "a.source.json"
    assert read_source(path) == StatedSource("CC0-1.0", "a camera")
    assert json.loads(path.read_text())["schema"] == 1
    # As version 0.1 wrote it, and as people write it by hand.
    path.write_text('{"licence": "CC0-1.0", "source": "a camera"}')
    assert read_source(path) == StatedSource("CC0-1.0", "a camera")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"no json", (UNSTATED, UNSTATED)),
        (b"[1, 2]", (UNSTATED, UNSTATED)),
        (b"\xff\xfe", (UNSTATED, UNSTATED)),
        (b'{"source": "a camera"}', (UNSTATED, "a camera")),
    ],
)
def test_what_a_source_file_does_not_state_is_unstated(tmp_path, content, expected):
    path = tmp_path / "a.source.json"
    path.write_bytes(content)
    stated = read_source(path)
    assert (stated.licence, stated.source) == expected
    assert read_source(None) == StatedSource(UNSTATED, UNSTATED)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 60_000, "deeper than 64"),
        (b'{"licence": ' + b"[" * 65 + b"]" * 65 + b"}", "deeper than 64"),
        (b'{"licence": "' + b"x" * MAX_SOURCE_BYTES + b'"}', "larger than 65536 bytes"),
        (b'{"licence": "\\ud800"}', "no Unicode text"),
        (b'{"schema": 3, "licence": "CC0-1.0"}', "has schema 3, and this version reads 2"),
        (b'{"schema": "new", "licence": "CC0-1.0"}', "has schema 'new'"),
        (b'{"licence": 12, "source": "a camera"}', "licence of a.source.json must be text"),
        (b"[]", "no object"),
        (b"\xff", "no JSON"),
    ],
)
def test_the_problem_of_a_source_file_is_named(tmp_path, content, problem):
    path = tmp_path / "a.source.json"
    path.write_bytes(content)
    stated = read_source(path)
    assert stated.licence == UNSTATED
    assert problem in stated.problem
