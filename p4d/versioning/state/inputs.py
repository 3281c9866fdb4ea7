"""Checks the inputs of an artifact before its stage runs.

Each input must be recorded, unmodified and past its gates. A fan-in leaves out shards that are not
made or are blocked (`shards/blocked.yaml`), and refuses shards that were made by different code,
parameters or shared inputs: a release never mixes them silently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from p4d.errors import GateError, PublishError
from p4d.ids import content_id
from p4d.pipeline import Stage
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, ArtifactVersion
from p4d.versioning.ledger.index import LedgerIndex
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.blocked import read_blocked
from p4d.versioning.state.blocked import reason as blocked_reason
from p4d.versioning.state.check_records import Gates, blocked_by, unchecked
from p4d.versioning.state.pins import pinned_versions
from p4d.versioning.state.workspace import Workspace


@dataclass(frozen=True)
class ResolvedInputs:
    """What an artifact is made from.

    Attributes:
        folders: per upstream stage, its folder, or its folders by shard for a fan-in.
        versions: recorded and present version of each, keyed `stage` or `stage@shard`.
        excluded: shards that a fan-in leaves out, with the reason.
        pinned: versions that the stage reads as another stage froze them; `folders` does not have
            them, as they are opened as a private view while the stage runs.
    """

    folders: Mapping[str, Path | Mapping[str, Path]]
    versions: Mapping[str, str]
    excluded: Mapping[str, str]
    pinned: Sequence[ArtifactVersion] = ()


def resolve_inputs(
    workspace: Workspace, ledger: Ledger, key: ArtifactKey, gates: Gates
) -> ResolvedInputs:
    """What an artifact is made from, once it is sure that all of it may be read.

    Raises:
        PublishError: an input was never made, is missing or edited, or shards are of mixed origin.
        GateError: an input's version failed a blocking check or was never checked, or a fan-in has
            no shard left.
    """
    stage, root = workspace.stage(key.stage), workspace.project.root
    folders: dict[str, Path | Mapping[str, Path]] = {}
    versions: dict[str, str] = {}
    upstreams = [workspace.stage(name) for name in stage.inputs]
    fan_in = [each for each in upstreams if each.per_shard and not stage.per_shard]
    excluded = _excluded(workspace, ledger.index(), fan_in, gates) if fan_in else {}
    for upstream in upstreams:
        if upstream in fan_in:
            by_shard = {}
            for shard in workspace.shards:
                if shard not in excluded:
                    read = _version(workspace, ArtifactKey(upstream.name, shard))
                    versions[str(read.key)] = read.data_version
                    by_shard[shard] = root / dvc_yaml.out_path(read.key)
            folders[upstream.name] = by_shard
        else:
            of = ArtifactKey(upstream.name, key.shard if upstream.per_shard else None)
            read = _version(workspace, of)
            why_not = blocked_by(ledger.index(), gates, read)
            if why_not:
                raise GateError(f"{key} may not run: {why_not}")
            versions[str(read.key)] = read.data_version
            folders[upstream.name] = root / dvc_yaml.out_path(read.key)
    if fan_in:
        included = [shard for shard in workspace.shards if shard not in excluded]
        if not included:
            reasons = "; ".join(f"{s}: {why}" for s, why in excluded.items()) or "none has landed"
            raise GateError(f"{stage.name} has no shard to read ({reasons})")
        _refuse_mixed(workspace, ledger, stage, fan_in, included)
    pinned = pinned_versions(workspace, stage)
    versions.update({str(each.key): each.data_version for each in pinned})
    return ResolvedInputs(folders, versions, excluded, pinned)


def _version(workspace: Workspace, key: ArtifactKey) -> ArtifactVersion:
    """The recorded version of an input, once it is sure that its folder is unaltered."""
    path = dvc_yaml.out_path(key)
    recorded, present = workspace.recorded_md5(key), workspace.digest(path)
    if recorded is None:
        raise PublishError(f"input {key} was never made; make it first")
    if present is None:
        raise PublishError(
            f"input {path} is missing; `dvc checkout {dvc_yaml.address(key)}` restores the "
            "recorded version"
        )
    if present.md5 != recorded:
        raise PublishError(
            f"input {path} was edited: it is not the recorded version {recorded[:8]}; "
            f"`dvc checkout -f {dvc_yaml.address(key)}` restores that, or make {key} again"
        )
    return ArtifactVersion(key, recorded)


def _excluded(
    workspace: Workspace, index: LedgerIndex, fan_in: Sequence[Stage], gates: Gates
) -> dict[str, str]:
    """Shards that a fan-in leaves out, in landing order, with the reason.

    A shard without results of some check is not left out: once it is checked, nothing that the
    fan-in reads would change, so the fan-in would stay as it is.
    """
    blocked = read_blocked(workspace.project)
    excluded: dict[str, str] = {}
    for shard in workspace.shards:
        if shard in blocked:
            excluded[shard] = blocked_reason(blocked[shard])
            continue
        for stage in fan_in:
            key = ArtifactKey(stage.name, shard)
            md5, path = workspace.recorded_md5(key), dvc_yaml.out_path(key)
            if md5 is not None:
                if never := unchecked(index, gates, ArtifactVersion(key, md5)):
                    raise GateError(
                        f"version {md5[:8]} of {key} was never checked by {', '.join(never)}; "
                        f"`make up` checks it"
                    )
            elif workspace.digest(path) is None:
                excluded[shard] = f"{key} was never made"
                break
            else:
                raise PublishError(f"{path} is not recorded; make {key}, or remove the folder")
    return excluded


def _refuse_mixed(
    workspace: Workspace,
    ledger: Ledger,
    reader: Stage,
    fan_in: Sequence[Stage],
    shards: Sequence[str],
) -> None:
    """Refuse shards that were made by different code, parameters or shared inputs.

    Compares every per-shard stage above the reader, at the exact version that each shard's chain
    was made from. Where the reader reads a shared input itself, the shards must be made from the
    version that it reads.
    """
    shared_versions = {
        name: workspace.recorded_md5(ArtifactKey(name))
        for name in reader.inputs
        if not workspace.stage(name).per_shard
    }
    makers: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for shard in shards:
        versions = {
            stage.name: workspace.recorded_md5(ArtifactKey(stage.name, shard)) for stage in fan_in
        }
        for stage in reversed(workspace.stages):
            md5 = versions.get(stage.name)
            if md5 is None:
                continue
            version = ArtifactVersion(ArtifactKey(stage.name, shard), md5)
            maker, read = _maker(workspace, ledger, version)
            makers[stage.name][maker].append(shard)
            for name, upstream_md5 in read.items():
                if workspace.stage(name).per_shard:
                    versions.setdefault(name, upstream_md5)
                elif shared_versions.get(name, upstream_md5) != upstream_md5:
                    raise PublishError(
                        f"{reader.name} reads {name} {shared_versions[name]}, but {version.key} "
                        f"was made from {name} {upstream_md5}; make {stage.name} again"
                    )
    mixed = {name: groups for name, groups in makers.items() if len(groups) > 1}
    if mixed:
        lines = [
            f"{name}: " + " | ".join(f"[{maker}] {', '.join(s)}" for maker, s in groups.items())
            for name, groups in mixed.items()
        ]
        raise PublishError(
            f"{reader.name} refuses shards of mixed origin. {'; '.join(lines)}. "
            "Make the stale ones again (`p4d status` names them)"
        )


def _maker(
    workspace: Workspace, ledger: Ledger, version: ArtifactVersion
) -> tuple[str, dict[str, str]]:
    """What made a version, apart from its shard's own inputs; and the hashes of inputs by stage."""
    key, md5 = version.key, version.md5
    stage, shard = workspace.stage(key.stage), key.shard or ""
    record = ledger.index().record(ArtifactVersion(key, md5))
    if record is not None:
        code, deps = record["code_version"], record["fingerprint"]["deps"]
    else:
        entry = workspace.recorded(key)
        if entry is None or workspace.recorded_md5(key) != md5:
            return f"unrecorded {md5[:8]}", {}
        own = {path: digest.md5 for path, digest in entry.deps.items() if shard not in path}
        code = f"lock {_short(entry.params)} {_short(own)}"
        deps = {path: digest.md5 for path, digest in entry.deps.items()}
    read, shared = {}, []
    for name in stage.inputs:
        path = dvc_yaml.input_path(stage, workspace.stage(name), shard)
        if path not in deps:
            continue
        read[name] = deps[path]
        if not workspace.stage(name).per_shard:
            shared.append(f"{name} {deps[path][:8]}")
    return ", ".join([f"code {code}", *shared]), read


def _short(value: object) -> str:
    return content_id("v", value)[2:10]
