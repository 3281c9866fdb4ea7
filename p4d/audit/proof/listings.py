"""Checks the lists of a project against the ledger: manifests, blocked shards, dvc.lock, git.

`p4d audit verify` runs these under the project lock, before it reads any artifact. Each function
yields what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from p4d.audit.takedown import PURGED, TOMBSTONES, tombstones
from p4d.errors import ConfigError, LedgerError, PublishError
from p4d.project import Project
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.dvc.lock_file import LOCK_FILE, LockFile
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.hashes import file_md5
from p4d.versioning.ledger.adopt import left_behind
from p4d.versioning.ledger.code_lists import CODE_LISTS, kept_code_list
from p4d.versioning.ledger.continuity import broken_continuity, has_branch
from p4d.versioning.ledger.environment import LISTS
from p4d.versioning.ledger.ledger import BRANCH, LEDGER_PATH
from p4d.versioning.ledger.problem import Problem
from p4d.versioning.ledger.record import Record
from p4d.versioning.state.blocked import read_blocked
from p4d.versioning.state.blocked import render as render_blocked
from p4d.versioning.state.check_records import expected_blocked
from p4d.versioning.state.workspace import Workspace

_LISTS = ("index.yaml", "blocked.yaml", Path(dvc_yaml.GROUPS).name, TOMBSTONES, PURGED)
"""What `shards/` holds beside the manifests."""


def manifest_problems(project: Project, records: Sequence[Record]) -> Iterator[Problem]:
    """Manifests that changed or are missing; a closed shard never changes."""
    folder = project.shards_dir
    taken_down = {entry["shard"]: entry["manifest_md5"] for entry in tombstones(project)}
    made_from = {
        path: md5
        for record in records
        for path, md5 in record["fingerprint"]["deps"].items()
        if path.startswith(f"{folder.name}/")
        and path not in (dvc_yaml.SHARD_LIST, dvc_yaml.BLOCKED_LIST)
    }
    try:
        listed = project.shards()
        text = (project.root / dvc_yaml.SHARD_LIST).read_text(encoding="utf-8")
    except Exception as error:  # noqa: BLE001 - a damaged list of shards fails in many ways
        yield Problem("altered", dvc_yaml.SHARD_LIST, f"does not parse: {error}")
        return
    lines = [line.strip().removeprefix("- ").strip("'\"") for line in text.splitlines()[1:]]
    if text and (not text.startswith("shards:") or (listed and lines != listed)):
        yield Problem("altered", dvc_yaml.SHARD_LIST, "is not a plain list of shards")
    for shard in listed:
        path = dvc_yaml.manifest_path(shard)
        if not (project.root / path).is_file():
            yield Problem("missing", path, "the shard is listed")
        elif path in made_from and file_md5(project.root / path) not in (
            made_from[path],
            taken_down.get(shard),
        ):
            yield Problem("altered", path, f"MD5 is not {made_from[path]}, which was read")
    for file in sorted(folder.glob("*")) if folder.is_dir() else []:
        if file.stem not in listed and file.name not in _LISTS:
            yield Problem("orphaned", f"{folder.name}/{file.name}", "is not listed")


def blocked_problems(project: Project) -> Iterator[Problem]:
    """A list of blocked shards that is gone or disagrees with the recorded checks.

    Projects of earlier versions have no such list before their first run: no entry of dvc.lock
    names it there.
    """
    try:
        with Workspace(project) as workspace:
            if not (project.root / dvc_yaml.BLOCKED_LIST).is_file():
                entries = [workspace.recorded(key) for key in workspace.all_keys()]
                if any(entry and dvc_yaml.BLOCKED_LIST in entry.deps for entry in entries):
                    detail = "was read by recorded versions; the next run writes it again"
                    yield Problem("missing", dvc_yaml.BLOCKED_LIST, detail)
                return
            known = read_blocked(project)
            expected = expected_blocked(workspace)
            listed = {shard: known[shard] for shard in known if shard in workspace.shards}
    except ConfigError as error:
        yield Problem("altered", dvc_yaml.BLOCKED_LIST, str(error))
        return
    except Exception:  # noqa: BLE001 - a damaged ledger, dvc.lock or list: reported on its own
        return
    if render_blocked(listed) != render_blocked(expected):
        detail = "does not agree with the recorded checks; the next run writes it again"
        yield Problem("altered", dvc_yaml.BLOCKED_LIST, detail)


OLDER_THAN_LATEST = (
    "older than the latest in the ledger; this is so after a `git checkout` of an earlier commit"
)


def lock_file_problems(
    project: Project, records: Sequence[Record], keys: Iterable[ArtifactKey]
) -> Iterator[Problem]:
    """Entries of the files dvc.lock that are not, byte for byte, the published ones."""
    known = set(map(str, keys))
    latest = {str(ArtifactKey.of_record(record)): record for record in records}
    earlier = {
        (str(ArtifactKey.of_record(record)), record.get("lock_entry")): record["at"]
        for record in records
    }
    homes = (project.root / dvc_yaml.GROUPS).glob(f"*/{LOCK_FILE}")
    for path in [project.root / LOCK_FILE, *sorted(homes)]:
        name = path.relative_to(project.root).as_posix()
        lock = LockFile.read_as_is(path.parent)
        yield from _entry_problems(project, name, lock, known, latest, earlier)


def _entry_problems(
    project: Project,
    path: str,
    lock: LockFile,
    known: Set[str],
    latest: Mapping[str, Record],
    earlier: Mapping[tuple[str, str | None], str],
) -> Iterator[Problem]:
    if damage := lock.damage():
        yield Problem("altered", path, damage)
    for name in lock.names():
        block = lock.block(name) or ""
        if name not in latest:
            if name not in known:
                detail = f"entry {name} is no artifact and not in the ledger"
                yield Problem("unrecorded", path, detail)
        elif (
            _sha256(block) != latest[name].get("lock_entry", _sha256(block))
            and _sha256(_as_earlier(project, name, lock)) != latest[name]["lock_entry"]
        ):
            if at := earlier.get((name, _sha256(block))):
                detail = f"entry {name} is that of {at[:19]}, {OLDER_THAN_LATEST}"
                yield Problem("older", path, detail)
                continue
            yield Problem("altered", path, f"entry {name} is not the one published")
    if lock.names() and lock.without(lock.names()) != "schema: '2.0'\nstages:\n":
        yield Problem("altered", path, "holds more than DVC writes")


def _as_earlier(project: Project, name: str, lock: LockFile) -> str:
    """The block of an entry as versions before wrote it, with its code file by file.

    Its hash proves that the entry in today's form is the one that such a version published.
    """
    stage = name.partition("@")[0]
    try:
        entry = lock.entry(name)
        folder = entry and entry.deps.get(code_folder.path_of(stage))
        code = kept_code_list(project, folder.md5) if folder else None
        return code_folder.as_files(stage, entry, code).to_text(name) if entry and code else ""
    except (LedgerError, PublishError):  # the list or the entry is damaged, and reported as such
        return ""


def orphan_problems(project: Project) -> Iterator[Problem]:
    """Files below data/ that no stage or shard explains."""
    data = project.data
    try:
        shards = set(project.shards())
    except Exception:  # noqa: BLE001 - reported by `manifest_problems`
        return
    by_name = project.by_name
    for found in sorted(data.iterdir()) if data.is_dir() else []:
        stage = by_name.get(found.name)
        if found.name == "ledger":
            for file in sorted(found.iterdir()):
                # Earlier versions kept a table of the same records beside the ledger.
                if file.name not in (
                    "ledger.jsonl",
                    "ledger.parquet",
                    Path(LISTS).name,
                    Path(CODE_LISTS).name,
                ):
                    yield Problem(
                        "orphaned", f"data/ledger/{file.name}", "is not part of the ledger"
                    )
        elif stage is None:
            yield Problem("orphaned", f"data/{found.name}", "no stage writes it")
        elif stage.per_shard and found.is_dir():
            for each in sorted(found.iterdir()):
                if each.name not in shards:
                    path = f"data/{found.name}/{each.name}"
                    yield Problem("orphaned", path, "no such shard has landed")


def anchor_problems(project: Project) -> Iterator[Problem]:
    """A ledger or a branch that does not continue what was anchored.

    A rewritten ledger has a valid chain of its own, so it is compared with what git keeps.
    """
    try:
        if missing := left_behind(project):
            yield Problem("missing", LEDGER_PATH, missing)
        for detail in broken_continuity(project, whole_history=True):
            yield Problem("altered", LEDGER_PATH, detail)
    except LedgerError as error:  # git is missing, or its store is damaged
        yield Problem("altered", LEDGER_PATH, f"its history cannot be read: {error}")


def anchor_notice(project: Project) -> str | None:
    """A notice if nothing proves that the ledger was not rewritten, or None.

    No problem: a downloaded source tree has no repository, and a project that was never brought up
    to date has no anchor yet. A branch that existed and is gone is a problem (`anchor_problems`).
    """
    ledger = project.root / LEDGER_PATH
    if has_branch(project) or not (ledger.is_file() and ledger.stat().st_size):
        return None
    return (
        f"{LEDGER_PATH}: was never anchored in git (no branch {BRANCH}), so only a published head "
        "proves that it was not rewritten"
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
