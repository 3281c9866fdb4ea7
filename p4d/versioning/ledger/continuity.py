"""Proves that the ledger continues everything that was anchored of it.

A forger can rewrite or cut the ledger and make its chain valid again. Three witnesses remember what
it was, each against an attack on the one before:

1. the branch `p4d-ledger`: the ledger begins with the anchored one;
2. the first-parent history of the branch: each anchored ledger begins with the one before it;
3. `.p4d/anchored.json`, which the anchor writes: the commit that was anchored last, and length and
   SHA-256 of its ledger. It notices a branch that was deleted or replaced as a whole.

Who controls the machine controls all three. Against that, only a head that was published elsewhere
helps (`holds_head`, `p4d audit verify --head`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from p4d.atomic import write_durably
from p4d.errors import HistoryError
from p4d.project import Project
from p4d.versioning.files.git import git, has_repository, try_git
from p4d.versioning.ledger.ledger import BRANCH, LEDGER_PATH

REFERENCE = f"refs/heads/{BRANCH}"
MARKER = "anchored.json"


@dataclass(frozen=True)
class Marker:
    """What was anchored last.

    Attributes:
        commit: of the branch `p4d-ledger`.
        nbytes: length of the anchored ledger.
        sha256: of these bytes.
    """

    commit: str
    nbytes: int
    sha256: str


def write_marker(project: Project, commit: str, ledger: bytes) -> None:
    """Record what was anchored; writes nothing if it is recorded already."""
    marker = Marker(commit, len(ledger), hashlib.sha256(ledger).hexdigest())
    text = json.dumps(asdict(marker), sort_keys=True) + "\n"
    path = project.state / MARKER
    if not path.is_file() or path.read_bytes() != text.encode():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode())


def read_marker(project: Project) -> Marker | None:
    """What was anchored last, or None if nothing was (or an earlier version anchored it).

    Raises:
        HistoryError: the file is damaged.
    """
    path = project.state / MARKER
    try:
        return Marker(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise HistoryError(
            f"{path} is damaged ({error}): it records what was anchored last; compare "
            f"`p4d audit head` with a head that was published, then delete it"
        ) from error


def require_continued(project: Project) -> None:
    """Refuse a ledger, or a branch `p4d-ledger`, that does not continue what was anchored.

    Raises:
        HistoryError: it was rewritten, cut short or deleted; names the way out.
    """
    for problem in broken_continuity(project):
        raise HistoryError(problem)


def require_marked(project: Project) -> None:
    """Compare the ledger with the last anchor as `.p4d/anchored.json` has it; starts no git.

    Raises:
        HistoryError: the ledger was rewritten, cut short or deleted.
    """
    path, marker = project.root / LEDGER_PATH, read_marker(project)
    if marker is None:
        return
    if not _file_continues(path, marker):
        raise HistoryError(_differs_from_marker(marker))


@dataclass(frozen=True)
class _Proof:
    """A state of the ledger file that was found to continue a marker.

    Attributes:
        marker: which one.
        inode: of the file.
        nbytes: its length.
        tail: its last bytes.
    """

    marker: Marker
    inode: int
    nbytes: int
    tail: bytes


_TAIL = 4096
_proofs: dict[Path, _Proof] = {}
"""The last proof of each ledger file in this process."""


def _file_continues(path: Path, marker: Marker) -> bool:
    """As `_continues`, without reading what this process has read: it publishes thousands of times.

    A file that only grew since, and still has the bytes that were its end then, is not read as a
    whole again. An edit of its middle in place meanwhile is found by the next process and by the
    next anchor, which read all of it.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return _continues(b"", marker)
    with stream:
        stat, proof = os.fstat(stream.fileno()), _proofs.get(path)
        if proof is not None and (proof.marker, proof.inode) == (marker, stat.st_ino):
            stream.seek(proof.nbytes - len(proof.tail))
            grew = stat.st_size >= proof.nbytes and stream.read(len(proof.tail)) == proof.tail
        else:
            grew = False
        if not grew:
            stream.seek(0)
            if not _continues(stream.read(), marker):
                _proofs.pop(path, None)
                return False
        stream.seek(max(0, stat.st_size - _TAIL))
        tail = stream.read(stat.st_size - stream.tell())
    _proofs[path] = _Proof(marker, stat.st_ino, stat.st_size, tail)
    return True


def _continues(payload: bytes, marker: Marker) -> bool:
    begin = memoryview(payload)[: marker.nbytes]
    return len(begin) == marker.nbytes and hashlib.sha256(begin).hexdigest() == marker.sha256


