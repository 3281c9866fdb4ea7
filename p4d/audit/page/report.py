"""`p4d audit report`: one offline HTML page from which a stranger can judge a number or a model.

Self-contained: inline style and SVG, no script, no network. The same record gives the same bytes,
so the page itself can be published by hash.
"""

from __future__ import annotations

import base64
import html
import importlib.metadata
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from p4d.artifacts import write_bytes
from p4d.audit.evidence import Dossier, Entry, by_stage, collect
from p4d.audit.lookup.why import Node
from p4d.audit.page.lineage_svg import lineage_svg
from p4d.config import Project
from p4d.pipeline import STAGES, Stage
from p4d.versioning.files.artifact_key import data_version
from p4d.versioning.ledger.ledger import LEDGER_PATH
from p4d.versioning.run.run_info import environment_digest

_STYLE = """
:root{--ink:#1c2733;--dim:#5c6b7a;--line:#d9e0e7;--soft:#f5f7f9;--ok:#1a7f4b;--warn:#9a6700;
--bad:#b42318;--none:#6b7785;--accent:#0b5cad}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);margin:0}
main{max-width:1180px;margin:0 auto;padding:28px 24px 80px}
h1{font-size:26px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:19px;margin:40px 0 8px;
padding-top:14px;border-top:1px solid var(--line)}h3{font-size:15px;margin:18px 0 4px}
p{max-width:860px}.dim{color:var(--dim)}code,pre,.hash{font:12.5px/1.45 ui-monospace,monospace}
code{background:var(--soft);padding:1px 4px;border-radius:3px}.hash{overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:10px 12px;
overflow:auto;max-height:340px;white-space:pre}pre.all{max-height:none}
table.v{table-layout:fixed;min-width:980px}table.v th:nth-child(1){width:30%}
table.v th:nth-child(3){width:21%}table.v th:nth-child(4){width:27%}
table{border-collapse:collapse;width:100%;margin:8px 0 4px;font-size:13.5px}
th{text-align:left;font-weight:600;color:var(--dim);border-bottom:2px solid var(--line);
padding:5px 10px 5px 0;vertical-align:bottom}td{border-bottom:1px solid var(--line);
padding:5px 14px 5px 0;vertical-align:top;overflow-wrap:break-word}td.s{white-space:nowrap}
td.n,th.n{text-align:right}
.scroll{overflow-x:auto}.wide{width:min(97vw,1640px);margin-left:50%;transform:translateX(-50%)}
.claim table{margin:2px 0;width:auto;font-size:13px}
.badges{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0}
.badge{border:1px solid var(--line);border-radius:999px;padding:3px 12px;font-size:13.5px}
.ok{color:var(--ok)}.warn{color:var(--warn)}.bad{color:var(--bad)}.none{color:var(--none)}
.badge.ok{border-color:var(--ok)}.badge.warn{border-color:var(--warn)}
.badge.bad{border-color:var(--bad)}nav{font-size:13.5px;margin:10px 0 0;
display:flex;flex-wrap:wrap;gap:2px 14px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.claim{border-left:4px solid var(--accent);background:var(--soft);padding:12px 16px;margin:14px 0}
.claim dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}
.claim dt{color:var(--dim)}.claim dd{margin:0;overflow-wrap:anywhere}
details{margin:6px 0}summary{cursor:pointer}ul.tree,ul.tree ul{list-style:none;margin:0;
padding-left:18px;border-left:1px solid var(--line)}ul.tree li{margin:3px 0;font-size:13.5px}
svg text{font:11px system-ui,sans-serif}svg .t{font-size:12.5px;font-weight:600}
@media print{pre{max-height:none;white-space:pre-wrap}main{max-width:none}}
"""


def write_report(
    project: Project,
    identifier: str,
    path: Path,
    stages: Sequence[Stage] = STAGES,
    at: str | None = None,
) -> Dossier:
    """Write the page about an id to `path` and return what it is made of.

    Raises:
        LedgerError: nothing on record goes by that name, or the ledger is damaged.
    """
    dossier = collect(project, identifier, stages, at)
    write_bytes(path, render(dossier, stages).encode())
    return dossier


