"""A small pipeline in a temporary project: real files, real git, real DVC, trivial stages."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.crash_points import observed_by
from p4d.versioning.ledger.anchor import anchor
from p4d.versioning.run.run_stage import Materialization, run_stage

REPOSITORY = Path(__file__).resolve().parents[2]
SHARDS = ("0001-aaaaaaaa", "0002-bbbbbbbb")
_numbers = itertools.count()

STEPS = """\
import os
from pathlib import Path
from p4d.pipeline import StageReport
from {package}.text import shout


def _hook(inputs, out):
    hook = os.environ.get("FAKE_HOOK", "")
    if hook:
        exec(hook)


def take(inputs, out):
    (out / "sub").mkdir()
    (out / "name.txt").write_text(shout(inputs.manifest["text"]))
    (out / "sub" / "size.txt").write_text(str(inputs.params("landing").max_duration_s))
    _hook(inputs, out)
    return StageReport(rows={{"ok": 1}}, metrics={{"length": len(inputs.manifest["text"])}})


def teach(inputs, out):
    (out / "weights.safetensors").write_text(str(inputs.params("expert").seed))
    _hook(inputs, out)
    return StageReport()


def label(inputs, out):
    name = (inputs.folder("take") / "name.txt").read_text()
    teacher = (inputs.folder("teach") / "weights.safetensors").read_text()
    (out / "label.txt").write_text(name + teacher)
    _hook(inputs, out)
    return StageReport()


def gather(inputs, out):
    import json

    folders = inputs.shard_folders("label")
    (out / "all.txt").write_text("".join((f / "label.txt").read_text() for f in folders.values()))
    (out / "m.json").write_text(json.dumps({{"n": len(folders)}}))
    notes = sorted(inputs.tracked("notes").glob("*.txt"))
    (out / "all.txt").open("a").write("".join(note.read_text() for note in notes))
    (out / "excluded.json").write_text(json.dumps(dict(inputs.excluded), sort_keys=True))
    _hook(inputs, out)
    return StageReport()


def choose(inputs, out):
    past = (inputs.previous / "log.txt").read_text() if inputs.previous else ""
    text = (inputs.folder("gather") / "all.txt").read_text()
    (out / "log.txt").write_text(past + text.replace("\\n", " ") + "\\n")
    _hook(inputs, out)
    return StageReport()
"""


def stages_of(package: str) -> tuple[Stage, ...]:
    def stage(name: str, **rest) -> Stage:
        entry = f"{package}.steps:{name}"
        return Stage(name=name, group="fake", entry=entry, description=f"it's {name}", **rest)

    return (
        stage("take", params=("landing",), per_shard=True, manifest=True),
        stage("teach", params=("expert",)),
        stage("label", inputs=("take", "teach"), params=("labels",), per_shard=True),
        stage(
            "gather",
            inputs=("label",),
            metrics=("m.json",),
            extra_code=("gates",),
            tracked=("notes",),
        ),
        stage("choose", inputs=("gather",), previous="required"),
    )


@dataclass
class Fake:
    """A temporary project with its stages."""

    project: Project
    package: str

    @property
    def root(self) -> Path:
        return self.project.root

    def make(self, key: str, **options) -> Materialization:
        options = {"run_id": "run-1", **options}
        with observed_by(options.pop("checkpoint", lambda name: None)):
            return run_stage(self.project, ArtifactKey.parse(key), **options)

    def make_all(self, **options) -> dict[str, Materialization]:
        made = {}
        for stage in self.project.stages:
            for shard in SHARDS if stage.per_shard else (None,):
                key = str(ArtifactKey(stage.name, shard))
                made[key] = self.make(key, **options)
        return made

    def dvc(self, *arguments: str) -> None:
        """Run the real DVC's command line, in this process: importing it anew costs a second."""
        from dvc.cli import main

        with contextlib.chdir(self.root):
            assert main(list(arguments)) == 0, arguments

    def dvc_status(self, *targets: str) -> dict[str, object]:
        """What `dvc status --json` prints: nothing when all is up to date."""
        from dvc.repo import Repo

        with contextlib.chdir(self.root), Repo(str(self.root)) as repo:
            return repo.status(targets=list(targets))

    def repro(self) -> str:
        """Run `dvc repro` as a process, as its stages are processes that read the environment."""
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments],
            cwd=self.root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # No compiled stages: Python takes one that was edited within its second for the old one.
        return {
            **os.environ, "PATH": path, "PYTHONPATH": f"{self.root}:{REPOSITORY}",
            "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more,
        }  # fmt: skip

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        self.forget()

    def forget(self) -> None:
        """Unload the stages' modules, as a fresh process would start without them."""
        for name in [n for n in sys.modules if n.split(".")[0] == self.package]:
            del sys.modules[name]

    def out(self, key: str) -> Path:
        return self.root / "data" / key.replace("@", "/")


def build(root: Path, *, git: bool = True) -> Fake:
    package = f"fake{next(_numbers)}"
    folder = root / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "text.py").write_text("def shout(text):\n    return text.upper() + '!\\n'\n")
    (folder / "steps.py").write_text(STEPS.format(package=package))
    (root / "gates").mkdir()
    (root / "gates" / "one.sql").write_text("SELECT 1\n")
    shutil.copy(REPOSITORY / "params.yaml", root / "params.yaml")
    (root / ".dvcignore").write_text("/.p4d\n/.staging\n")
    (root / ".gitignore").write_text("/data/\n/.p4d/\n/.staging/\n__pycache__/\n")
    (root / "notes").mkdir()
    (root / "notes" / "one.txt").write_text("a note\n")
    (root / "shards").mkdir()
    (root / "shards" / "index.yaml").write_text("shards:\n" + "".join(f"- {s}\n" for s in SHARDS))
    for shard in SHARDS:
        (root / "shards" / f"{shard}.json").write_text(f'{{"text": "text of {shard}"}}\n')
    # The command of dvc.yaml is `python -m p4d`: here with the stages of this project.
    runner = root / "p4d"
    runner.mkdir()
    (runner / "__init__.py").write_text(f"__path__.append({str(REPOSITORY / 'p4d')!r})\n")
    (runner / "__main__.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from tests.versioning.fake import stages_of\nfrom p4d.project import Project\n"
        "from p4d.versioning.run.run_stage import run_stage\n"
        "from p4d.versioning.files.artifact_key import ArtifactKey\n"
        "shard = sys.argv[4] if len(sys.argv) > 4 else None\n"
        f"project = Project(Path.cwd(), stages_of({package!r}))\n"
        "run_stage(project, ArtifactKey(sys.argv[2], shard), run_id='dvc')\n"
    )
    fake = Fake(Project(root, stages_of(package)), package)
    if git:
        fake.git("init", "-q", "-b", "main")
        fake.git("add", "-A")
        fake.git("commit", "-q", "-m", "start")
    sys.path.insert(0, str(root))
    return fake


def supersede_twice(fake: Fake) -> list[str]:
    """Three versions of `take`, of which git saw the first and the last."""
    first = SHARDS[0]
    versions = [fake.make(f"take@{first}").md5]
    fake.git("add", "-f", "dvc.lock", ".dvc/config", ".dvc/.gitignore")
    fake.git("commit", "-qam", "first version")
    anchor(fake.project, "first")
    for word in ("second", "third"):
        fake.edit(f"shards/{first}.json", "text of", f"{word} text of")
        versions.append(fake.make(f"take@{first}").md5)
    anchor(fake.project, "third")
    return versions
