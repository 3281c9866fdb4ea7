"""One HTML file that shows sampled questions with clip, marks, facts and derivation; no network."""

from __future__ import annotations

import base64
import html
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from p4d.artifacts import read_table, write_bytes
from p4d.drawing import png
from p4d.questions.facts.table import Fact
from p4d.questions.regions.marks import COLOURS_RGB
from p4d.review.items import Item, read_items, release_id, sample_questions
from p4d.review.verdicts import LETTERS

_STYLE = """\
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0; --back: #f7f7f8;
  --card: #fff; --right: #18794e; --wrong: #cd2b31; --chip: #edf2fe; --chipink: #3a5bc7; }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --soft: #b0b4ba; --line: #3a3d42;
  --back: #111113; --card: #1b1c1f; --right: #3dd68c; --wrong: #ff9592; --chip: #1d2e61;
  --chipink: #9eb1ff; } }
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back) }
header { position: sticky; top: 0; z-index: 1; padding: 12px 24px; background: var(--card);
  border-bottom: 1px solid var(--line) }
h1 { font-size: 18px; margin: 0 0 6px }
header p { margin: 0 0 8px; color: var(--soft); font-size: 13px }
nav { display: flex; flex-wrap: wrap; gap: 6px }
nav button { font: inherit; font-size: 13px; padding: 2px 10px; border: 1px solid var(--line);
  border-radius: 12px; background: none; color: var(--ink); cursor: pointer }
nav button[aria-pressed=true] { background: var(--chip); color: var(--chipink);
  border-color: var(--chipink) }
main { max-width: 1180px; margin: 0 auto; padding: 20px 24px }
article { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 20px; padding: 18px;
  margin-bottom: 18px; background: var(--card); border: 1px solid var(--line); border-radius: 10px }
@media (max-width: 860px) { article { grid-template-columns: 1fr } }
.pictures { display: flex; gap: 8px; align-items: flex-start; flex-wrap: wrap }
figure { margin: 0 } figcaption { font-size: 12px; color: var(--soft) }
img { display: block; border-radius: 4px; image-rendering: pixelated }
.chip { display: inline-block; padding: 1px 9px; border-radius: 10px; font-size: 12.5px;
  background: var(--chip); color: var(--chipink) }
.meta { color: var(--soft); font-size: 12.5px }
.question { font-size: 17px; margin: 8px 0 10px }
.mark { padding: 0 5px; border-radius: 4px; font-weight: 600; color: #111; white-space: nowrap;
  border: 1px solid #0003 }
.options { display: grid; gap: 6px; margin: 0 0 10px; padding: 0; list-style: none }
.options button { width: 100%; padding: 6px 10px; font: inherit; text-align: left; cursor: pointer;
  color: var(--ink); background: none; border: 1px solid var(--line); border-radius: 6px }
.options button:hover { border-color: var(--soft) }
.open .right { border-color: var(--right); color: var(--right); font-weight: 600 }
.open .right::after { content: " \\2713" }
.open .chosen:not(.right) { border-color: var(--wrong); color: var(--wrong) }
.open .chosen:not(.right)::after { content: " \\2717" }
details { grid-column: 1 / -1 }
summary { cursor: pointer; color: var(--chipink); font-size: 14px }
table { border-collapse: collapse; margin: 8px 0; font-size: 13px; width: 100% }
th { text-align: left; font-weight: 500; color: var(--soft) }
th, td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
code { font: 12.5px ui-monospace, monospace; overflow-wrap: anywhere }
"""