def render(dossier: Dossier, stages: Sequence[Stage] = STAGES) -> str:
    """The page as HTML."""
    sections = [
        ("graph", "Where it comes from", _graph_section(dossier, stages)),
        ("chain", "Step by step", _chain_section(dossier)),
        ("sources", "Source videos and their licences", _sources_section(dossier)),
        ("checks", "Checks", _checks_section(dossier)),
        ("metrics", "Metrics on record", _metrics_section(dossier)),
        ("versions", "Versions", _versions_section(dossier)),
        ("params", "Parameters", _params_section(dossier)),
        ("cost", "Cost", _cost_section(dossier)),
        ("environment", "Environment", _environment_section(dossier)),
        ("verify", "Check it yourself", _verify_section(dossier)),
    ]
    sections = [section for section in sections if section[2]]
    nav = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(f'<h2 id="{name}">{title}</h2>{text}' for name, title, text in sections)
    title = f"Audit of {_esc(dossier.named.id)}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{_head(dossier)}<nav>{nav}</nav>{body}"
        "</main></body></html>\n"
    )


# --- head -------------------------------------------------------------------------------------


def _head(dossier: Dossier) -> str:
    named, own = dossier.named, dossier.own
    failed = sum(len(entry.failed) for entry in dossier.entries)
    warned = sum(len(entry.warned) for entry in dossier.entries)
    judged = sum(len(entry.checks) for entry in dossier.entries)
    used = [row for row in dossier.sources if row["outcome"] == "ok"]
    unexplained = [entry for entry in dossier.entries if entry.record is None]
    dirty = [entry for entry in dossier.entries if entry.record and entry.record["git"]["dirty"]]
    gone = [e for e in dossier.entries if not e.files or any(f.object is None for f in e.files)]
    badges = [
        ("bad", f"{_count(len(unexplained), 'version')} without a record")
        if unexplained
        else ("ok", f"complete: {len(dossier.entries)} versions, each on record"),
        ("bad", f"{_count(failed, 'blocking check')} failed")
        if failed
        else ("ok", f"{judged - warned} of {judged} checks passed, none that blocks failed"),
        ("warn", _count(warned, "warning")) if warned else None,
        ("warn", f"{_count(len(dirty), 'version')} from uncommitted code")
        if dirty
        else ("ok", "all code was committed"),
        ("bad", f"bytes of {_count(len(gone), 'version')} are missing")
        if gone
        else ("ok", "all bytes at hand and hashed"),
        None if own.current else ("warn", "superseded: not the current version"),
    ]
    shown = "".join(f'<span class="badge {k}">{_esc(t)}</span>' for k, t in filter(None, badges))
    made = f" It was made on {_esc(_day(own))} (UTC)." if own.record else ""
    gaps = "".join(f"<li>{_esc(gap)}</li>" for gap in _folded(dossier.gaps))
    notes = f"<h3>What to know</h3><ul>{gaps}</ul>" if gaps else ""
    return (
        f"<h1>{_esc(_title(dossier))}</h1>"
        f'<p class="dim hash">{_esc(named.id)} &middot; version {_esc(own.key)} '
        f"{_esc(data_version(own.md5))}</p>{_claim(dossier)}"
        f"<p>This page names everything that the {_esc(named.kind)} above derives from: "
        f"{_count(len(dossier.entries), 'version')} of artifacts, made from "
        f"{_count(len(used), 'source video')}.{made} "
        "Each version is named by the hash of its bytes; which version was read to make which is "
        "taken from an append-only ledger whose lines each carry the hash of the line before. "
        f'The last section lists all hashes and the <a href="#verify">commands</a> to check them '
        "without trusting this page or the software that wrote it.</p>"
        f'<div class="badges">{shown}</div>{notes}'
    )


def _title(dossier: Dossier) -> str:
    kind = dossier.named.kind
    if kind == "artifact":
        return f"Audit of {dossier.own.key}"
    return f"Audit of a {kind}"


