"""The page of check results is readable offline and safe to open."""

from __future__ import annotations

from html.parser import HTMLParser

from p4d.quality.report import render_html
from p4d.quality.results import CheckResult

RESULTS = [
    CheckResult(name="fine", passed=True, severity="critical", description="Holds."),
    CheckResult(
        name="bad",
        passed=False,
        severity="critical",
        description="A < B",
        metrics={"offenders": 2},
        sample=({"id": "<script>alert(1)</script>", "n": 1}, {"id": "b", "more": None}),
    ),
]


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.words = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)


def test_page_shows_failures_first_and_loads_nothing():
    page = Page()
    text = render_html("labels", RESULTS, about={"judged": "md5:1"})
    page.feed(text)
    assert page.links == []
    assert "script" not in page.tags
    assert "http" not in text
    shown = " ".join(page.words)
    assert "2 checks, 1 stop descendants, 0 warn" in shown
    assert shown.index("bad") < shown.index("fine")
    assert "<script>alert(1)</script>" in shown