def broken_continuity(project: Project, *, whole_history: bool = False) -> Iterator[str]:
    """How the ledger or its branch fails to continue what was anchored; nothing if it does.

    Args:
        project: where.
        whole_history: read the first-parent history of the branch, not only its tip. Compares
            lengths and git's hashes: each anchored ledger is hashed as a prefix of the ledger, in
            memory, and is read from git only if that fails.
    """
    root, path = project.root, project.root / LEDGER_PATH
    payload = path.read_bytes() if path.is_file() else b""
    marker, is_as_marked = None, True
    try:
        marker = read_marker(project)
    except HistoryError as error:
        yield str(error)
    if marker is not None and not _continues(payload, marker):
        yield _differs_from_marker(marker)
        is_as_marked = False
    if shutil.which("git") is None:
        return
    tip = _tip(root) if has_repository(root) else None
    if tip is None:
        if marker is not None:
            yield (
                f"branch {BRANCH} was deleted: the ledger was anchored in commit {marker.commit}. "
                f"`git branch {BRANCH} {marker.commit}` restores it; if the repository was given "
                f"up on purpose, delete {(project.state / MARKER).relative_to(root)}"
            )
        return
    if marker is not None and not _is_ancestor(root, marker.commit, tip):
        yield (
            f"branch {BRANCH} was rewritten: it does not contain commit {marker.commit}, which was "
            f"anchored last; `git update-ref {REFERENCE} {marker.commit}` restores it"
        )
    commits = [tip]
    if whole_history:
        listed = git(root, "--no-replace-objects", "rev-list", "--first-parent", tip)
        commits = listed.decode().split()
    anchored = _blobs(root, commits)
    if anchored and not _is_prefix(root, anchored[0], payload):
        if is_as_marked:
            yield _rewritten(f"branch {BRANCH} has")
        payload = _complete_lines(_read(root, anchored[0].oid))
    # All prefixes of one text in order of length: each is a prefix of the next.
    longer: _Blob | None = None
    for blob in anchored:
        if longer is not None and not (
            _is_prefix(root, blob, payload) and _is_no_longer(root, blob, longer)
        ):
            yield (
                f"commit {longer.commit[:12]} of branch {BRANCH} has a ledger that does not "
                f"continue the one of commit {blob.commit[:12]} before it; compare them with "
                f"`git diff {blob.commit[:12]} {longer.commit[:12]} -- {LEDGER_PATH}`"
            )
            payload = _complete_lines(_read(root, blob.oid))
        longer = blob


def is_anchored(project: Project) -> bool:
    """Whether git has every line of the ledger; also true without a git repository."""
    if not has_repository(project.root):
        return True
    path = project.root / LEDGER_PATH
    present = path.read_bytes() if path.is_file() else b""
    marker = read_marker(project)
    return (anchored_ledger(project.root) or b"") == present and (
        not present or (marker is not None and marker.nbytes == len(present))
    )


def anchored_ledger(root: Path) -> bytes | None:
    """The ledger on the branch `p4d-ledger`, or None if nothing is anchored."""
    return try_git(root, "show", f"{REFERENCE}:{LEDGER_PATH}") if has_repository(root) else None


def has_branch(project: Project) -> bool:
    """Whether the branch `p4d-ledger` exists."""
    return has_repository(project.root) and _tip(project.root) is not None


def holds_head(project: Project, head: str) -> int | None:
    """Number of the ledger line that has a published hash, or None if no line has it.

    As each line holds the hash of the one before it, that line proves all lines before it. The
    lines after it were appended later.
    """
    path = project.root / LEDGER_PATH
    lines = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if hashlib.sha256(line).hexdigest() == head:
            return number
    return None


@dataclass(frozen=True)
class _Blob:
    commit: str
    oid: str
    nbytes: int


def _blobs(root: Path, commits: list[str]) -> list[_Blob]:
    """The ledger of each commit, newest first, without repetitions."""
    asked = "".join(f"{commit}:{LEDGER_PATH}\n" for commit in commits).encode()
    listing = git(root, "--no-replace-objects", "cat-file", "--batch-check", stdin=asked)
    found: list[_Blob] = []
    for commit, line in zip(commits, listing.decode().splitlines(), strict=True):
        match line.split():
            case [oid, "blob", size]:
                if not found or found[-1].oid != oid:
                    found.append(_Blob(commit, oid, int(size)))
            case _:  # an anchor of a project without a ledger
                found.append(_Blob(commit, "", 0))
    return found


def _is_prefix(root: Path, blob: _Blob, payload: bytes) -> bool:
    if blob.nbytes <= len(payload):
        algorithm = "sha256" if len(blob.oid) == 64 else "sha1"
        hashed = hashlib.new(algorithm, b"blob %d\0" % blob.nbytes, usedforsecurity=False)
        hashed.update(memoryview(payload)[: blob.nbytes])
        if not blob.oid or hashed.hexdigest() == blob.oid:
            return True
    # An earlier version may have anchored a last line that a power cut had left unfinished.
    return payload.startswith(_complete_lines(_read(root, blob.oid)))


def _is_no_longer(root: Path, blob: _Blob, longer: _Blob) -> bool:
    """Whether the ledger did not shrink from `blob` to `longer`, but for an unfinished line."""
    if blob.nbytes <= longer.nbytes:
        return True
    return len(_complete_lines(_read(root, blob.oid))) <= longer.nbytes


def _complete_lines(payload: bytes) -> bytes:
    return payload[: payload.rfind(b"\n") + 1]


def _read(root: Path, oid: str) -> bytes:
    return git(root, "--no-replace-objects", "cat-file", "blob", oid) if oid else b""


def _tip(root: Path) -> str | None:
    found = try_git(root, "rev-parse", "--verify", "--quiet", f"{REFERENCE}^{{commit}}")
    return found.decode().strip() if found else None


def _is_ancestor(root: Path, commit: str, tip: str) -> bool:
    if commit == tip:
        return True
    arguments = ("--no-replace-objects", "merge-base", "--is-ancestor", commit, tip)
    return try_git(root, *arguments) is not None


def _differs_from_marker(marker: Marker) -> str:
    return _rewritten(f"commit {marker.commit[:12]} of branch {BRANCH} has")


def _rewritten(witness: str) -> str:
    return (
        f"{LEDGER_PATH} does not continue what {witness} of it: it was rewritten or cut short. "
        f"`git show {BRANCH}:{LEDGER_PATH} > {LEDGER_PATH}` restores the anchored ledger; "
        "`make up` then makes again what was published after it"
    )
