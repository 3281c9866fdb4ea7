"""A command ends with one message and no trace, whatever its user or the machine did."""

import os
import signal
import subprocess
import sys
import time

import click
import pytest
import sqlalchemy

from p4d.cli import ends


def ended(command, *args):
    """Exit status of a command that runs as the process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["p4d", *args])
        with pytest.raises(SystemExit) as done:
            ends.run(command)
    return done.value.code or 0


@pytest.mark.parametrize("status", [0, 1, 3])
def test_the_status_of_a_command_is_kept(status):
    @click.command()
    @click.pass_context
    def command(context):
        context.exit(status)

    assert ended(command) == status


def test_a_wrong_option_shows_the_usage_with_status_2(capsys):
    assert ended(click.Command("x", callback=lambda: None), "--nonsense") == 2
    assert "Usage:" in capsys.readouterr().err


def test_a_place_without_the_right_to_write_is_named(capsys):
    def command():
        raise PermissionError(13, "Permission denied", "/mnt/theirs/a.mp4")

    assert ended(click.Command("x", callback=command)) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("/mnt/theirs/a.mp4: Permission denied. ")
    assert len(shown.splitlines()) == 1


def test_another_error_of_the_system_is_a_fault_and_keeps_its_trace():
    def command():
        raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ConnectionResetError):
        patch.setattr(sys, "argv", ["p4d"])
        ends.run(click.Command("x", callback=command))


def test_a_full_disk_is_one_message(tmp_path):
    """The kernel refuses to write more: here by a limit on the size of files, as by a quota."""
    code = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from p4d.cli import main
sys.argv = ["p4d", "world", "world.mp4", "--seed", "3"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        # Bytecode that is cut off at the limit would stay.
        env={**os.environ, "P4D_ROOT": "", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"No space left on the disk of {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_grow_is_one_message(tmp_path, capsys):
    """Dagster's database, as SQLAlchemy reports it."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'runs.db'}")

    def command():
        with engine.begin() as connection:
            connection.exec_driver_sql("pragma max_page_count = 8")
            connection.exec_driver_sql("create table runs (body blob)")
            connection.exec_driver_sql("insert into runs values (zeroblob(1000000))")

    assert ended(click.Command("x", callback=command)) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("No space left on the disk of ")
    assert len(shown.splitlines()) == 1


def test_an_interrupted_command_says_that_it_can_go_on(tmp_path):
    code = """
import time, click
from p4d.cli import ends

@click.command()
def wait():
    print("ready", flush=True)
    time.sleep(60)

ends.run(wait)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert (process.returncode, shown.strip()) == (1, ends.STOPPED)
