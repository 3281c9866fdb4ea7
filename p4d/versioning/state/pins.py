"""Which versions a stage reads that is pinned to what another stage froze.

A release names its shards and their versions in a file of its output (`Stage.pins`). A student and
an evaluation read exactly these (`Stage.pinned`), so that shards which land, are labelled again or
are blocked later change nothing for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from p4d.errors import ContractError, PublishError
from p4d.pipeline import Stage
from p4d.versioning.dvc.pipeline_file import out_path
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion, bare_md5
from p4d.versioning.state.workspace import Workspace


def pinned_versions(workspace: Workspace, stage: Stage) -> list[ArtifactVersion]:
    """The versions that a stage reads through its pinning input, shards in that input's order.

    Args:
        workspace: the snapshot; the pinning input must be in place.
        stage: whose `pinned` stages are resolved.

    Raises:
        ContractError: the stage has no input that pins.
        PublishError: the pinning input names no version of a pinned stage.
    """
    if not stage.pinned:
        return []
    pinning = [each for each in map(workspace.stage, stage.inputs) if each.pins]
    if len(pinning) != 1:
        raise ContractError(f"stage {stage.name} needs exactly one input that pins versions")
    path = f"{out_path(ArtifactKey(pinning[0].name))}/{pinning[0].pins}"
    named = _Named(path, json.loads((workspace.project.root / path).read_text(encoding="utf-8")))
    found: list[ArtifactVersion] = []
    for name in stage.pinned:
        if workspace.stage(name).per_shard:
            found += named.of_shards(name)
        else:
            found.append(named.of_stage(name))
    return found


class _Named:
    """The versions that a pinning file names."""

    def __init__(self, path: str, content: Mapping[str, Any]) -> None:
        self._path, self._content = path, content

    def of_shards(self, stage: str) -> list[ArtifactVersion]:
        return [
            self._version(ArtifactKey(stage, entry["shard"]), entry["versions"])
            for entry in self._content.get("shards", [])
        ]

    def of_stage(self, stage: str) -> ArtifactVersion:
        return self._version(ArtifactKey(stage), self._content.get("stages", {}))

    def _version(self, key: ArtifactKey, versions: Mapping[str, str]) -> ArtifactVersion:
        if key.stage not in versions:
            raise PublishError(f"{self._path} names no version of {key}; make it again")
        return ArtifactVersion(key, bare_md5(versions[key.stage]))
