"""A project with the pipeline's stage table and trivial outputs, made in bulk to any size.

Files, cache objects, dvc.lock and ledger are those that publishing one artifact after another would
leave (the benchmark verifies them), without a flush to disk for each. Measurements on the project
then run the pipeline's own code.
"""

from __future__ import annotations

import hashlib
import runpy
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.machine import CHECKOUT
from benchmarks.synthetic.bulk import BulkRecorder
from p4d.pipeline import STAGES, Stage
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc import pipeline_file as dvc_yaml
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.code_closure import code_files
from p4d.versioning.files.hashes import Digest, Tree, tree_of
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.ledger.code_lists import keep_code_list
from p4d.versioning.state.workspace import Workspace

PACKAGE = "synthetic_stages"
STEP = """\
import hashlib
from p4d.pipeline import StageReport

FILES, OTHERS, BYTES = {files}, {others}, {nbytes}


def write(inputs, out):
    count = FILES if inputs.stage.name == "videos" else OTHERS
    for number in range(count):
        name = f"{{inputs.stage.name}} {{inputs.shard}} {{number}}"
        block = hashlib.sha256(name.encode()).digest()
        (out / f"part-{{number:03d}}.bin").write_bytes((block * (BYTES // 32 + 1))[:BYTES])
    return StageReport(rows={{"ok": count}})
"""


def open_project(root: Path) -> Project:
    """Open the project at `root`, with the trivial stages of this module."""
    return Project(root, stages())


def stages() -> tuple[Stage, ...]:
    """Return the stage table with every function replaced."""
    return tuple(
        replace(stage, entry=f"{PACKAGE}.steps:write", extra_code=(), tracked=())
        for stage in STAGES
    )


def make(
    root: Path,
    shards: int,
    *,
    files: int = 20,
    others: int = 3,
    nbytes: int = 512,
    modules: int = 0,
) -> Project:
    """Make a project with `shards` shards, in which every artifact is fresh.

    Args:
        root: a folder that does not exist.
        shards: number of shards.
        files: source files per shard.
        others: files of every other artifact.
        nbytes: size of every file.
        modules: code files that the stages import, beside their own; the real ones import about 40.
    """
    package = root / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    names = [f"part_{number:02d}" for number in range(modules)]
    for name in names:
        (package / f"{name}.py").write_text(f'NAME = "{name}"\n', encoding="utf-8")
    imports = "".join(f"import {PACKAGE}.{name}  # noqa: F401\n" for name in names)
    step = STEP.format(files=files, others=others, nbytes=nbytes)
    (package / "steps.py").write_text(imports + step, encoding="utf-8")
    for name in ("params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(CHECKOUT / name, root / name)
    names = [f"{n:04d}-{hashlib.sha256(str(n).encode()).hexdigest()[:8]}" for n in range(shards)]
    (root / "shards").mkdir()
    (root / dvc_yaml.SHARD_LIST).write_text(
        "shards:\n" + "".join(f"- {n}\n" for n in names), encoding="utf-8"
    )
    for name in names:
        (root / dvc_yaml.manifest_path(name)).write_text(
            f'{{"shard": "{name}", "files": []}}\n', encoding="utf-8"
        )
    for stage in stages():
        code_folder.write(root, stage.name, code_files(stage, root))
    for path, text in dvc_yaml.render(stages(), names).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
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
    # Not imported: the runner loads the stages' code itself and checks what it loads.
    write = runpy.run_path(str(project.root / PACKAGE / "steps.py"))["write"]
    recorder, made_folders = BulkRecorder(project), set[str]()
    with _JustWritten(project) as workspace:
        for key in workspace.all_keys():
            stage, out = workspace.stage(key.stage), dvc_yaml.out_path(key)
            folder = project.root / out
            folder.mkdir(parents=True)
            write(_StepInputs(stage, key.shard), folder)
            tree = tree_of(folder)
            workspace.written(key, tree)
            objects = [(d.md5, (folder / name).read_bytes()) for name, d in tree.files.items()]
            for md5, payload in [*objects, (tree.digest.md5, tree.payload)]:
                path = dvc_store.object_path(project.root, md5)
                if md5[:2] not in made_folders:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made_folders.add(md5[:2])
                if not path.exists():
                    path.write_bytes(payload)
                    path.chmod(0o444)
            fingerprint = workspace.required(key)
            recorder.add(
                key, fingerprint.to_entry({out: tree.digest}), tree.digest,
                code_version=workspace.code_version(stage),
                fingerprint={
                    "cmd": fingerprint.cmd, "params": fingerprint.params,
                    "params_digest": fingerprint.params_digest,
                    "deps": {name: d.md5 for name, d in fingerprint.deps.items() if d},
                },
                upstream=_upstream(workspace, key, recorder.versions),
            )  # fmt: skip
    keep_code_list(project, fingerprint.code_tree.files)
    recorder.commit()


class _JustWritten(Workspace):
    """A snapshot that knows the hashes of what was just written, and does not read it again."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._folders: dict[str, Digest] = {}
        self._of_stage: dict[str, dict[str, Digest]] = defaultdict(dict)

    def written(self, key: ArtifactKey, tree: Tree) -> None:
        """Take the hashes of an artifact."""
        self._folders[dvc_yaml.out_path(key)] = tree.digest
        if key.shard is not None:
            files = {f"{key.shard}/{name}": digest for name, digest in tree.files.items()}
            self._of_stage[f"data/{key.stage}"].update(files)

    def digest(self, path: str) -> Digest | None:
        """Hash of a file or folder of the project; of all shards of a stage from their files."""
        if path in self._folders:
            return self._folders[path]
        if path in self._of_stage:
            self._folders[path] = Tree.of(self._of_stage[path]).digest
            return self._folders[path]
        return super().digest(path)


@dataclass(frozen=True)
class _StepInputs:
    """The part of StageInputs that the trivial function reads."""

    stage: Stage
    shard: str | None


def _upstream(
    workspace: Workspace, reader: ArtifactKey, versions: Mapping[ArtifactKey, str]
) -> dict[str, str]:
    keys = []
    for upstream in map(workspace.stage, workspace.stage(reader.stage).inputs):
        if upstream.per_shard and reader.shard is not None:
            keys.append(ArtifactKey(upstream.name, reader.shard))
        else:
            keys += workspace.keys_of(upstream)
    return {str(key): versions[key] for key in keys}
