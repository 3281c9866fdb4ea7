"""`p4d audit replay`: makes a version again from the same inputs and compares the bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from p4d.audit.proof.content_diff import differences
from p4d.errors import PublishError
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.run.remake import remake
from p4d.versioning.run.staging import staging
from p4d.versioning.state.check_records import Gates
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True)
class Replay:
    """Result of making a version again.

    Attributes:
        key: which artifact.
        recorded: hash of the published version.
        repeated: hash of what came out now.
        differing: files that differ, are new or are gone.
        details: how each of them differs, as content.
    """

    key: ArtifactKey
    recorded: str
    repeated: str
    differing: tuple[str, ...]
    details: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every byte is the same."""
        return self.recorded == self.repeated

    def render_text(self) -> str:
        """One line, and for each differing file how it differs."""
        if self.ok:
            return f"OK: {self.key} made again, byte for byte {self.recorded}"
        lines = [f"{self.key}: recorded {self.recorded}, made again {self.repeated}"]
        for name in self.differing:
            lines.append(f"differs: {name}")
            lines += [f"    {detail}" for detail in self.details.get(name, ())]
        return "\n".join(lines)


def replay(
    project: Project,
    key: ArtifactKey,
    *,
    gates: Gates | None = None,
) -> Replay:
    """Make the current version of an artifact again and compare; publishes nothing.

    An append-only stage continues from the version that it continued from then.

    Raises:
        PublishError: the version is not fresh (code, parameters or inputs changed since), or
            other shards would be left out today.
        GateError: an input's version failed a blocking check, or was never checked.
        LedgerError: the version is not in the ledger.
    """
    with Workspace(project) as workspace, staging(project) as folder:
        workspace.check_key(key)
        now = workspace.status(key)
        if now.state != "fresh" or now.md5 is None:
            raise PublishError(f"{key} is not what it was made of: {now.summary}")
        run = remake(workspace, key, folder, gates)
        made, old = tree_of(folder / "new"), workspace.tree(run.out)
        names = sorted({*made.files, *old.files})
        differing = tuple(n for n in names if made.files.get(n) != old.files.get(n))
        recorded = project.root / run.out
        details = {name: differences(recorded / name, folder / "new" / name) for name in differing}
    return Replay(key, now.md5, made.digest.md5, differing, details)
