"""`p4d takedown`: removes a video and everything that was made from it.

Videos enter by landing alone, so the takedown starts there: `p4d.video.landing.reject` makes the
shard's manifest reject the file. Exactly this shard becomes stale, and `make up` rebuilds it and
what reads it without the video. The same content is never landed again. `shards/takedowns.yaml` and
the ledger record who asked for it, when and why.

Superseded versions still hold the video until their objects are removed from the cache and from the
remotes: `purge` lists them, and removes them from the cache.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from p4d.artifacts import read_json, write_bytes
from p4d.audit.exported import exports_in_place
from p4d.audit.lookup.lookup import Lookup
from p4d.errors import LedgerError, PublishError
from p4d.project import Project
from p4d.versioning.dvc.cache import objects_of
from p4d.versioning.dvc.config import cache_dir, remote_urls
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.files.hashes import file_md5
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.storage.gc import sharing_projects
from p4d.video.inbox import InboxFile, scan
from p4d.video.landing import landed_file, landing_lock, reject

TOMBSTONES = "takedowns.yaml"
PURGED = "purged"
REASON = "taken down: "

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Affected:
    """What was ever made from a video.

    Attributes:
        video_id: the video.
        sha256: of its file.
        shard: the shard it landed in.
        taken_down: whether its manifest rejects it for a takedown.
        ids: clips, questions, decisions and exports, by kind; clips and questions are the video's
            own, exports hold it or what was made from it, and holders of a copy must be asked.
        versions: every recorded version that derives from it, oldest first.
        current: those of them that dvc.lock names now.
    """

    video_id: str
    sha256: str
    shard: str
    taken_down: bool
    ids: Mapping[str, tuple[str, ...]]
    versions: tuple[ArtifactVersion, ...]
    current: frozenset[ArtifactVersion]

    def render_text(self) -> str:
        """What is affected, by kind, current and superseded."""
        state = "taken down" if self.taken_down else "in use"
        lines = [f"{self.video_id}: {state}, shard {self.shard}, sha256 {self.sha256}"]
        return "\n".join([*lines, *render_derived(self.ids, self.versions, self.current)])


def render_derived(
    ids: Mapping[str, tuple[str, ...]],
    versions: Sequence[ArtifactVersion],
    current: Collection[ArtifactVersion],
) -> list[str]:
    """Lines that count ids by kind, and versions by stage, current and superseded."""
    lines = [f"{kind}: {len(each)} ({_few(each) or '-'})" for kind, each in ids.items()]
    for stage in dict.fromkeys(version.key.stage for version in versions):
        of = [version for version in versions if version.key.stage == stage]
        now = [version for version in of if version in current]
        text = f"{len(now)} current, {len(of) - len(now)} superseded"
        keys = dict.fromkeys(str(version) for version in of)
        lines.append(f"versions of {stage}: {text} ({_few(tuple(keys))})")
    return lines


def affected(project: Project, video_id: str) -> Affected:
    """Everything downstream of a video, in all recorded versions.

    Raises:
        LedgerError: no such video has landed.
    """
    shard, row = _landed(project, video_id)
    with Lookup(project) as lookup:
        landed = [v for v in lookup.index.versions("videos") if v.key.shard == shard]
        roots = {version for version in landed if _holds(lookup, version, row)}
        versions = lookup.index.downstream(roots)
        ids: dict[str, dict[str, None]] = {"clips": {}, "questions": {}, "decisions": {}}
        held = {version.data_version for version in versions}
        ids["exports"] = dict.fromkeys(
            f"{record['export_id']} at {record['path']}"
            for record in exports_in_place(project)
            if held & set(record["upstream"].values())
        )
        for version in versions:
            for stage, table, column in (
                ("clips", "clips.parquet", "clip_id"),
                ("questions", "questions.parquet", "qa_id"),
            ):
                if version.key.stage == stage:
                    for found in lookup.rows(version, table, "video_id", [video_id]):
                        ids[stage][found[column]] = None
            if version.key.stage == "champion":
                ids["decisions"] |= dict.fromkeys(decisions_of(lookup, version))
        current = frozenset(version for version in versions if lookup.is_current(version))
    return Affected(
        video_id=video_id,
        sha256=row["sha256"],
        shard=shard,
        taken_down=str(row["reason"] or "").startswith(REASON),
        ids={kind: tuple(found) for kind, found in ids.items()},
        versions=tuple(versions),
        current=current,
    )


def take_down(project: Project, video_id: str, *, reason: str, by: str) -> list[str]:
    """Remove a video for good; returns what was done, one line each.

    Taking down again finishes what was interrupted and changes nothing else.

    Raises:
        LedgerError: no such video has landed.
    """
    shard, row = _landed(project, video_id)
    manifest = project.shards_dir / f"{shard}.json"
    done = []
    if reject(project, video_id, REASON + reason):
        done.append(f"shards/{shard}.json rejects it: the shard is stale now")
    with landing_lock(project):
        if video_id not in {entry["video_id"] for entry in tombstones(project)}:
            entry = {
                "video_id": video_id,
                "sha256": row["sha256"],
                "shard": shard,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "by": by,
                "reason": reason,
                "manifest_md5": file_md5(manifest),
            }
            text = yaml.safe_dump({"takedowns": [*tombstones(project), entry]}, sort_keys=False)
            write_bytes(project.shards_dir / TOMBSTONES, text.encode())
            Ledger(project).append("decision", {"subject": "takedown", **entry})
            done.append(f"recorded in shards/{TOMBSTONES} and in the ledger")
        for path in _in_inbox(project, row):
            path.unlink()
            done.append(f"removed inbox/{path.relative_to(project.inbox)}")
    return done


def tombstones(project: Project) -> list[dict[str, Any]]:
    """All recorded takedowns, oldest first."""
    path = project.shards_dir / TOMBSTONES
    found: list[dict[str, Any]] = (
        yaml.safe_load(path.read_text(encoding="utf-8"))["takedowns"] if path.is_file() else []
    )
    return found


@dataclass(frozen=True, kw_only=True)
class Purge:
    """Objects that hold a video or what was made from it, and that nothing else needs.

    Attributes:
        listing: file with one object per line, relative to the cache and to each remote.
        objects: how many.
        commands: shell commands that remove them from the remotes.
    """

    listing: Path
    objects: int
    commands: tuple[str, ...]


def purge(project: Project, video_id: str) -> Purge:
    """Remove all superseded objects of a taken-down video from the cache; list them for remotes.

    The list is kept in shards/purged/, so that `p4d audit verify` knows why they are missing.

    Raises:
        PublishError: the video is not taken down, or a current version still derives from it.
    """
    found = affected(project, video_id)
    return purge_versions(
        project, video_id, found.versions, taken_down=found.taken_down, current=found.current
    )


def purge_versions(
    project: Project,
    subject: str,
    versions: Sequence[ArtifactVersion],
    *,
    taken_down: bool,
    current: Collection[ArtifactVersion],
) -> Purge:
    """Remove the objects of versions that derive from a subject; see `purge`.

    Raises:
        PublishError: the subject is not taken down, or a current version still derives from it.
    """
    listing = project.shards_dir / PURGED / f"{subject}.txt"
    if not taken_down:
        raise PublishError(
            f"{subject} is not taken down; run `p4d takedown {subject} --confirm` first"
        )
    if current:
        keys = sorted(str(version.key) for version in current)
        raise PublishError(
            f"{', '.join(keys[:5])} still derive from {subject}: rebuild first (`make up`)"
        )
    listed = set(listing.read_text(encoding="utf-8").split()) if listing.is_file() else set()
    gone = _objects_of(project, set(versions))
    needed: set[str] = set()
    history = Ledger(project).index()
    for key in history.made:
        rest = {v for v in history.versions(key.stage) if v.key == key} - set(versions)
        needed |= _objects_of(project, rest)
    shared = _needed_by_others(project)
    if named := sorted({str(root) for oid in gone - needed for root in shared.get(oid, ())}):
        kept = sum(oid in shared for oid in gone - needed)
        logger.warning(
            "%d objects of %s stay in the shared cache, as other projects need them: %s; take the "
            "video down there as well", kept, subject, ", ".join(named),
        )  # fmt: skip
    names = sorted(listed | {f"{md5[:2]}/{md5[2:]}" for md5 in gone - needed - shared.keys()})
    write_bytes(listing, "".join(f"{name}\n" for name in names).encode())
    for name in names:
        if name.replace("/", "") not in shared:
            (cache_dir(project.root) / name).unlink(missing_ok=True)
    relative = listing.relative_to(project.root).as_posix()
    commands = tuple(_command(url, relative) for url in remote_urls(project.root))
    return Purge(listing=listing, objects=len(names), commands=commands)


def _needed_by_others(project: Project) -> dict[str, list[Path]]:
    """Objects that other projects of a shared cache have a recorded version of, with their roots.

    Raises:
        LedgerError: a project of the register is gone, so nobody knows what it needs.
    """
    found: dict[str, list[Path]] = {}
    for root in sharing_projects(project):
        other = Project(root)
        made = Ledger(other).records("materialization")
        for oid in _objects_of(other, {ArtifactVersion.of_record(record) for record in made}):
            found.setdefault(oid, []).append(root)
    return found


def purged_objects(project: Project) -> frozenset[str]:
    """Hashes of all objects that were purged on purpose."""
    folder = project.shards_dir / PURGED
    return frozenset(
        line.replace("/", "")
        for path in (sorted(folder.glob("*.txt")) if folder.is_dir() else ())
        for line in path.read_text(encoding="utf-8").split()
    )


def _landed(project: Project, video_id: str) -> tuple[str, dict[str, Any]]:
    found = landed_file(project, video_id)
    if found is None:
        raise LedgerError(f"{video_id} is no landed video; `p4d why {video_id}` lists similar ids")
    return found


def _holds(lookup: Lookup, version: ArtifactVersion, row: Mapping[str, Any]) -> bool:
    """Whether a version of the videos holds the file itself, and not only its rejection."""
    rows = lookup.rows(version, "videos.parquet", "video_id", [row["file_id"]])
    return any(found["outcome"] == "ok" for found in rows)


def decisions_of(lookup: Lookup, version: ArtifactVersion) -> list[str]:
    """Keys of the decision that a version of the champion records."""
    path = lookup.file(version, "decision.json")
    return [str(read_json(path)["key"])] if path else []


def _in_inbox(project: Project, row: Mapping[str, Any]) -> list[Path]:
    """Every file of the inbox with the landed content, whatever it is called, and its sidecars."""
    found: list[Path] = []
    for entry in scan(
        project.inbox,
        settle_s=0.0,
        max_file_bytes=project.params.landing.max_file_bytes,
        cache=project.state / "inbox_hashes.json",
    ):
        if isinstance(entry, InboxFile) and entry.sha256 == row["sha256"]:
            ends = (".truth.safetensors", ".source.json")
            beside = [entry.path.with_name(entry.path.stem + end) for end in ends]
            found += [entry.path, *(file for file in beside if file.is_file())]
    return found


def _objects_of(project: Project, versions: set[ArtifactVersion]) -> set[str]:
    """Objects of the versions; a version whose list of files is gone or damaged has none."""
    found: set[str] = set()
    for md5 in {version.md5 for version in versions}:
        with contextlib.suppress(PublishError):
            found.update(oid for _, oid in objects_of(project.root, md5))
    return found


def _command(url: str, listing: str) -> str:
    objects = f"{url.rstrip('/')}/files/md5"
    if url.startswith("s3://"):
        return f"sed 's|^|{objects}/|' {listing} | xargs -n 1 aws s3 rm"
    if "://" in url:
        return f"remove from {url}, below files/md5, every object listed in {listing}"
    return f"sed 's|^|{objects}/|' {listing} | xargs rm -f"


def _few(items: tuple[str, ...]) -> str:
    return ", ".join(items[:4]) + (", ..." if len(items) > 4 else "")
