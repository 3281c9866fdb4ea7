"""Options with new names answer to the old ones, and name the new ones."""

import pytest
from click.testing import CliRunner

from p4d.cli import cli


@pytest.fixture
def given(monkeypatch):
    """The values that a command's function is called with; nothing is run."""
    found = {}
    for command in ("compare", "gc"):
        monkeypatch.setattr(
            cli.commands[command], "callback", lambda **values: found.update(values)
        )
    return found


@pytest.mark.parametrize("written", [["--way", "text_wrong"], ["--way=text_wrong"]])
def test_compare_way_is_scoring(given, written):
    ran = CliRunner().invoke(cli, ["compare", "a", "b", *written])
    assert ran.exit_code == 0
    assert ran.stderr == "--way is now called --scoring\n"
    assert given["scoring"] == "text_wrong"


def test_gc_dry_is_dry_run(given):
    ran = CliRunner().invoke(cli, ["gc", "--dry"])
    assert (ran.exit_code, ran.stderr) == (0, "--dry is now called --dry-run\n")
    assert given["dry_run"] is True


def test_new_names_are_silent_and_old_ones_are_not_in_the_help(given):
    ran = CliRunner().invoke(cli, ["compare", "a", "b", "--scoring", "likelihood"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert given["scoring"] == "likelihood"
    assert "--way" not in CliRunner().invoke(cli, ["compare", "-h"]).output
    assert "--dry " not in CliRunner().invoke(cli, ["gc", "-h"]).output


def test_an_argument_after_two_dashes_is_no_option(given):
    ran = CliRunner().invoke(cli, ["compare", "--", "--way", "b"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert str(given["first"]) == "--way"