_SCRIPT = """\
for (const article of document.querySelectorAll("article")) {
  const details = article.querySelector("details");
  for (const button of article.querySelectorAll(".options button"))
    button.onclick = () => { button.classList.add("chosen"); details.open = true; };
  details.ontoggle = () => article.classList.toggle("open", details.open);
}
const buttons = [...document.querySelectorAll("nav button")];
for (const button of buttons) button.onclick = () => {
  for (const each of buttons) each.setAttribute("aria-pressed", each === button);
  const wanted = button.dataset.category;
  for (const article of document.querySelectorAll("article"))
    article.style.display = !wanted || article.dataset.category === wanted ? "" : "none";
  scrollTo(0, 0);
};
"""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What was written."""

    path: Path
    questions: int
    nbytes: int


def write_gallery(
    release: Path, path: Path, *, sample: int | None = 60, categories: Sequence[str] = ()
) -> Gallery:
    """Write the page; it holds everything it shows.

    Args:
        release: folder of a release, among the folders of the stages it was made from.
        path: the HTML file.
        sample: how many questions, families in turn; None for all.
        categories: only these; empty for all.

    Raises:
        ContractError: there is no release, or no question of the categories.
    """
    name = release_id(release)
    questions = sample_questions(read_table(release / "questions.parquet"), sample, categories)
    articles, counts = [], Counter[str]()
    items = sorted(
        read_items(release, questions), key=lambda item: (item.row["category"], item.row["qa_id"])
    )
    for item in items:
        articles.append(_article(item))
        counts[item.row["category"]] += 1
    page = _page(name, counts, articles).encode()
    write_bytes(path, page)
    return Gallery(path=path, questions=len(articles), nbytes=len(page))


def clip_webp(rgb_thw3: np.ndarray, length_s: float) -> bytes:
    """The clip as a lossless animated WebP that repeats, at its own resolution."""
    stream = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in rgb_thw3]
    first.save(
        stream, "WEBP", save_all=True, append_images=rest, lossless=True, loop=0,
        duration=round(1000 * length_s / len(rgb_thw3)),
    )  # fmt: skip
    return stream.getvalue()


def frames_webp(rgb_thw3: np.ndarray) -> bytes:
    """The frames side by side, lightly compressed."""
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(list(rgb_thw3), axis=1)).save(stream, "WEBP", quality=85)
    return stream.getvalue()


def _page(release: str, counts: Counter[str], articles: Sequence[str]) -> str:
    buttons = [f'<button aria-pressed="true" data-category="">all {counts.total()}</button>']
    buttons += [
        f'<button aria-pressed="false" data-category="{html.escape(name)}">'
        f"{html.escape(name)} {count}</button>"
        for name, count in sorted(counts.items())
    ]
    title = f"Questions of {html.escape(release)}"
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head><body>\n"
        f"<header><h1>{title}</h1>"
        "<p>Choose an option, or open the derivation, to see the right answer.</p>"
        f"<nav>{''.join(buttons)}</nav></header>\n<main>\n"
        + "\n".join(articles)
        + f"\n</main><script>{_SCRIPT}</script></body></html>\n"
    )


def _article(item: Item) -> str:
    row = item.row
    options = "".join(
        f"<li><button{' class=right' if index == row['answer_index'] else ''}>"
        f"{letter}. {html.escape(text)}</button></li>"
        for index, (letter, text) in enumerate(zip(LETTERS, row["options"], strict=False))
    )
    facts = "".join(_fact_row(fact, item) for fact in item.facts)
    basis = "exact truth" if row["has_truth"] else "labels of the expert"
    reviewed = f", {row['review']} by people" if row.get("review") else ""
    return f"""\
<article data-category="{html.escape(row["category"])}" id="{row["qa_id"]}">
<div class="pictures">
{_figure(clip_webp(item.rgb_thw3, item.length_s), "webp", f"clip, {item.length_s:.1f} s", "256px")}
{_figure(png(item.marks_hw3), "png", "marks, first frame", "256px")}
</div>
<div>
<span class="chip">{html.escape(row["category"])}</span>
<span class="meta">{html.escape(row["family"])}, {row["split"]}, from {basis}{reviewed}</span>
<p class="question">{_with_marks(row["question"])}</p>
<ul class="options">{options}</ul>
</div>
<details><summary>Answer and derivation</summary>
<p>{row["answer"]}. {html.escape(row["answer_text"])}, by a margin of {row["margin_sigma"]:.1f}
standard deviations over the nearest wrong option.</p>
<table><tr><th>fact</th><th>of</th><th>value</th><th>sigma</th><th>when</th>
<th>frame of reference</th><th>measured as</th></tr>{facts}</table>
{_figure(frames_webp(item.rgb_thw3), "webp", _times(item), "100%")}
<p class="meta"><code>p4d why {row["qa_id"]}</code><br>
<code>{row["clip_id"]}</code> of <code>{row["video_id"]}</code>,
shard <code>{row["shard"]}</code></p>
</details></article>"""


def _times(item: Item) -> str:
    step_s = item.length_s / len(item.rgb_thw3)
    return "frames at " + ", ".join(f"{k * step_s:.2f}" for k in range(len(item.rgb_thw3))) + " s"


def _fact_row(fact: Fact, item: Item) -> str:
    of = " ".join(_mark(item.marks[r]) for r in fact.region_ids if r in item.marks) or "camera"
    value = html.escape(fact.value_text or f"{fact.value:.3f} {fact.unit}")
    sigma = f"{1 / fact.sigma:.1f} from next" if fact.value_text else f"{fact.sigma:.3f}"
    when = f"{fact.start_ns / 1e9:.2f}"
    if fact.end_ns != fact.start_ns:
        when += f" to {fact.end_ns / 1e9:.2f}"
    return (
        f"<tr><td title={fact.fact_id}>{html.escape(fact.kind)}</td><td>{of}</td>"
        f'<td class="number">{value}</td><td class="number">{sigma}</td>'
        f'<td class="number">{when} s</td><td>{html.escape(fact.frame)}</td>'
        f"<td>{html.escape(fact.method)}, {html.escape(fact.teacher)}</td></tr>"
    )


def _figure(payload: bytes, kind: str, caption: str, width: str) -> str:
    data = base64.b64encode(payload).decode()
    return (
        f'<figure><img alt="{caption}" style="width: {width}" '
        f'src="data:image/{kind};base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _with_marks(question: str) -> str:
    """The question with `<obj_k>` in the colour of its mark."""
    parts = re.split(r"<obj_(\d+)>", question)
    return "".join(
        _mark(int(part)) if place % 2 else html.escape(part) for place, part in enumerate(parts)
    )


def _mark(mark: int) -> str:
    red, green, blue = COLOURS_RGB[(mark - 1) % len(COLOURS_RGB)]
    return f'<span class="mark" style="background: rgb({red} {green} {blue})">object {mark}</span>'
