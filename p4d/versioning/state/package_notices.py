"""What `p4d status` reports of the package itself: its version, edits of it, and dvc.yaml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from p4d.distribution import distribution
from p4d.version import __version__
from p4d.versioning.dvc import code_folder, pipeline_file
from p4d.versioning.files.artifact_key import ArtifactVersion
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import ArtifactStatus, Workspace

_BEFORE = "0.1"
"""The version of records that name none."""
_SHOWN = 3


def package_notices(workspace: Workspace, statuses: Iterable[ArtifactStatus]) -> Iterator[str]:
    """One line per notice; none if the package is the one that made everything.

    Args:
        workspace: of the project, the one that the statuses are from: it knows the code already.
        statuses: of the artifacts that are not fresh.
    """
    project = workspace.project
    index, made_by = Ledger(project).index(), Counter[str]()
    for status in statuses:
        record = index.record(ArtifactVersion(status.key, status.md5)) if status.md5 else None
        if record is not None:
            made_by[record.get("package", {}).get("version", _BEFORE)] += 1
    made_by.pop(__version__, None)
    if made_by:
        counts = ", ".join(f"{made_by[version]} by {version}" for version in sorted(made_by))
        yield f"this is p4d {__version__}; of the artifacts below, other versions made: {counts}"
    if any(outdated_files(workspace)):
        yield (
            "dvc.yaml was written for other code, so `dvc status` does not know all of it; "
            "the next run writes it, or: p4d dvc-yaml"
        )
    installed = distribution()
    if installed is not None:
        files = {file for stage in workspace.stages for file in workspace.code(stage)}
        edited = installed.edited(sorted(files))
        if edited:
            few = ", ".join(edited[:_SHOWN]) + (", ..." if len(edited) > _SHOWN else "")
            yield (
                f"p4d {installed.version} was edited after it was installed "
                f"({few}); every version that this code makes is recorded as such"
            )


def outdated_files(workspace: Workspace) -> Iterator[str]:
    """Pipeline files and folders of links that are not as code, stages and shards want them."""
    stages, root = workspace.stages, workspace.project.root
    for stage in stages:
        if not code_folder.is_current(root, stage.name, workspace.code(stage)):
            yield code_folder.path_of(stage.name)
    for path, text in pipeline_file.render(stages, workspace.shards).items():
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text:
            yield path
