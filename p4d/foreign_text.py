"""Text from outside, made safe to show: names of files, licences, reasons, answers of a model.

A terminal obeys escape codes and Markdown obeys brackets, wherever they come from. Whatever is
printed passes `terminal`, what is meant for one line `one_line`, and what goes into Markdown
`markdown` or `fenced`. HTML pages escape by themselves (`p4d/pages`).
"""

from __future__ import annotations

import re

# Control codes, codes that reorder or break lines, and surrogates, which no terminal can show.
_CODES = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CODE = re.compile(f"[{_CODES}]")
_CODE_BUT_NEWLINE = re.compile(f"(?!\n)[{_CODES}]")
_MARKUP = re.compile(r"[\\`\[\]!|]")


def one_line(value: object) -> str:
    """A value as one line for a terminal or a log; codes and line breaks are written as escapes."""
    return _CODE.sub(_escape, str(value))


def terminal(value: object) -> str:
    """Text of several lines for a terminal; codes other than line breaks are written as escapes."""
    return _CODE_BUT_NEWLINE.sub(_escape, str(value))


def markdown(value: object) -> str:
    """A value as plain text in a line or table cell of Markdown: no link, picture, tag or code."""
    text = one_line(str(value).replace("\n", " "))
    # Unescaped, marks such as <obj_1> would be read as HTML tags.
    return _MARKUP.sub(r"\\\g<0>", text).replace("<", "&lt;")


def fenced(value: object) -> str:
    """Text of several lines as a code block of Markdown, which it cannot end by itself."""
    text = terminal(value)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _escape(code: re.Match[str]) -> str:
    return ascii(code[0])[1:-1]
