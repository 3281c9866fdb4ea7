"""A project with the product's stage table and trivial outputs, made in bulk to any size.

Files, cache objects, dvc.lock and ledger are those that publishing one instance after another would
leave (the benchmark verifies that they are), only without a flush to disk for each. What is
measured on it afterwards goes the product's own way.
"""

from __future__ import annotations

import hashlib
import runpy
import shutil
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

from p4d.pipeline import STAGES, Stage
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey, data_version
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.state.workspace import Workspace

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "synthetic_stages"
STEP = """\
import hashlib
from p4d.pipeline import StageReport

FILES, BYTES = {files}, {nbytes}


def write(inputs, out):
    count = FILES if inputs.stage.name == "videos" else 3
    for number in range(count):
        name = f"{{inputs.stage.name}} {{inputs.shard}} {{number}}"
        block = hashlib.sha256(name.encode()).digest()
        (out / f"part-{{number:03d}}.bin").write_bytes((block * (BYTES // 32 + 1))[:BYTES])
    return StageReport(rows={{"ok": count}})
"""


def open_project(root: Path) -> Project:
    """The project at `root`, with the trivial stages of this module."""
    return Project(root, stages())


def stages() -> tuple[Stage, ...]:
    """The stage table, every function replaced."""
    return tuple(
        replace(stage, entry=f"{PACKAGE}.steps:write", extra_code=(), tracked=())
        for stage in STAGES
    )


def make(root: Path, shards: int, *, files: int = 20, nbytes: int = 512) -> Project:
    """Make a project with `shards` shards, in which every instance is fresh.

    Args:
        root: a folder that does not exist.
        shards: how many.
        files: source files per shard.
        nbytes: size of every file.
    """
    package = root / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text(STEP.format(files=files, nbytes=nbytes))
    for name in ("params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    names = [f"{n:04d}-{hashlib.sha256(str(n).encode()).hexdigest()[:8]}" for n in range(shards)]
    (root / "shards").mkdir()
    (root / dvc_yaml.SHARD_LIST).write_text("shards:\n" + "".join(f"- {n}\n" for n in names))
    for name in names:
        (root / dvc_yaml.manifest_path(name)).write_text(f'{{"shard": "{name}", "files": []}}\n')
    (root / "dvc.yaml").write_text(dvc_yaml.render(stages(), root))
    identity = ("-c", "user.name=p4d", "-c", "user.email=p4d@localhost")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), (*identity, "commit", "-qm", "0")):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    sys.path[:] = [str(root), *(path for path in sys.path if Path(path).name != "project")]
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]
    project = open_project(root)
    dvc_store.ensure_initialised(root)
    _publish_all(project)
    anchor(project, "made in bulk")
    return project


def _publish_all(project: Project) -> None:
    # Not imported: the runner loads the stages' code itself, sure of what it loads.
    write = runpy.run_path(str(project.root / PACKAGE / "steps.py"))["write"]
    lock, records = "schema: '2.0'\nstages:\n", []
    versions: dict[ArtifactKey, str] = {}
    with Workspace(project) as look:
        for key in look.all_keys():
            stage, shard, out = look.stage(key.stage), key.shard, dvc_yaml.out_path(key)
            folder = project.root / out
            folder.mkdir(parents=True)
            write(_Given(stage, shard), folder)
            tree = tree_of(folder)
            objects = [(d.md5, (folder / name).read_bytes()) for name, d in tree.files.items()]
            for md5, payload in [*objects, (tree.digest.md5, tree.payload)]:
                path = dvc_store.object_path(project.root, md5)
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists():
                    path.write_bytes(payload)
                    path.chmod(0o444)
            made_of = look.required(key)
            entry = made_of.to_entry({out: tree.digest}).to_text(str(key))
            lock += entry
            versions[key] = data_version(tree.digest.md5)
            records.append({
                "id": uuid.uuid4().hex, "stage": stage.name, "shard": shard, "path": out,
                "md5": tree.digest.md5, "nbytes": tree.digest.nbytes, "nfiles": tree.digest.nfiles,
                "weights": {}, "code_version": look.code_version(stage),
                "fingerprint": {
                    "cmd": made_of.cmd, "params": made_of.params,
                    "params_digest": made_of.params_digest,
                    "deps": {path: digest.md5 for path, digest in made_of.deps.items() if digest},
                },
                "upstream": _upstream(look, key, versions), "excluded": {},
                "previous": None, "lock_entry": hashlib.sha256(entry.encode()).hexdigest(),
                "git": {"commit": None, "dirty": False}, "env": "", "rows": {}, "metrics": {},
                "cost": {"wall_s": 0.0}, "run_id": "bulk", "started": "", "ended": "",
            })  # fmt: skip
    (project.root / "dvc.lock").write_text(lock)
    Ledger(project).append_all([("materialization", record) for record in records])


class _Given:
    """The part of StageInputs that the trivial function reads."""

    def __init__(self, stage: Stage, shard: str | None) -> None:
        self.stage, self.shard = stage, shard


def _upstream(
    look: Workspace, reader: ArtifactKey, versions: dict[ArtifactKey, str]
) -> dict[str, str]:
    keys = []
    for upstream in map(look.stage, look.stage(reader.stage).inputs):
        if upstream.per_shard and reader.shard is not None:
            keys.append(ArtifactKey(upstream.name, reader.shard))
        else:
            keys += look.keys_of(upstream)
    return {str(key): versions[key] for key in keys}
