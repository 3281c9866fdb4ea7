"""A text that would run as a script if a page did not escape it."""

from html.parser import HTMLParser

PLANTED = """<script>alert("planted")</script><img src=x onerror='alert("planted")'>&lt;b&gt;"""


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def assert_inert(page: str, *, scripts: int, times: int) -> None:
    """The planted text shows at least `times`, as text; no tag or handler comes from it."""
    reader = _Reader()
    reader.feed(page)
    assert [tag for tag, _ in reader.tags].count("script") == scripts
    for _, attrs in reader.tags:
        assert not [name for name in attrs if name.startswith("on")]
        assert attrs.get("src", "data:").startswith("data:")
    assert sum(text.count(PLANTED) for text in reader.texts) >= times
    assert '<script>alert("planted")' not in page
