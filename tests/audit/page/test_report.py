"""The audit page stands alone, says what is on record, and can be checked by its own hashes."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.audit.evidence import collect
from p4d.audit.page.lineage_svg import _implied
from p4d.audit.page.report import report_html, write_report
from p4d.errors import LedgerError
from p4d.pipeline import STAGES
from p4d.quality.results import CheckResult
from p4d.versioning.dvc.cache import object_path
from p4d.versioning.dvc.config import cache_dir
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import record_checks
from tests.pages.planted import PLANTED, assert_inert

SMALL = 4 * QUESTIONS_PER_CLIP
VOID = {"meta", "br", "path", "rect"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), SMALL).write()


def page(synthetic, identifier, path):
    write_report(synthetic.project, identifier, path)
    return path.read_text()


class Nesting(HTMLParser):
    """Fails on a tag that is closed without being open."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()


@pytest.mark.parametrize("identifier", ["champion", "decision_1", "evaluation:p4d/Counting"])
def test_the_page_is_whole_and_needs_nothing_else(made, tmp_path, identifier):
    text = page(made, identifier, tmp_path / "a.html")
    nesting = Nesting()
    nesting.feed(text)
    assert nesting.open == []
    links = re.findall(r'(?:href|src|url\()="?([^")]+)', text)
    assert links
    assert all(link.startswith(("#", "data:text/plain;base64,")) for link in links)
    targets = set(re.findall(r'id="([^"]+)"', text))
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert "<script" not in text
    assert page(made, identifier, tmp_path / "b.html") == text


def test_the_page_names_every_version_with_its_maker_and_every_source(made, tmp_path):
    text = page(made, "champion", tmp_path / "a.html")
    for stage in STAGES:
        assert f'href="#stage-{stage.name}"' in text
    for key, md5 in made.md5.items():
        assert f"md5:{md5}" in text, key
    assert Ledger(made.project).verify_chain().head in text
    assert "CC0-1.0" in text
    assert f"complete: all {len(made.md5)} versions recorded" in text
    assert "136 of 136 checks passed" in text


def test_the_picture_shows_each_reading_and_puts_implied_ones_behind(made, tmp_path):
    assert _implied({("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("a", "c")}) == {
        ("a", "d"), ("a", "c"),
    }  # fmt: skip
    text = page(made, "champion", tmp_path / "a.html")
    picture = text[text.index("</defs>") : text.index("</svg>")]
    assert picture.count("<rect") == len(STAGES)
    assert picture.count("<path") == sum(len(stage.reads) for stage in STAGES)
    arrows = picture.count("marker-end")
    assert len(STAGES) - 1 <= arrows < picture.count("<path")


def test_the_hashes_on_the_page_are_those_of_the_cache(made, tmp_path):
    text = page(made, "release", tmp_path / "a.html")
    lists = dict(re.findall(r'download="(\w+)" href="data:text/plain;base64,([^"]+)"', text))
    for name, function in (("SHA256SUMS", hashlib.sha256), ("MD5SUMS", hashlib.md5)):
        lines = base64.b64decode(lists[name]).decode().splitlines()
        assert len(lines) > 5
        for line in lines:
            digest, _, file = line.partition("  ")
            content = (cache_dir(made.project.root) / file).read_bytes()
            assert function(content).hexdigest() == digest


def test_a_question_shows_its_own_chain_and_its_own_video(made, tmp_path):
    row = made.questions.row(0, named=True)
    text = page(made, row["qa_id"], tmp_path / "a.html")
    for identifier in (row["clip_id"], row["video_id"], *row["fact_ids"], *row["region_ids"]):
        assert identifier in text
    assert "made from 1 source video." in text
    assert "student_p4d" not in text


def test_what_failed_or_is_missing_is_said_at_the_top(tmp_path):
    own = QuestionsProject(tmp_path / "project", SMALL).write()
    check = CheckResult(name="leaks", passed=False, severity="critical", description="no <leak>")
    version = ArtifactVersion(ArtifactKey("release"), own.md5["release"])
    record_checks(own.project, version, [check], run_id="r")
    text = page(own, "evaluation", tmp_path / "a.html")
    top = text[: text.index('id="graph"')]
    assert "release failed the blocking check leaks" in top
    assert "1 blocking check failed" in top
    assert "<leak>" not in text
    card = object_path(own.project.root, own.md5["student_sft"])
    card.unlink()
    top = page(own, "evaluation", tmp_path / "b.html")
    assert "of student_sft" in top[: top.index('id="graph"')]
    assert "bytes of 1 version are missing" in top


def test_a_damaged_ledger_gives_no_page(tmp_path):
    own = QuestionsProject(tmp_path / "project", SMALL).write()
    ledger = own.project.root / "data/ledger/ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"wall_s":1.0', b'"wall_s":2.0', 1))
    with pytest.raises(LedgerError, match="the ledger is damaged"):
        write_report(own.project, "evaluation", tmp_path / "a.html")
    with pytest.raises(LedgerError, match="no single version"):
        write_report(
            QuestionsProject(tmp_path / "2", SMALL).write().project, "clips", tmp_path / "a.html"
        )


def test_names_of_files_texts_of_questions_and_notes_of_checks_cannot_run(made):
    evidence = collect(made.project, made.questions.row(0, named=True)["qa_id"])
    own = evidence.own
    check = {"passed": False, "blocking": True, "at": "2026-01-01T00:00:00", "details": {
        "description": PLANTED}}  # fmt: skip
    record = {**own.record, "metrics": {PLANTED: PLANTED}, "excluded": {"labels@x": PLANTED}}
    planted = replace(
        evidence,
        tree=replace(evidence.tree, detail={"question": PLANTED, "options": [PLANTED]}),
        sources=tuple({**row, "name": PLANTED, "licence": PLANTED} for row in evidence.sources),
        gaps=(PLANTED,),
        entries=(*evidence.entries[:-1], replace(own, record=record, checks={PLANTED: check})),
    )
    assert_inert(report_html(planted, STAGES), scripts=0, times=12)