def _claim(dossier: Dossier) -> str:
    """What the thing says, as a box."""
    row: Mapping[str, Any] = dossier.tree.detail
    kind = dossier.named.kind
    if kind == "artifact" and dossier.own.record:
        row = {**dossier.own.record["rows"], **dossier.own.record["metrics"]}
    if kind == "number":
        row = {"number": dossier.named.id, **row}
    if not row:
        return ""
    items = "".join(f"<dt>{_esc(k)}</dt><dd>{_value(v)}</dd>" for k, v in row.items())
    return f'<div class="claim"><dl>{items}</dl></div>'


def _folded(gaps: Sequence[str]) -> list[str]:
    """At most a dozen lines."""
    return [*gaps[:12], *([f"and {len(gaps) - 12} more of this kind"] if len(gaps) > 12 else [])]


# --- graph ------------------------------------------------------------------------------------


def _graph_section(dossier: Dossier, stages: Sequence[Stage]) -> str:
    return (
        "<p>Each box is a stage, with the versions of it that were used; an arrow goes from what "
        "was read to what was made of it. A thin arc is a further reading, of what a chain of "
        "arrows leads to as well. "
        '<span class="ok">Green</span>: all checks passed. <span class="warn">Amber</span>: one '
        'that only warns failed. <span class="bad">Red</span>: a blocking check failed. '
        '<span class="none">Grey</span>: nothing judges this stage.</p>'
        f'<div class="wide">{lineage_svg(dossier.entries, [s.name for s in stages])}</div>'
    )


# --- the other sections -----------------------------------------------------------------------


def _chain_section(dossier: Dossier) -> str:
    if all(child.kind == "artifact" for child in dossier.tree.children):
        return ""
    return (
        "<p>The rows themselves: what was asked, measured, seen, and in which file it lies.</p>"
        f'<ul class="tree">{_branch(dossier.tree)}</ul>'
    )


def _branch(node: Node) -> str:
    detail = "; ".join(f"{k}: {_plain(v)}" for k, v in node.detail.items() if k != "weights")
    at = node.version.get("artifact")
    where = f' <a href="#v-{_esc(at)}-{_esc(node.version["md5"][:8])}">{_esc(at)}</a>' if at else ""
    rows = [child for child in node.children if child.kind != "artifact"]
    below = f"<ul>{''.join(map(_branch, rows))}</ul>" if rows else ""
    return (
        f"<li><b>{_esc(node.kind)}</b> <code>{_esc(node.id)}</code>{where}<br>"
        f'<span class="dim">{_esc(detail)}</span>{below}</li>'
    )


def _sources_section(dossier: Dossier) -> str:
    if not dossier.sources:
        return "<p>No landed video stands behind this: it derives from simulated scenes alone.</p>"
    licences = Counter(
        (str(row["licence"]), str(row["source"]))
        for row in dossier.sources
        if row["outcome"] == "ok"
    )
    summary = _table(
        ["licence", "source", "videos used"],
        [[_esc(lic), _esc(src), f"{n}"] for (lic, src), n in sorted(licences.items())],
        right={2},
    )
    rows = [
        [
            _esc(str(row["name"])),
            _esc(row["outcome"] + (f": {row['reason']}" if row["reason"] else "")),
            _esc(str(row["licence"])),
            _esc(str(row["shard"])),
            f'<span class="hash">{_esc(str(row["sha256"]))}</span>',
        ]
        for row in dossier.sources
    ]
    heads = ["file", "outcome", "licence", "shard", "SHA-256"]
    return (
        "<p>Licence and source are what was stated beside the file when it landed "
        "(<code>NAME.source.json</code>); nothing is assumed where nothing was stated. An id "
        "<code>vid_...</code> is the first 16 digits of the file's SHA-256.</p>"
        f"{summary}<details{_open(len(rows))}><summary>{_count(len(rows), 'file')}, rejected ones "
        f"included</summary>{_table(heads, rows)}</details>"
    )


