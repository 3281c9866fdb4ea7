"""One self-contained page of check results: opens offline, loads nothing, runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from p4d.quality.results import CheckResult

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.4rem; } .meta { color: #666; }
details { border: 1px solid #ddd; border-left: 5px solid #2a7; border-radius: 4px; margin: .5rem 0;
          padding: .4rem .8rem; }
details.critical { border-left-color: #c22; } details.warning { border-left-color: #d90; }
summary { cursor: pointer; } summary b { font-weight: 600; }
.badge { float: right; color: #666; font-size: .85em; }
table { border-collapse: collapse; font-size: .85em; margin: .5rem 0; }
td, th { border: 1px solid #ddd; padding: .15rem .5rem; text-align: left; vertical-align: top; }
"""


def render_html(title: str, results: Sequence[CheckResult], *, about: Mapping[str, str]) -> str:
    """A page with the verdict, each check, its numbers and a sample of offending rows.

    Args:
        title: such as `labels 0001-aaaaaaaa`.
        results: in the order to show them; failures come first.
        about: what was judged, such as its data version.
    """
    ordered = sorted(results, key=lambda result: (result.passed, not result.blocking))
    stopped = sum(result.stops for result in results)
    warned = sum(not result.passed for result in results) - stopped
    meta = " &middot; ".join(f"{escape(k)}: {escape(v)}" for k, v in about.items())
    verdict = f"{len(results)} checks, {stopped} stop descendants, {warned} warn"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head><body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="meta">{meta}</p>\n<p><b>{verdict}</b></p>\n'
        + "\n".join(map(_check, ordered))
        + "\n</body></html>\n"
    )


def _check(result: CheckResult) -> str:
    kind = "passed" if result.passed else result.severity
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>"
        for name, value in result.metrics.items()
    )
    return (
        f'<details class="{kind}"{"" if result.passed else " open"}>'
        f'<summary><b>{escape(result.name)}</b> <span class="badge">{kind}</span></summary>'
        f"<p>{escape(result.description)}</p><table>{rows}</table>{_sample(result)}</details>"
    )


def _sample(result: CheckResult) -> str:
    if not result.sample:
        return ""
    columns = list(dict.fromkeys(name for row in result.sample for name in row))
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in columns)}</tr>"
        for row in result.sample
    )
    return f"<p>Some of the offending rows:</p><table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    return escape("" if value is None else str(value))
