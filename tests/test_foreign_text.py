"""Names and texts from outside control neither a terminal nor Markdown."""

import io
import sys

import click
import polars as pl
import pytest
from click.testing import CliRunner

from p4d.audit.lookup.tree import Node
from p4d.cli import app
from p4d.cli.app import cli
from p4d.cli.echo import echo
from p4d.display.markdown import markdown_table
from p4d.errors import LedgerError
from p4d.foreign_text import fenced, markdown, one_line, terminal
from p4d.progress import bar
from p4d.review.label_studio import Imported, InvalidAnnotation
from p4d.video.landing import LandingReport

EVIL = "esc\x1b[31m\x1b]0;T\x07.mp4\r\nOK\u202e\u2028\x9b1A\udc1b\x00"
CODES = set("\x1b\x07\r\n\u202e\u2028\x9b\udc1b\x00")


def test_codes_are_written_as_escapes_and_letters_are_kept():
    assert not set(one_line(EVIL)) & CODES
    assert set(terminal(EVIL)) & CODES == {"\n"}
    assert one_line("\x1b[1m\n") == "\\x1b[1m\\n"
    assert one_line("späce ♫ 日本 \U0001f600") == "späce ♫ 日本 \U0001f600"
    assert one_line(5) == "5"


@pytest.mark.attack("L3")
def test_a_tree_prints_one_line_per_value():
    file = Node(f"data/videos/{EVIL}", "file", {"sha256": "0"})
    node = Node("vid_1", "video", {"name": EVIL, "licence": [EVIL], "m": {EVIL: EVIL}}, {}, (file,))
    text = node.render_text()
    assert len(text.splitlines()) == 2
    assert not set(text) & (CODES - {"\n"})
    assert node.to_json()["detail"]["name"] == EVIL


@pytest.mark.attack("L3")
def test_reports_print_one_line_per_entry():
    landed = LandingReport(
        shards=(), accepted=0, rejected=0, known=0, waiting=0, notices=(EVIL, EVIL)
    )
    invalid = InvalidAnnotation(qa_id="qa_1", annotator=EVIL, reason=EVIL)
    imported = Imported(new=(), known=0, skipped=0, invalid=(invalid,), superseded=())
    for text, lines in ((landed.summary(), 3), (imported.summary(), 2)):
        assert len(text.splitlines()) == lines
        assert not set(text) & (CODES - {"\n"})


@pytest.mark.attack("L3")
def test_progress_and_printing_pass_no_code(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with bar("land") as show:
        show(1, 1, EVIL)
    printed = sys.stderr.getvalue()
    assert len(printed.splitlines()) == 1
    assert not set(printed) & (CODES - {"\n"})
    echo(EVIL)
    assert not set(capsys.readouterr().out) & (CODES - {"\n"})


@pytest.mark.attack("L3")
def test_errors_pass_no_code(monkeypatch, capsys):
    def fail():
        raise LedgerError(EVIL)

    monkeypatch.setattr(app, "cli", click.Command("p4d", callback=fail))
    monkeypatch.setattr(sys, "argv", ["p4d"])
    with pytest.raises(SystemExit):
        app.main()
    assert not set(capsys.readouterr().err) & (CODES - {"\n"})


@pytest.mark.attack("L3")
def test_tables_of_queries_pass_no_code(monkeypatch):
    monkeypatch.setattr(
        "p4d.warehouse.Warehouse.query", lambda *_: pl.DataFrame({"name": ["\x1b[31m"]})
    )
    done = CliRunner().invoke(cli, ["sql", "stg_videos"])
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output


@pytest.mark.attack("L4")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[c](javascript:alert(1))", "\\[c\\](javascript:alert(1))"),
        ("![i](//host/t.png)", "\\!\\[i\\](//host/t.png)"),
        ("`code`", "\\`code\\`"),
        ("\\[x](y)", "\\\\\\[x\\](y)"),
        ("<img src=x>", "&lt;img src=x>"),
        ("a|b\nc", "a\\|b c"),
        ("\x1b[0m", "\\\\x1b\\[0m"),
    ],
)
def test_markdown_shows_text_as_it_is(text, shown):
    assert markdown(text) == shown
    table = markdown_table(pl.DataFrame({text: [text]}))
    assert table.splitlines()[2] == f"| {shown} |"
    assert table.splitlines()[0] == f"| {shown} |"


@pytest.mark.attack("L4")
def test_a_code_block_does_not_end_in_its_text():
    text = fenced("a\n```\n[c](x)\n`````")
    assert text.startswith("``````\n")
    assert text.endswith("\n``````")
    assert "\x1b" not in fenced("\x1b[0m")