def _checks_section(dossier: Dossier) -> str:
    failed, rows = [], []
    for entry in dossier.entries:
        for name, check in entry.checks.items():
            kind = "blocking" if check.get("blocking") else "warning"
            result = (
                '<span class="ok">passed</span>'
                if check["passed"]
                else f'<span class="{"bad" if check.get("blocking") else "warn"}">failed</span>'
            )
            row = [_link(entry), _esc(name), kind, result, _esc(check["at"][:19]),
                   _details(check.get("details") or {})]  # fmt: skip
            rows.append(row)
            if not check["passed"]:
                failed.append(row)
    if not rows:
        return "<p>No check judged any of these versions.</p>"
    heads = ["version", "check", "kind", "result", "judged at (UTC)", "details"]
    some = f"<h3>Those that failed</h3>{_table(heads, failed)}" if failed else ""
    return (
        "<p>A check judges one exact version, named by its hash; shown is the latest verdict of "
        "each. A failed blocking check keeps a version from being read by later stages; a warning "
        f"is shown and lets it through.</p>{some}<details{_open(len(rows))}><summary>All "
        f"{len(rows)} verdicts</summary>{_table(heads, rows)}</details>"
    )


def _details(details: Mapping[str, Any]) -> str:
    about = str(details.get("description", "")).removeprefix("None: ")
    rest = "; ".join(f"{k}: {_plain(v)}" for k, v in details.items() if k != "description")
    text = f"{about} {rest}".strip()
    return _esc(text if len(text) <= 240 else f"{text[:240]}...")


def _metrics_section(dossier: Dossier) -> str:
    rows = [
        [_link(entry), _esc(f"{k}"), _esc(_plain(v))]
        for entry in reversed(dossier.entries)
        if entry.record
        for k, v in {**entry.record["rows"], **entry.record["metrics"]}.items()
    ]
    return (
        "<p>What each stage said of its own run: counts of rows by outcome, and its own numbers."
        f"</p><details{_open(len(rows), 40)}><summary>{_count(len(rows), 'value')}</summary>"
        f"{_table(['version', 'name', 'value'], rows)}</details>"
    )


def _versions_section(dossier: Dossier) -> str:
    parts = []
    for stage, entries in by_stage(dossier.entries).items():
        cards = "".join(_version_row(entry) for entry in entries)
        head = "<tr><th>version</th><th>made (UTC)</th><th>from code</th><th>read</th></tr>"
        parts.append(
            f'<details id="stage-{stage}"{_open(len(entries), 8)}><summary><b>{stage}</b>: '
            f"{_count(len(entries), 'version')}</summary>"
            f'<div class="scroll"><table class="v">{head}{cards}</table></div></details>'
        )
    return (
        "<p>Every version behind this page, upstream first. <i>code</i> is a hash over command, "
        "the parameters and all source files that shape the result; <i>git</i> is the commit that "
        "was checked out.</p>" + "".join(parts)
    )


def _version_row(entry: Entry) -> str:
    name = (
        f'<span id="v-{_esc(entry.key)}-{entry.md5[:8]}"></span><b>{_esc(entry.key)}</b><br>'
        f'<span class="hash">{_esc(data_version(entry.md5))}</span>'
        + ("" if entry.current else '<br><span class="warn">superseded</span>')
    )
    if entry.record is None:
        return f'<tr><td>{name}</td><td colspan="3" class="bad">not in the ledger</td></tr>'
    record = entry.record
    git = (record["git"]["commit"] or "no commit")[:12] + (
        " with uncommitted edits" if record["git"]["dirty"] else ""
    )
    read = "<br>".join(
        f'<span class="hash">{_esc(key)} {_esc(of.removeprefix("md5:")[:12])}</span>'
        for key, of in list(record["upstream"].items())[:8]
    )
    if len(record["upstream"]) > 8:
        read += f"<br>and {len(record['upstream']) - 8} more"
    left_out = "".join(
        f'<br><span class="warn">left out {_esc(k)}: {_esc(v)}</span>'
        for k, v in record["excluded"].items()
    )
    return (
        f"<tr><td>{name}</td><td>{_esc(record['at'][:19])}<br>"
        f'<span class="dim">ledger line {entry.line}, run {_esc(record["run_id"][:13])}</span></td>'
        f'<td class="hash">code {_esc(record["code_version"])}<br>'
        f"params {_esc(record['fingerprint']['params_digest'])}<br>git {_esc(git)}</td>"
        f"<td>{read or 'the landed files of its shard' * (entry.stage == 'videos') or '-'}"
        f"{left_out}</td></tr>"
    )


