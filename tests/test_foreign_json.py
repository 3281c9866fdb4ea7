"""JSON of strangers is data of limited size and depth, or an error that names its file."""

import resource
from pathlib import Path

import pytest

from p4d.errors import ContractError
from p4d.foreign_json import MAX_DEPTH, check_foreign, parse_foreign_json, read_foreign_json


def test_a_value_is_read_as_it_is(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, null, "\u266b"]}', encoding="utf-8")
    assert read_foreign_json(path, max_bytes=100) == {"a": [1, None, "\u266b"]}


@pytest.mark.attack("M1")
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[" * 100_000, "deeper"),
        (b"[" * 900 + b"]" * 900, "deeper"),  # parses, and would stop whoever writes it
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deeper"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "deeper"),
        (b'"\\udfff"', "no Unicode text"),
        (b'{"\\udfff": 1}', "no Unicode text"),
        (b"\xff\x00", "no JSON"),
        (b"1" * 5000, "no JSON"),
        (b"", "no JSON"),
        (b'"' + b"x" * 200_000 + b'"', "larger than 150000 bytes"),
    ],
)
def test_what_is_refused_is_named(tmp_path, payload, reason):
    path = tmp_path / "bad.json"
    path.write_bytes(payload)
    with pytest.raises(ContractError, match=f"bad.json.*{reason}"):
        read_foreign_json(path, max_bytes=150_000)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ContractError, match="cannot be read"):
        read_foreign_json(tmp_path, max_bytes=10)


def test_the_deepest_value_that_is_allowed_is_read():
    assert parse_foreign_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "a")
    check_foreign({"a": ({"b": 1},)}, "a")


def test_a_generous_limit_reserves_no_memory_for_a_small_file(tmp_path):
    """Stages run with a limit on their memory."""
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    limits = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), limits[1]))
    try:
        assert read_foreign_json(path, max_bytes=1 << 40) == {"a": 1}
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
