"""The environment of all pages escapes, refuses what it is not given, and formats numbers."""

import pytest
from jinja2 import UndefinedError

from p4d.pages import render as pages
from tests.pages.planted import PLANTED, assert_inert


def test_values_are_escaped_and_the_style_is_shared(tmp_path, monkeypatch):
    text = pages.render("pages/base.html.j2", title=PLANTED)
    assert_inert(text.replace("<title>", "<p>").replace("</title>", "</p>"), scripts=0, times=1)
    assert ":root { color-scheme: light dark;" in text
    assert pages.render("pages/base.html.j2", title=PLANTED) == text


def test_a_name_that_is_not_given_raises():
    with pytest.raises(UndefinedError, match="title"):
        pages.render("pages/base.html.j2")


def test_texts_of_numbers():
    assert [pages.count(n, "video") for n in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]
    assert [pages.size(n) for n in (0, 999, 1000, 2.5e6, 3e12)] == [
        "0 B", "999 B", "1 kB", "2 MB", "3.0 TB",
    ]  # fmt: skip
    assert pages.plain({"a": 1.23456789, "b": [1, "x"]}) == "a 1.23457, b 1, x"
    assert pages.data_uri(b"\x00", "image/png") == "data:image/png;base64,AA=="


def test_every_template_of_the_package_is_parsed():
    environment = pages._environment()
    names = [name for name in environment.list_templates() if name.endswith(".j2")]
    assert len(names) >= 6
    for name in names:
        environment.get_template(name)
