"""The command as people meet it: help, errors, start-up time."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from p4d.cli import cli, main
from p4d.errors import LedgerError

NAMES = {
    "ask", "audit", "benchmark", "champion", "compare", "control", "dvc-yaml", "evaluate",
    "explore", "export", "gc", "init", "land", "preset", "push", "restore", "review", "sql",
    "stage", "status", "summary", "takedown", "train", "view", "why", "world",
}  # fmt: skip
GROUPS = {
    "audit": {
        "verify",
        "repair",
        "fetch",
        "head",
        "report",
        "environment",
        "bundle",
        "sign",
        "replay",
    },
    "benchmark": {"make"},
    "export": {
        "answers",
        "benchmark",
        "croissant",
        "labels",
        "openlineage",
        "student",
        "training",
    },
    "review": {"export", "import", "gallery"},
}


def commands():
    for name, command in cli.commands.items():
        yield [name]
        if isinstance(command, click.Group):
            yield from ([name, below] for below in command.commands)


def test_the_commands_are_these():
    assert set(cli.commands) == NAMES
    for group, names in GROUPS.items():
        assert set(cli.commands[group].commands) == names


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_explains_itself(path):
    shown = CliRunner().invoke(cli, [*path, "-h"])
    assert shown.exit_code == 0
    assert len(shown.output.split("\n\n")[1].split()) >= 3


def test_an_error_of_p4d_is_one_line_and_status_1(monkeypatch, capsys):
    def fail(**_):
        raise LedgerError("nothing recorded has that name")

    monkeypatch.setattr(cli.commands["status"], "callback", fail)
    monkeypatch.setattr(sys, "argv", ["p4d", "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "LedgerError: nothing recorded has that name\n"


def test_the_module_starts_as_a_command_does():
    done = subprocess.run(
        [sys.executable, "-m", "p4d.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert "version" in done.stdout


def test_importing_the_command_is_quick():
    code = "import time; t = time.process_time(); import p4d.cli; print(time.process_time() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3


def test_the_help_of_champion_gives_the_meaning_of_a_date():
    shown = CliRunner().invoke(cli, ["champion", "-h"]).output
    assert "A date means its end" in " ".join(shown.split())
