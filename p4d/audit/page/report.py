"""Writes `p4d audit report`: one offline HTML page about a number, a model or an answer.

The page is made for readers from outside. It is self-contained (inline style and SVG, no script, no
network), and the same ledger gives the same bytes, so that the page itself can be published by
hash. `report.html.j2` holds its HTML and texts; this module computes what they show.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from p4d.artifacts import write_bytes
from p4d.audit.evidence import AuditEvidence, VersionEvidence, by_stage, collect
from p4d.audit.page.lineage_svg import lineage_svg
from p4d.pages.render import count, data_uri, plain, render
from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.ledger.ledger import LEDGER_PATH

_MOST_GAPS = 12
_MOST_DETAIL = 240

_SECTIONS = {
    "pictures": "Pictures",
    "graph": "Where it comes from",
    "chain": "Step by step",
    "sources": "Source videos and their licences",
    "checks": "Checks",
    "metrics": "Recorded metrics",
    "versions": "Versions",
    "params": "Parameters",
    "cost": "Cost",
    "environment": "Environment",
    "verify": "Check it yourself",
}

_COMMANDS = """\
# 1. The ledger is unbroken and ends where this page says. From any copy of it:
python3 - <<"END"
import hashlib, json
head = "0" * 64
for line in open("{ledger}", "rb").read().splitlines():
    assert json.loads(line)["prev"] == head
    head = hashlib.sha256(line).hexdigest()
    if head == "{head}": print("the ledger holds this page's head")
END

# 2. Every file behind this page, byte for byte, in the cache (save the lists below):
(cd .dvc/cache/files/md5 && sha256sum --quiet -c ../../../../SHA256SUMS)

# 3. A version's hash is the MD5 of the list of its files, which is itself an object:
md5sum .dvc/cache/files/md5/{first_folder}/{first_name}    # {first_md5}

# 4. Everything at once, with the project's own software:
p4d audit verify
p4d restore '{id}' ./restored --at {at}

