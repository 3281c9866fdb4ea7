"""Run stages in a plain folder: no DVC, no ledger, no Dagster.

For studies and frozen test sets, which are made from many simulated shards at once and are
versioned as a whole by the program that makes them. The functions are those of the stage table, and
folders are laid out like `data/`. Nothing here publishes: artifacts of a project come from
`p4d/versioning/run/run_stage.py` alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from p4d.artifacts import read_json, write_json
from p4d.config import Params
from p4d.ids import content_id
from p4d.pipeline import Stage, StageInputs, StageReport, stage_named
from p4d.versioning.files.artifact_key import ArtifactKey, data_version
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.hashes import HashCache, tree_of

MADE_BY = "made_by.json"
CODE = Path(__file__).resolve().parents[1]


def run_stages(
    folder: Path,
    params: Params,
    stages: Sequence[str],
    shards: Sequence[str],
    *,
    progress: Callable[[str, int, int, str], None] = lambda where, done, total, note: None,
) -> dict[str, StageReport]:
    """Run `stages` in order over `shards`; existing folders are kept.

    Args:
        folder: holds `<stage>/<shard>` and `<stage>` folders; inputs of the first stage must exist:
            for the stage that takes landed videos `inbox/` and `shards/<shard>.json`.
        params: every section the stages read.
        stages: names from the stage table, upstream first.
        shards: ids of the shards, for per-shard stages.
        progress: called as `(artifact, done, total, note)`.

    Returns:
        The report of every stage that ran now, keyed `stage` or `stage@shard`.
    """
    reports = {}
    for name in stages:
        stage = stage_named(name)
        for shard in shards if stage.per_shard else (None,):
            key = ArtifactKey(name, shard)
            if not _folder(folder, key).is_dir():
                reports[str(key)] = _run(folder, params, key, shards, progress)
    return reports


def drop_stale(
    folder: Path, params: Params, stages: Sequence[str], *, code_root: Path = CODE
) -> list[str]:
    """Remove results of other code or other parameters, and those of every stage after them.

    `made_by.json` records what made the stages in `folder`; a stage that it does not name is
    removed. Call this before `run_stages`, with the same stages.

    Args:
        folder: as `run_stages` takes it.
        params: every section the stages read.
        stages: names from the stage table, upstream first.
        code_root: the folder that holds the package `p4d`.

    Returns:
        Names of the stages whose results were removed.
    """
    record = folder / MADE_BY
    before = read_json(record) if record.is_file() else {}
    now: dict[str, str] = {}
    made_by = ""
    with HashCache(code_root, None) as cache:
        for stage in map(stage_named, stages):
            files = code_files(stage, code_root, cache)
            digests = {path: cache.digest(code_root / path) for path in files}
            code = {path: digest and digest.md5 for path, digest in digests.items()}
            sections = {name: asdict(getattr(params, name)) for name in stage.params}
            made_by = now[stage.name] = content_id("made", made_by, sections, code)
    stale = [name for name in stages if before.get(name) != now[name] and (folder / name).is_dir()]
    for name in stale:
        shutil.rmtree(folder / name)
    write_json(record, now)
    return stale


def _run(
    folder: Path,
    params: Params,
    key: ArtifactKey,
    shards: Sequence[str],
    progress: Callable[[str, int, int, str], None],
) -> StageReport:
    stage, shard, out = stage_named(key.stage), key.shard, _folder(folder, key)
    inputs = StageInputs(
        stage=stage,
        all_params=params,
        folders={name: _input(folder, name, shard, shards) for name in stage.reads},
        shard=shard,
        manifest=read_json(folder / "shards" / f"{shard}.json") if stage.manifest else None,
        inbox=folder / "inbox" if stage.manifest else None,
        # What a stage of one shard makes names no version, and its inputs need not be hashed.
        versions={} if stage.per_shard else _versions(folder, stage, shards),
        progress=lambda done, total, note: progress(str(key), done, total, note),
    )
    # An existing folder is complete: the stage writes beside it and renames at the end.
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    report = stage.load()(inputs, partial)
    partial.replace(out)
    return report


def _input(
    folder: Path, name: str, shard: str | None, shards: Sequence[str]
) -> Path | dict[str, Path]:
    if not stage_named(name).per_shard:
        return folder / name
    if shard is not None:
        return folder / name / shard
    return {each: folder / name / each for each in shards}


def _versions(folder: Path, stage: Stage, shards: Sequence[str]) -> dict[str, str]:
    keys = [
        ArtifactKey(name, shard)
        for name in stage.reads
        for shard in (shards if stage_named(name).per_shard else (None,))
    ]
    return {
        str(key): data_version(tree_of(_folder(folder, key)).digest.md5)
        for key in keys
        if _folder(folder, key).is_dir()
    }


def _folder(folder: Path, key: ArtifactKey) -> Path:
    return folder / key.stage / key.shard if key.shard else folder / key.stage
