"""Names from outside become paths only below the folder that they are meant for."""

import pytest

from p4d.errors import ContractError
from p4d.paths import BATCH_ID, OBJECT_ID, checked_id, inside, relative_path, relative_paths

NO_PATHS = [
    "..", "../x", "a/../b", "/x", "//x", "", ".", "a/./b", "a//b", "a/", "a/..", "x\0y", "\0",
    "ä\0", "ä/../b", "/ä", "ä//b", "x" * 256, "ä" * 128, "a/" * 2500 + "b", "\ud800", "a\udfff",
    None, 7, ["a"], {"a": 1}, b"a",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_PATHS, ids=lambda name: ascii(name)[:20])
def test_what_is_no_relative_path_is_invalid(name, tmp_path):
    with pytest.raises(ContractError, match="is no relative path"):
        relative_path(name)
    with pytest.raises(ContractError):
        inside(tmp_path, name)


@pytest.mark.parametrize(
    "name", ["a", "a/b", "...", "..a", "a..", ".hidden/x", "späce ö/[1].mp4", "a\nb", "\udcff.mp4"]
)
def test_odd_names_that_stay_inside_are_kept(name, tmp_path):
    assert relative_path(name) == name
    assert inside(tmp_path, name) == tmp_path / name


def test_a_link_out_of_the_folder_is_invalid(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(ContractError, match="leads out of in"):
        inside(tmp_path / "in", "link/x")


@pytest.mark.parametrize(
    ("names", "match"),
    [(["a", "b", "a"], "twice"), (["a/b/c", "a/b"], "a file and as a folder"), (["a", ".."], "no")],
)  # fmt: skip
def test_names_that_cannot_be_one_folder_are_invalid(names, match):
    assert relative_paths(["a/b", "a/c", "d"]) == ["a/b", "a/c", "d"]
    with pytest.raises(ContractError, match=match):
        relative_paths(names)


@pytest.mark.parametrize("pattern", [BATCH_ID, OBJECT_ID])
@pytest.mark.parametrize(
    "value", ["", "..", "/x", "a/b", "review_0123456789abcdef\n", 5, None, [], "\ud800", "0" * 33]
)
def test_what_has_another_form_is_no_id(pattern, value):
    with pytest.raises(ContractError, match="does not have the form") as raised:
        checked_id(pattern, value, "batch")
    assert str(raised.value).isascii()