def _params_section(dossier: Dossier) -> str:
    """Parameters, once per distinct value."""
    seen: dict[str, tuple[str, list[str]]] = {}
    for entry in dossier.entries:
        for section, values in (entry.record or {"fingerprint": {"params": {}}})["fingerprint"][
            "params"
        ].items():
            text = json.dumps(values, sort_keys=True)
            shown = seen.setdefault(f"{section} {text}", (section, []))[1]
            if entry.stage not in shown:
                shown.append(entry.stage)
    rows = [
        [_esc(section), _esc(", ".join(users)), f"<code>{_esc(key.partition(' ')[2])}</code>"]
        for key, (section, users) in sorted(seen.items())
    ]
    if not rows:
        return ""
    return (
        "<p>Every parameter that shaped these bytes, as recorded when they were made.</p>"
        f"<details{_open(len(rows), 20)}><summary>{_count(len(rows), 'section')}</summary>"
        f"{_table(['section', 'read by', 'values'], rows)}</details>"
    )


def _cost_section(dossier: Dossier) -> str:
    cost = dossier.cost()
    rows = [
        [
            _esc(stage),
            f"{of['n']:g}",
            f"{of['wall_s']:.1f}",
            f"{of['cpu_s']:.1f}",
            _size(of["bytes"]),
        ]
        for stage, of in cost.items()
    ]
    total = {k: sum(of[k] for of in cost.values()) for k in ("n", "wall_s", "cpu_s", "bytes")}
    rows.append(
        ["<b>all</b>", f"{total['n']:g}", f"{total['wall_s']:.1f}", f"{total['cpu_s']:.1f}",
         _size(total["bytes"])]
    )  # fmt: skip
    heads = ["stage", "versions", "wall s", "processor s", "size"]
    return (
        "<p>Measured while these very versions were computed; each is counted once.</p>"
        + _table(heads, rows, right={1, 2, 3, 4})
    )


def _environment_section(dossier: Dossier) -> str:
    users: dict[str, int] = Counter(
        entry.record["env"] for entry in dossier.entries if entry.record
    )
    rows = [[f'<span class="hash">{_esc(d)}</span>', f"{n}"] for d, n in sorted(users.items())]
    text = (
        "<p>SHA-256 over the version of Python and the sorted <code>name==version</code> of every "
        "installed package, as it was when each version was made.</p>"
        + _table(["environment", "versions made in it"], rows, right={1})
    )
    if environment_digest() in users:
        packages = sorted(
            {f"{d.name.lower()}=={d.version}" for d in importlib.metadata.distributions() if d.name}
        )
        text += (
            f"<details><summary>The environment this page was written in is one of them: "
            f"{len(packages)} packages</summary><pre>{_esc(chr(10).join(packages))}</pre></details>"
        )
    else:
        text += (
            "<p>This page was written in another environment; pyproject.toml at the commits above "
            "pins the packages.</p>"
        )
    return text


