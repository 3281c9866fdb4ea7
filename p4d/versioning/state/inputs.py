"""What an instance may read: recorded versions, unaltered, judged good, and of one origin.

A fan-in leaves out shards that are not made or failed a gate, and refuses shards that were made by
different code, parameters or shared inputs: a release never mixes them silently.
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
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.check_records import Gates, refusal
from p4d.versioning.state.workspace import Workspace, instance_key


@dataclass(frozen=True)
class Inputs:
    """What an instance reads.

    Attributes:
        folders: per upstream stage, its folder, or its folders by shard for a fan-in.
        versions: recorded and present version of each, keyed `stage` or `stage@shard`.
        excluded: shards that a fan-in leaves out, with the reason.
    """

    folders: Mapping[str, Path | Mapping[str, Path]]
    versions: Mapping[str, str]
    excluded: Mapping[str, str]


def inputs_of(
    look: Workspace, ledger: Ledger, stage: Stage, shard: str | None, gates: Gates
) -> Inputs:
    """What an instance reads, once it is sure that all of it may be read.

    Raises:
        PublishError: an input was never made, is missing or edited, or shards are of mixed origin.
        GateError: an input's version failed a blocking check or was never judged, or a fan-in has
            no shard left.
    """
    folders: dict[str, Path | Mapping[str, Path]] = {}
    versions: dict[str, str] = {}
    fan_in = [u for u in map(look.stage, stage.inputs) if u.per_shard and not stage.per_shard]
    excluded = _excluded(look, ledger, fan_in, gates)
    for upstream in map(look.stage, stage.inputs):
        root = look.project.root
        if upstream in fan_in:
            by_shard = {}
            for each in look.shards:
                if each not in excluded:
                    versions[instance_key(upstream.name, each)] = _version(look, upstream, each)
                    by_shard[each] = root / dvc_yaml.out_path(upstream, each)
            folders[upstream.name] = by_shard
        else:
            of = shard if upstream.per_shard else None
            version = _version(look, upstream, of)
            why_not = refusal(ledger, gates, upstream.name, of, version)
            if why_not:
                raise GateError(f"{instance_key(stage.name, shard)} may not run: {why_not}")
            versions[instance_key(upstream.name, of)] = version
            folders[upstream.name] = root / dvc_yaml.out_path(upstream, of)
    if fan_in:
        included = [each for each in look.shards if each not in excluded]
        if not included:
            reasons = "; ".join(f"{s}: {why}" for s, why in excluded.items()) or "none has landed"
            raise GateError(f"{stage.name} has no shard to read ({reasons})")
        _refuse_mixed(look, ledger, stage, fan_in, included)
    return Inputs(folders, versions, excluded)


def _version(look: Workspace, stage: Stage, shard: str | None) -> str:
    """The recorded version of an input, once it is sure that it lies there unaltered."""
    key, path = instance_key(stage.name, shard), dvc_yaml.out_path(stage, shard)
    recorded, present = look.recorded_md5(stage.name, shard), look.digest(path)
    if recorded is None:
        raise PublishError(f"input {key} was never made; make it first")
    if present is None:
        raise PublishError(
            f"input {path} is missing; `dvc checkout {key}` brings the recorded version back"
        )
    if present.md5 != recorded:
        raise PublishError(
            f"input {path} was edited: it is not the recorded version {recorded[:8]}; "
            f"`dvc checkout -f {key}` brings that back, or make {key} again"
        )
    return f"md5:{recorded}"


def _excluded(
    look: Workspace, ledger: Ledger, fan_in: Sequence[Stage], gates: Gates
) -> dict[str, str]:
    """Shards that a fan-in leaves out, in landing order, with the reason."""
    excluded: dict[str, str] = {}
    for shard in look.shards:
        for stage in fan_in:
            md5 = look.recorded_md5(stage.name, shard)
            if md5 is not None:
                reason = refusal(ledger, gates, stage.name, shard, md5)
            elif look.digest(dvc_yaml.out_path(stage, shard)) is None:
                reason = f"{instance_key(stage.name, shard)} was never made"
            else:
                raise PublishError(
                    f"{dvc_yaml.out_path(stage, shard)} is on no record; make "
                    f"{instance_key(stage.name, shard)}, or remove the folder"
                )
            if reason:
                excluded[shard] = reason
                break
    return excluded


def _refuse_mixed(
    look: Workspace,
    ledger: Ledger,
    reader: Stage,
    fan_in: Sequence[Stage],
    shards: Sequence[str],
) -> None:
    """Refuse shards that were made by different code, parameters or shared inputs.

    Looks at every per-shard stage above the reader, at the very version that each shard's chain
    was made from.
    """
    makers: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for shard in shards:
        versions = {stage.name: look.recorded_md5(stage.name, shard) for stage in fan_in}
        for stage in reversed(look.stages):
            md5 = versions.get(stage.name)
            if md5 is None:
                continue
            maker, read = _maker(look, ledger, stage, shard, md5)
            makers[stage.name][maker].append(shard)
            for name, version in read.items():
                if look.stage(name).per_shard:
                    versions.setdefault(name, version)
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
    look: Workspace, ledger: Ledger, stage: Stage, shard: str, md5: str
) -> tuple[str, dict[str, str]]:
    """What made a version, apart from its shard's own inputs; and those inputs by stage."""
    record = ledger.latest_materialization(stage.name, shard, md5)
    if record is not None:
        code, deps = record["code_version"], record["fingerprint"]["deps"]
    else:
        entry = look.recorded(stage.name, shard)
        if entry is None or look.recorded_md5(stage.name, shard) != md5:
            return f"unrecorded {md5[:8]}", {}
        own = {path: digest.md5 for path, digest in entry.deps.items() if shard not in path}
        code = f"lock {_short(entry.params)} {_short(own)}"
        deps = {path: digest.md5 for path, digest in entry.deps.items()}
    read, shared = {}, []
    for name in stage.inputs:
        path = dvc_yaml.input_path(stage, look.stage(name), shard)
        if path not in deps:
            continue
        if look.stage(name).per_shard:
            read[name] = deps[path]
        else:
            shared.append(f"{name} {deps[path][:8]}")
    return ", ".join([f"code {code}", *shared]), read


def _short(value: object) -> str:
    return content_id("v", value)[2:10]