# 5. Without any of its software: an archive whose verifier needs Python alone
p4d audit bundle '{id}' --at {at} --with-data -o bundle.zip
unzip bundle.zip -d bundle && python3 bundle/verify.py bundle"""


class Picture(NamedTuple):
    """A picture of the page: what it shows, and its bytes as PNG."""

    caption: str
    png: bytes


Draw = Callable[[AuditEvidence], Sequence[Picture]]


def _no_pictures(evidence: AuditEvidence) -> Sequence[Picture]:
    del evidence
    return ()


def write_report(
    project: Project,
    identifier: str,
    path: Path,
    at: str | None = None,
    *,
    draw: Draw = _no_pictures,
) -> AuditEvidence:
    """Write the page about an id to `path` and return the evidence it shows.

    Args:
        project: where.
        identifier: what the page is about.
        path: the page.
        at: hash of an older version.
        draw: makes the pictures of the page from recorded bytes.

    Raises:
        LedgerError: nothing recorded has that name, or the ledger is damaged.
    """
    evidence = collect(project, identifier, at)
    write_bytes(path, report_html(evidence, project.stages, draw(evidence)).encode())
    return evidence


def report_html(
    evidence: AuditEvidence, stages: Sequence[Stage], pictures: Sequence[Picture] = ()
) -> str:
    """The page as HTML."""
    checks = list(_checks(evidence.entries))
    params = _params(evidence.entries)
    left_out = {"chain"} if all(c.kind == "artifact" for c in evidence.tree.children) else set()
    left_out |= set() if params else {"params"}
    left_out |= set() if pictures else {"pictures"}
    environments = Counter(entry.record["env"] for entry in evidence.entries if entry.record)
    return render(
        "audit/page/report.html.j2",
        evidence=evidence,
        headline=_headline(evidence),
        sections={name: text for name, text in _SECTIONS.items() if name not in left_out},
        claim=_claim(evidence),
        videos_used=sum(row["outcome"] == "ok" for row in evidence.sources),
        badges=_badges(evidence),
        pictures=[(one.caption, data_uri(one.png, "image/png")) for one in pictures],
        gaps=_folded(evidence.gaps),
        picture=lineage_svg(evidence.entries, [stage.name for stage in stages]),
        licences=_licences(evidence.sources),
        checks=checks,
        failed_checks=[row for row in checks if row["result"] == "failed"],
        metrics=_metrics(evidence.entries),
        stages=by_stage(evidence.entries),
        params=params,
        costs_by_stage=_costs(evidence),
        environment_users=sorted(environments.items()),
        packages={digest: names for digest, names in evidence.environments.items() if names},
        commands=_commands(evidence),
        hash_lists=[
            (name, text, data_uri(text.encode(), "text/plain"))
            for name, text in _sums(evidence.entries).items()
        ],
        recorded=[entry for entry in evidence.entries if entry.line],
    )


# --- head -------------------------------------------------------------------------------------


def _headline(evidence: AuditEvidence) -> str:
    kind = evidence.named.kind
    return f"Audit of {evidence.own.key}" if kind == "artifact" else f"Audit of a {kind}"


def _claim(evidence: AuditEvidence) -> Mapping[str, Any]:
    """What the row, number or artifact says."""
    row: Mapping[str, Any] = evidence.tree.detail
    kind, record = evidence.named.kind, evidence.own.record
    if kind == "artifact" and record:
        return {**record["rows"], **record["metrics"]}
    return {"number": evidence.named.id, **row} if kind == "number" else row


def _badges(evidence: AuditEvidence) -> list[tuple[str, str]]:
    """Style and text of each badge: what an auditor asks first."""
    entries = evidence.entries
    failed = sum(len(entry.failed) for entry in entries)
    warned = sum(len(entry.warned) for entry in entries)
    checked = sum(len(entry.checks) for entry in entries)
    unrecorded = sum(entry.record is None for entry in entries)
    dirty = sum(bool(entry.record and entry.record["git"]["dirty"]) for entry in entries)
    gone = sum(not e.files or any(file.object is None for file in e.files) for e in entries)
    badges = [
        ("bad", f"{count(unrecorded, 'version')} without a record")
        if unrecorded
        else ("ok", f"complete: all {count(len(entries), 'version')} recorded"),
        ("bad", f"{count(failed, 'blocking check')} failed")
        if failed
        else ("ok", f"{checked - warned} of {checked} checks passed, no blocking check failed"),
        ("warn", count(warned, "warning")) if warned else None,
        ("warn", f"{count(dirty, 'version')} from uncommitted code")
        if dirty
        else ("ok", "all code was committed"),
        ("bad", f"bytes of {count(gone, 'version')} are missing")
        if gone
        else ("ok", "all bytes present and hashed"),
        None if evidence.own.current else ("warn", "superseded: not the current version"),
    ]
    return [badge for badge in badges if badge]


def _folded(gaps: Sequence[str]) -> list[str]:
    """At most a dozen lines, and the number of the others."""
    rest = len(gaps) - _MOST_GAPS
    return [*gaps[:_MOST_GAPS], *([f"and {rest} more of this kind"] if rest > 0 else [])]


# --- sections ---------------------------------------------------------------------------------


_NUMBER = re.compile(r"\d+")


def _licences(sources: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """Licence, source and number of videos; sources that differ in numbers alone count as one."""
    origins: dict[tuple[str, str], set[str]] = {}
    used: Counter[tuple[str, str]] = Counter()
    for row in sources:
        if row["outcome"] == "ok":
            key = (str(row["licence"]), _NUMBER.sub("N", str(row["source"])))
            origins.setdefault(key, set()).add(str(row["source"]))
            used[key] += 1
    used = Counter(
        {
            (licence, origins[licence, kind].pop() if len(origins[licence, kind]) == 1 else kind): n
            for (licence, kind), n in used.items()
        }
    )
    return [(licence, source, number) for (licence, source), number in sorted(used.items())]


def _checks(entries: Sequence[VersionEvidence]) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        for name, check in entry.checks.items():
            blocking, passed = bool(check.get("blocking")), check["passed"]
            yield {
                "entry": entry,
                "name": name,
                "kind": "blocking" if blocking else "warning",
                "result": "passed" if passed else "failed",
                "style": "ok" if passed else "bad" if blocking else "warn",
                "at": check["at"][:19],
                "details": _details(check.get("details") or {}),
            }


def _details(details: Mapping[str, Any]) -> str:
    rest = "; ".join(f"{k}: {plain(v)}" for k, v in details.items() if k != "description")
    text = f"{details.get('description', '')} {rest}".strip()
    return text if len(text) <= _MOST_DETAIL else f"{text[:_MOST_DETAIL]}..."


def _metrics(entries: Sequence[VersionEvidence]) -> list[tuple[VersionEvidence, str, Any]]:
    """Version, name and value of every reported number, the last stage first."""
    return [
        (entry, str(name), value)
        for entry in reversed(entries)
        if entry.record
        for name, value in {**entry.record["rows"], **entry.record["metrics"]}.items()
    ]


def _params(entries: Sequence[VersionEvidence]) -> list[tuple[str, list[str], str]]:
    """Section, stages that read it, and its values as JSON; once per distinct value."""
    seen: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        sections = entry.record["fingerprint"]["params"] if entry.record else {}
        for section, values in sections.items():
            users = seen.setdefault((section, json.dumps(values, sort_keys=True)), [])
            if entry.stage not in users:
                users.append(entry.stage)
    return [(section, users, text) for (section, text), users in sorted(seen.items())]


def _costs(evidence: AuditEvidence) -> list[tuple[str, Mapping[str, float]]]:
    """Cost per stage, and of all."""
    cost = evidence.cost()
    total = {key: sum(of[key] for of in cost.values()) for key in ("n", "wall_s", "cpu_s", "bytes")}
    return [*cost.items(), ("all", total)]


def _commands(evidence: AuditEvidence) -> str:
    own = evidence.own
    first = next((e for e in evidence.entries if e.files and e.files[0].object), own)
    return _COMMANDS.format(
        ledger=LEDGER_PATH,
        head=evidence.head,
        first_folder=first.md5[:2],
        first_name=first.md5[2:],
        first_md5=first.md5.removesuffix(".dir"),
        id=evidence.named.id,
        at=own.md5[:12],
    )


def _sums(entries: Sequence[VersionEvidence]) -> dict[str, str]:
    """Lists for `sha256sum -c` and `md5sum -c`, run in the cache's folder files/md5."""
    files = {file.md5: file for entry in entries for file in entry.files if file.sha256}
    folders = sorted({entry.md5 for entry in entries if entry.files})
    sha256 = [f"{files[md5].sha256}  {md5[:2]}/{md5[2:]}" for md5 in sorted(files)]
    md5s = [
        f"{name.removesuffix('.dir')}  {name[:2]}/{name[2:]}" for name in [*sorted(files), *folders]
    ]
    return {
        "SHA256SUMS": "".join(f"{line}\n" for line in sha256),
        "MD5SUMS": "".join(f"{line}\n" for line in md5s),
    }