def _verify_section(dossier: Dossier) -> str:
    own = dossier.own
    sha256, md5 = _sums(dossier)
    first = next((e for e in dossier.entries if e.files and e.files[0].object), own)
    commands = "\n".join(
        [
            "# 1. The ledger is unbroken and ends where this page says. From any copy of it:",
            'python3 - <<"END"',
            "import hashlib, json",
            f'head = "0" * 64\nfor line in open("{LEDGER_PATH}", "rb").read().splitlines():',
            '    assert json.loads(line)["prev"] == head',
            "    head = hashlib.sha256(line).hexdigest()",
            f'    if head == "{dossier.head}": print("the ledger holds this page\'s head")',
            "END",
            "",
            "# 2. Every file behind this page, byte for byte, in the cache (save the lists below):",
            "(cd .dvc/cache/files/md5 && sha256sum --quiet -c ../../../../SHA256SUMS)",
            "",
            "# 3. A version's hash is the MD5 of the list of its files, which is itself an object:",
            f"md5sum .dvc/cache/files/md5/{first.md5[:2]}/{first.md5[2:]}    "
            f"# {first.md5.removesuffix('.dir')}",
            "",
            "# 4. Everything at once, with the project's own software:",
            "p4d audit verify",
            f"p4d restore '{dossier.named.id}' ./restored --at {own.md5[:12]}",
            "",
            "# 5. Without any of its software: an archive whose verifier needs Python alone",
            f"p4d audit bundle '{dossier.named.id}' --at {own.md5[:12]} --with-data -o bundle.zip",
            "unzip bundle.zip -d bundle && python3 bundle/verify.py bundle",
        ]
    )
    lines = [
        [_link(entry), f"{entry.line}", f'<span class="hash">{entry.line_sha256}</span>']
        for entry in dossier.entries
        if entry.line
    ]
    return (
        "<p>Nothing here has to be believed. Get the <b>head of the ledger</b> from somebody you "
        "trust (it can be published anywhere; the branch <code>p4d-ledger</code> of the project's "
        "git repository holds every line up to its last commit). Whoever knows the head can prove "
        "every line before it, and each line names the exact bytes of one version.</p>"
        f'<p>Head after {dossier.lines} lines: <span class="hash"><b>{dossier.head}</b></span></p>'
        f'<pre class="all">{_esc(commands)}</pre>'
        f"{_list('SHA256SUMS', sha256)}{_list('MD5SUMS', md5)}"
        f"<details><summary>The ledger's line of each version</summary>"
        f"{_table(['version', 'line', 'SHA-256 of the line'], lines, right={1})}</details>"
        '<p class="dim">MD5 names content in DVC\'s cache and is no protection against someone who '
        "makes two files with one MD5 on purpose; SHA-256 is.</p>"
    )


def _sums(dossier: Dossier) -> tuple[str, str]:
    """Lists for `sha256sum -c` and `md5sum -c`, run in the cache's folder files/md5."""
    files = {file.md5: file for entry in dossier.entries for file in entry.files if file.sha256}
    sha256 = [f"{files[md5].sha256}  {md5[:2]}/{md5[2:]}" for md5 in sorted(files)]
    folders = sorted({entry.md5 for entry in dossier.entries if entry.files})
    names = [*sorted(files), *folders]
    md5s = [f"{name.removesuffix('.dir')}  {name[:2]}/{name[2:]}" for name in names]
    return "\n".join(sha256) + "\n", "\n".join(md5s) + "\n"


def _list(name: str, text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return (
        f"<details><summary>{name}: {text.count(chr(10))} files "
        f'(<a download="{name}" href="data:text/plain;base64,{data}">save</a>)</summary>'
        f"<pre>{_esc(text)}</pre></details>"
    )


# --- small pieces -----------------------------------------------------------------------------


def _table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: set[int] = frozenset(),  # type: ignore[assignment]
) -> str:
    def style(k: int, cell: str = "") -> str:
        short = len(re.sub("<[^>]*>", "", cell)) <= 26
        return ' class="n"' if k in right else ' class="s"' if cell and short else ""

    head = "".join(f"<th{style(k)}>{text}</th>" for k, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(f"<td{style(k, cell)}>{cell}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _link(entry: Entry) -> str:
    return f'<a href="#v-{_esc(entry.key)}-{entry.md5[:8]}">{_esc(entry.key)}</a>'


def _open(rows: int, most: int = 12) -> str:
    return " open" if rows <= most else ""


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "<br>".join(_esc(_plain(item)) for item in value)
    if isinstance(value, Mapping) and value:
        # The bounds of an interval belong on one line with its value.
        if {"value", "low", "high"} <= set(value):
            text = f"{value['value']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]"
            return _esc(f"{text}, {value.get('n', '?')} questions, {value.get('clusters')} groups")
        rows = "".join(f"<tr><td>{_esc(k)}</td><td>{_value(v)}</td></tr>" for k, v in value.items())
        return f"<table>{rows}</table>"
    return _esc(_plain(value)) or "-"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return str(value)


def _size(nbytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"


def _day(entry: Entry) -> str:
    return (entry.record or {"at": "?"})["at"][:10]


def _esc(text: object) -> str:
    return html.escape(str(text), quote=True)
