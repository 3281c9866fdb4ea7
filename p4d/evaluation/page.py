"""The page of an evaluation: one HTML file, offline, without scripts.

Scores with intervals, what is taken for what in each category, and a gallery of errors with the
pictures as the student saw them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from p4d.errors import P4DError
from p4d.evaluation.scoring.benchmark_metrics import COLUMNS
from p4d.evaluation.scoring.predictions import SCORING_METHODS
from p4d.ids import seed_for
from p4d.students.data.batch import Visual
from p4d.students.model.chat import LETTERS

ERRORS_PER_CATEGORY = 4
_MOST_WORDS = 10  # a confusion table of more different answers is one of letters
_TILE_PX = 128
_SHOWN_FRAMES = 8

_STYLE = """
:root{--ink:#282828;--soft:#6b6b6b;--line:#dcdcdc;--fill:#0072b2;--pale:#e8f1f8;
--right:#1b7f4b;--wrong:#b3401f}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);
margin:0 auto;padding:24px 24px 64px;max-width:1120px;background:#fff}
h1{font-size:26px;margin:0 0 2px}h2{font-size:19px;margin:36px 0 8px;padding-top:8px;
border-top:1px solid var(--line)}h3{font-size:15px;margin:18px 0 6px}
p{margin:4px 0 10px;max-width:78ch}.soft{color:var(--soft)}small{color:var(--soft)}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.card{border:1px solid var(--line);border-radius:6px;padding:8px 14px;min-width:120px}
.card b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:4px 9px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600}th:first-child,td:first-child{text-align:left}
tr.record td{background:var(--pale)}
table.scores td:first-child{white-space:normal;min-width:200px;max-width:300px}
table.scores td,table.scores th{padding:4px 7px}
table.confusion th{white-space:normal;max-width:84px;text-align:center;font-weight:500;
font-size:13px;line-height:1.2;vertical-align:bottom}
table.confusion td{min-width:34px;text-align:center}
table.confusion td:first-child{text-align:right;font-size:13px}.two>div{max-width:100%}
table.confusion td.hit{outline:2px solid var(--right);outline-offset:-2px}
.two{display:flex;flex-wrap:wrap;gap:8px 36px}
.item{border:1px solid var(--line);border-radius:6px;padding:12px 14px;margin:12px 0;
break-inside:avoid}
.strip{display:flex;flex-wrap:wrap;gap:4px;align-items:flex-end;margin:8px 0}
figure{margin:0}figcaption{font-size:11px;color:var(--soft);text-align:center}
img{display:block;width:100px;height:100px;image-rendering:pixelated;border-radius:2px}
img.marked{width:160px;height:160px}
ol{list-style:none;margin:8px 0 0;padding:0;display:grid;gap:3px}
li{display:grid;grid-template-columns:22px minmax(160px,1fr) 150px 120px;gap:8px;
align-items:center;padding:2px 6px;border-radius:4px}
li.right{background:#e9f5ee}li.said{background:#fbece7}
.bar{background:#eee;height:8px;border-radius:4px;overflow:hidden}
.bar i{display:block;height:8px;background:var(--fill)}
.tag{font-size:12px;font-weight:600}.right .tag{color:var(--right)}.said .tag{color:var(--wrong)}
code{background:#f4f4f4;padding:1px 5px;border-radius:3px;font-size:13px;white-space:pre-wrap}
summary{cursor:pointer;font-weight:600;padding:6px 0}
"""


def render_page(
    found: Mapping[str, Any], table: pl.DataFrame, look: Callable[[str], Visual]
) -> str:
    """The page as text.

    Args:
        found: content of `metrics.json`.
        table: `predictions.parquet`.
        look: pictures of an item by id; one that cannot be read is said to be so.
    """
    primary = found["primary_metric"]
    rows = _with_predicted(table.filter(pl.col("outcome") == "ok"), primary)
    title = f"{found['model']} on {found['benchmark']}"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p class='soft'>Primary metric: {escape(SCORING_METHODS[primary])}. "
        "Intervals resample source videos. "
        f"Prompt: {escape(str(found['run']['prompt']))}; {found['run']['frames']} frames of "
        f"{found['run']['size_px']} px; greedy.</p>",
        _cards(found),
        "<h2>Scores</h2>",
        _twelve(found),
        "<h2>By category</h2>",
        _intervals(found),
        _against_chance(found),
        "<h2>What is taken for what</h2>",
        "<p class='soft'>Rows: the right answer; columns: what was said. Categories of many "
        "different answers are shown by letter.</p>",
        f"<div class='two'>{''.join(_confusions(rows))}</div>",
        "<h2>Errors</h2>",
        f"<p class='soft'>At most {ERRORS_PER_CATEGORY} of each category, drawn by id. First the "
        "marked picture, then the frames as the student sees them.</p>",
        *_gallery(rows, look),
        _left_out(table),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


# --- numbers ----------------------------------------------------------------------------------


def _with_predicted(rows: pl.DataFrame, primary: str) -> pl.DataFrame:
    """Add the predicted index and the score by the primary metric."""
    if primary == "likelihood":
        said = pl.col("option_logp").list.arg_max().cast(pl.Int64)
    else:
        said = pl.col("parsed_index")
    return rows.with_columns(said=said, score=pl.col(primary))


def _cards(found: Mapping[str, Any]) -> str:
    cards = []
    if "accuracy" in found:
        interval = f"[{found['low']:.3f}, {found['high']:.3f}]"
        cards.append((f"{found['accuracy']:.3f}", f"accuracy {interval}"))
    if found["chance"] is not None:
        cards.append((f"{found['chance']:.3f}", "chance"))
    if "mean_relative_accuracy" in found:
        cards.append((f"{found['mean_relative_accuracy']:.3f}", "mean relative accuracy"))
    cards.append((str(found["items"]), f"items of {found['groups']} videos"))
    if found["generated"]:
        cards.append((f"{found['unparsed_share']:.1%}", "of texts without an answer"))
    left = sum(n for outcome, n in found["outcomes"].items() if outcome != "ok")
    if left:
        cards.append((str(left), "failed or rejected, not in the means"))
    inner = "".join(
        f"<div class='card'><b>{b}</b><small>{escape(s)}</small></div>" for b, s in cards
    )
    return f"<div class='cards'>{inner}</div>"


def _twelve(found: Mapping[str, Any]) -> str:
    shown = [
        short
        for short in COLUMNS
        if any(columns[short] is not None for columns in found["twelve_columns"].values())
    ]
    head = "".join(f"<th title='{escape(COLUMNS[short])}'>{short}</th>" for short in shown)
    body = ""
    for method in [name for name in SCORING_METHODS if name in found["twelve_columns"]]:
        columns = found["twelve_columns"][method]
        cells = "".join(
            "<td>-</td>" if columns[short] is None else f"<td>{columns[short]:.1f}</td>"
            for short in shown
        )
        mark = " class='record'" if method == found["primary_metric"] else ""
        body += f"<tr{mark}><td>{escape(SCORING_METHODS[method])}</td>{cells}</tr>"
    return (
        "<div class='wide'><table class='scores'><thead><tr><th>per cent, by how it is taken</th>"
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _intervals(found: Mapping[str, Any]) -> str:
    """A dot with its interval per slice, and the line of chance."""
    scores = found["scores"].get(found["primary_metric"], {})
    if not scores:
        return "<p>No item was answered.</p>"
    left, width, row = 250, 560, 26
    height = row * len(scores) + 34
    x = [left + width * k / 4 for k in range(5)]
    lines = [
        f"<line x1='{at}' y1='6' x2='{at}' y2='{height - 26}' stroke='#e4e4e4'/>"
        f"<text x='{at}' y='{height - 8}' text-anchor='middle' fill='#6b6b6b'>{k / 4:g}</text>"
        for k, at in enumerate(x)
    ]
    if found["chance"] is not None:
        at = left + width * found["chance"]
        lines.append(
            f"<line x1='{at:.1f}' y1='6' x2='{at:.1f}' y2='{height - 26}' stroke='#999' "
            "stroke-dasharray='4 3'><title>chance over all choices</title></line>"
        )
    known = [name for name in COLUMNS.values() if name in scores]
    for number, name in enumerate([*known, *sorted(set(scores) - set(known))]):
        i = scores[name]
        y = 18 + number * row
        low, mid, high = (left + width * i[key] for key in ("low", "value", "high"))
        lines.append(
            f"<text x='{left - 12}' y='{y + 4}' text-anchor='end'>{escape(name)} "
            f"<tspan fill='#6b6b6b'>({i['n']})</tspan></text>"
            f"<line x1='{low:.1f}' y1='{y}' x2='{high:.1f}' y2='{y}' stroke='#0072b2' "
            f"stroke-width='2'/><circle cx='{mid:.1f}' cy='{y}' r='4.5' fill='#0072b2'/>"
            f"<text x='{left + width + 14}' y='{y + 4}'>{i['value']:.3f} "
            f"<tspan fill='#6b6b6b'>[{i['low']:.3f}, {i['high']:.3f}]</tspan></text>"
        )
    return (
        f"<div class='wide'><svg width='{left + width + 180}' height='{height}' role='img' "
        "aria-label='accuracy with interval by category' font-size='13' fill='#282828' "
        f"font-family='inherit'>{''.join(lines)}</svg></div>"
    )


def _against_chance(found: Mapping[str, Any]) -> str:
    report = found.get("against_chance")
    if not report:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{r['n']}</td><td>{r['accuracy']:.3f}</td>"
        f"<td>{r['low']:.3f} to {r['high']:.3f}</td>"
        f"<td>{'' if r['inside'] else 'outside'}</td></tr>"
        for name, r in report["families"].items()
    )
    return (
        "<details><summary>Families against chance</summary><p class='soft'>For a control that "
        "should know nothing: the interval that chance alone gives. Of many families some fall "
        f"outside by luck; outside even jointly: {escape(', '.join(report['named']) or 'none')}."
        "</p><div class='wide'><table><thead><tr><th>family</th><th>n</th><th>accuracy</th>"
        f"<th>chance gives</th><th></th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _confusions(rows: pl.DataFrame) -> list[str]:
    found = []
    choices = rows.filter((pl.col("kind") == "mcq") & pl.col("answer_index").is_not_null())
    for category in sorted(set(choices["category"].to_list())):
        part = choices.filter(pl.col("category") == category)
        pairs = []
        words = {row["options"][row["answer_index"]] for row in part.iter_rows(named=True)}
        by_letter = len(words) > _MOST_WORDS
        for row in part.iter_rows(named=True):
            names = LETTERS if by_letter else row["options"]
            said = None if row["said"] is None else names[row["said"]]
            pairs.append((names[row["answer_index"]], said))
        found.append(f"<div><h3>{escape(category)}</h3>{_matrix(pairs)}</div>")
    return found


def _matrix(pairs: Sequence[tuple[str, str | None]]) -> str:
    right = sorted({truth for truth, _ in pairs})
    others = sorted({said for _, said in pairs if said is not None} - set(right))
    columns: list[str | None] = [*right, *others]
    if any(said is None for _, said in pairs):
        columns.append(None)
    counts = {(r, c): sum(pair == (r, c) for pair in pairs) for r in right for c in columns}
    head = "".join(f"<th>{escape(c if c is not None else 'unread')}</th>" for c in columns)
    body = ""
    for r in right:
        total = max(sum(counts[r, c] for c in columns), 1)
        cells = "".join(
            f"<td{' class=hit' if c == r else ''} style='background:rgba(0,114,178,"
            f"{0.75 * counts[r, c] / total:.2f})'>{counts[r, c] or ''}</td>"
            for c in columns
        )
        body += f"<tr><td>{escape(r)}</td>{cells}</tr>"
    return (
        "<div class='wide'><table class='confusion'><thead><tr><th></th>"
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


# --- errors -----------------------------------------------------------------------------------


def _gallery(rows: pl.DataFrame, look: Callable[[str], Visual]) -> list[str]:
    parts = []
    wrong = rows.filter(pl.col("score") < 1)
    for category in sorted(set(wrong["category"].to_list())):
        part = wrong.filter(pl.col("category") == category).to_dicts()
        drawn = sorted(part, key=lambda row: seed_for("gallery", row["qa_id"]))
        items = "".join(_item(row, look) for row in drawn[:ERRORS_PER_CATEGORY])
        parts.append(
            f"<details open><summary>{escape(category)}: {len(part)} wrong</summary>{items}"
            "</details>"
        )
    return parts or ["<p>None.</p>"]


def _item(row: Mapping[str, Any], look: Callable[[str], Visual]) -> str:
    family = f" &middot; {escape(row['family'])}" if row["family"] else ""
    text = (
        "" if row["text"] is None else f"<p>It wrote <code>{escape(row['text']) or ' '}</code></p>"
    )
    if row["kind"] == "numeric":
        said = "nothing readable" if row["parsed_value"] is None else f"{row['parsed_value']:g}"
        answer = f"<p>Right: <b>{row['answer_value']:g}</b>, said: <b>{said}</b>.</p>"
    else:
        answer = f"<ol>{''.join(_options(row))}</ol>"
    return (
        f"<div class='item'><small>{escape(row['qa_id'])}{family}</small>"
        f"{_strip(row['qa_id'], look)}<b>{escape(row['question'])}</b>{answer}{text}</div>"
    )


def _options(row: Mapping[str, Any]) -> list[str]:
    shares = np.exp(np.array(row["option_logp"] or [], np.float64))
    shares = shares / shares.sum() if len(shares) else shares
    lines = []
    for index, (letter, option) in enumerate(zip(LETTERS, row["options"], strict=False)):
        right, said = index == row["answer_index"], index == row["said"]
        tag = " and ".join([*(["right"] if right else []), *(["said"] if said else [])])
        style = "right" if right else "said" if said else ""
        bar = (
            f"<span class='bar' title='{shares[index]:.3f} of the options'>"
            f"<i style='width:{100 * shares[index]:.1f}%'></i></span>"
            if index < len(shares)
            else "<span></span>"
        )
        lines.append(
            f"<li class='{style}'><span>{letter}</span><span>{escape(option)}</span>{bar}"
            f"<span class='tag'>{tag}</span></li>"
        )
    return lines


def _strip(qa_id: str, look: Callable[[str], Visual]) -> str:
    try:
        visual = look(qa_id)
    except P4DError as error:
        return f"<p class='soft'>No pictures: {escape(str(error))}</p>"
    marked = (
        f"<figure><img class='marked' alt='marked first frame' src='{_data_uri(visual.frames[0])}'>"
    )
    figures = [marked + "<figcaption>marks</figcaption></figure>"]
    last = len(visual.frames) - 1
    for index in np.unique(np.linspace(1, last, min(last, _SHOWN_FRAMES)).astype(int)):
        figures.append(
            f"<figure><img alt='frame {index}' src='{_data_uri(visual.frames[index])}'>"
            f"<figcaption>{visual.times_s[index]:.2f} s</figcaption></figure>"
        )
    return f"<div class='strip'>{''.join(figures)}</div>"


def _data_uri(rgb_hw3: np.ndarray) -> str:
    picture = Image.fromarray(rgb_hw3)
    if max(picture.size) > _TILE_PX:
        picture.thumbnail((_TILE_PX, _TILE_PX), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _left_out(table: pl.DataFrame) -> str:
    rows = table.filter(pl.col("outcome") != "ok").sort("qa_id")
    if rows.is_empty():
        return ""
    lines = "".join(
        f"<tr><td>{escape(r['qa_id'])}</td><td>{r['outcome']}</td>"
        f"<td style='text-align:left;white-space:normal'>{escape(r['reason'] or '')}</td></tr>"
        for r in rows.iter_rows(named=True)
    )
    return (
        f"<h2>Not asked</h2><details><summary>{len(rows)} items</summary><table><tbody>{lines}"
        "</tbody></table></details>"
    )
