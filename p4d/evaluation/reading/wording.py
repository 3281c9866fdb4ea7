"""Removes reasoning and markup from generated text, and unifies its Unicode.

The forms are those that chat models and the prompts of public evaluations produce: tags of
reasoning models, Markdown emphasis, HTML, LaTeX, boxes, answer tags, full-width letters, circled
letters, and brackets and minus signs of other scripts.
"""

from __future__ import annotations

import re
import unicodedata

BOX_START, BOX_END = "\x02", "\x03"
"""Enclose the content of a box or an answer tag in normalised text."""

_THOUGHT = r"think|thinking|thought|thoughts|reason|reasoning|analysis|scratchpad|reflection"
_REASONING_STARTS = re.compile(
    rf"<\s*(?:{_THOUGHT})\s*>|\[\s*think\s*\]|◁\s*think\s*▷|<\|begin_of_thought\|>"
    r"|<\|channel\|>\s*analysis\s*<\|message\|>",
    re.IGNORECASE,
)
_REASONING_ENDS = re.compile(
    rf"<\s*/\s*(?:{_THOUGHT})\s*>|\[\s*/\s*think\s*\]|◁\s*/\s*think\s*▷|<\|end_of_thought\|>"
    r"|<\|channel\|>\s*final\s*<\|message\|>",
    re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(
    r"<\|(?!(?:begin|end)_of_box)[a-z_]{1,40}\|>|</?s>|<(?:eos|bos|pad)>", re.IGNORECASE
)

_BOX_TAGS = (
    (r"<\s*(?:final[_ ]?)?answer\s*>", r"<\s*/\s*(?:final[_ ]?)?answer\s*>"),
    (r"\[\s*(?:final[_ ]?)?answer\s*\]", r"\[\s*/\s*(?:final[_ ]?)?answer\s*\]"),
    (r"<\|begin_of_box\|>", r"<\|end_of_box\|>"),
)
_BLOCK_TAG = re.compile(r"<\s*/?\s*(?:br|p|div|li|ul|ol|h[1-6])\b[^<>]{0,80}>", re.IGNORECASE)
_INLINE_TAG = re.compile(
    r"<(b|strong|i|em|u|span|mark|code|font|output|response|solution)\b[^<>]{0,80}>(.*?)<\s*/\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
_LATEX_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{")
_LATEX_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|bf|rm)\s*\{([^{}]*)\}"
)
_LATEX_SPACE = re.compile(r"\\[,;:! ]|\\q?quad\b|~(?=\d)")
_STRUCK = re.compile(r"~~.+?~~|<\s*(?:del|strike)\s*>.*?<\s*/\s*(?:del|strike)\s*>", re.DOTALL)
_UNDERSCORES = re.compile(r"(?<![\w<])(_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w>])")

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2212\u02d7\uff0d\ufe63", "-"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u2032\u00b4", "'"),
        **dict.fromkeys("【〔〖「『〈《⟨⟦〘〚﴾", "("),
        **dict.fromkeys("】〕〗」』〉》⟩⟧〙〛﴿", ")"),
        "²": "^2",
        "³": "^3",
        "。": ".",
        "،": ",",
        "、": ",",
        "\u200b": "",
        "\u200e": "",
        "\u200f": "",
        "\ufeff": "",
    }
)


def after_reasoning(text: str) -> str | None:
    """Return what follows the reasoning of a reply; None if the text was cut inside it.

    A closing tag without an opening one ends reasoning that the prompt opened.
    """
    while True:
        start = _REASONING_STARTS.search(text)
        end = _REASONING_ENDS.search(text)
        if end is None:
            return None if start else text
        # What precedes the reasoning is no final answer, unless nothing follows it.
        before = text[: start.start()] if start and start.start() < end.start() else ""
        after = text[end.end() :]
        text = after if after.strip() else before
        if not after.strip():
            return text


def normalised(text: str) -> str:
    """Return text without markup, in plain characters, with boxes between `BOX_START`/`BOX_END`."""
    text = _STRUCK.sub(" ", text.replace("\r\n", "\n"))
    text = _SPECIAL_TOKEN.sub("\n", text)
    for start, end in _BOX_TAGS:
        text = re.sub(end, BOX_END, re.sub(start, BOX_START, text, flags=re.I), flags=re.I)
    text = _repeated(_INLINE_TAG, r"\2", _BLOCK_TAG.sub("\n", text))
    text = _without_latex(text)
    text = unicodedata.normalize("NFKC", text.translate(_CHARACTERS)).translate(_CHARACTERS)
    text = "".join(_western_digit(character) for character in text)
    text = re.sub(r"(?<![\w.)])–(?=[.\d])", "-", text)
    text = re.sub(r"(?<=\d)\s*\*\s*(?=10\b)", "×", text)
    text = _UNDERSCORES.sub(r"\2", text.replace("*", "").replace("`", ""))
    return re.sub(r"(?m)^\s*(?:#{1,6}|>(?!\s*[\d=.])|•|-(?=\s+[^\s\d.]))\s*", "", text).strip()


def squeezed(text: str) -> str:
    """Return a text for comparison: folded case, no blanks, no quotes or closing punctuation."""
    return re.sub(r"\s+", "", text.casefold()).strip("\"'").rstrip(".,;:!").strip("\"'")


def _repeated(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    """Substitute until nothing changes: what encloses itself."""
    before = None
    while before != text:
        before, text = text, pattern.sub(replacement, text)
    return text


def _without_latex(text: str) -> str:
    text = _repeated(_LATEX_TEXT, r"\1", text)
    pieces: list[str] = []
    at = 0
    while found := _LATEX_BOX.search(text, at):
        end = _closing_brace(text, found.end())
        pieces += [text[at : found.start()], BOX_START, text[found.end() : end], BOX_END]
        at = min(end + 1, len(text))
    text = "".join([*pieces, text[at:]])
    text = re.sub(r"\^\s*\{?\\circ\}?", "°", text.replace("\\times", "×"))
    text = re.sub(r"\\[()\[\]]", "", _LATEX_SPACE.sub(" ", text))
    return text.replace("$", "").replace("\\%", "%")


def _closing_brace(text: str, start: int) -> int:
    """Return where the brace before `start` closes; the end of the text if it does not."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at
    return len(text)


def _western_digit(character: str) -> str:
    if character.isascii() or not character.isdecimal():
        return character
    return str(unicodedata.decimal(character))
