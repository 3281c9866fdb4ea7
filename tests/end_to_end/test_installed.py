"""The wheel holds all it needs: a project of one's own, outside of any checkout, without a fork."""

import base64
import json
import re
import shutil
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from benchmarks.trust.installed import Installed, build, install
from p4d.version import __version__

ROOT = Path(__file__).resolve().parents[2]
MAPPED = {"assets/": "dagster_project/assets/", "sql/": "p4d/repository/sql/"}
SMALL = {"worlds": {"size_px": 64, "duration_s": 2.0}}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The files that git knows, so that a build finds nothing else and leaves nothing here."""
    folder = tmp_path_factory.mktemp("source")
    for name in _tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def _tracked() -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    return build(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def made_once(wheel, tmp_path_factory) -> tuple[Installed, Path]:
    """An environment with the wheel, and a project with one shard that is landed and cut."""
    place = tmp_path_factory.mktemp("outside")
    installed, root = install(wheel, place / "environment"), place / "corpus"
    installed.run("p4d", "init", str(root), cwd=place)
    params = yaml.safe_load((root / "params.yaml").read_text())
    for section, values in SMALL.items():
        params[section].update(values)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    installed.run("p4d", "world", "inbox/a.mp4", "--seed", "3", cwd=root)
    installed.run("p4d", "land", cwd=root)
    for stage in ("videos", "clips"):
        installed.run("p4d", "stage", stage, "--shard", _shard(root), cwd=root)
    return installed, root


@pytest.fixture
def made(made_once) -> tuple[Installed, Path]:
    """The same, with the wheel's own files again."""
    installed, root = made_once
    saved = installed.packages.with_name("as-installed")
    if not saved.exists():
        shutil.copytree(installed.packages / "p4d", saved)
    yield installed, root
    shutil.copytree(saved, installed.packages / "p4d", dirs_exist_ok=True)


def _shard(root: Path) -> str:
    return yaml.safe_load((root / "shards" / "index.yaml").read_text())["shards"][0]


def _made_by(root: Path, stage: str) -> dict:
    lines = (root / "data/ledger/ledger.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    kind = "materialization"
    return [r for r in records if r["kind"] == kind and r["stage"] == stage][-1]


def _stale(installed: Installed, root: Path) -> dict[str, str]:
    """By artifact that was made and is not fresh, the reasons that `p4d status` gives."""
    lines = installed.run("p4d", "status", "--all", cwd=root).stdout.splitlines()
    return dict(line.split(": stale: ") for line in lines if ": stale: " in line)


def _stale_by_dvc(installed: Installed, root: Path) -> set[str]:
    done = installed.run("python", "-m", "dvc", "status", "--json", cwd=root)
    return {name for name in json.loads(done.stdout) if re.match("(videos|clips)@", name)}


def test_the_wheel_has_every_file_of_the_packages_and_of_sql_with_equal_bytes(wheel):
    with zipfile.ZipFile(wheel) as held:
        tops = {name.partition("/")[0] for name in held.namelist()}
        assert tops == {"p4d", "dagster_project", f"p4d-{__version__}.dist-info"}
        for name in _tracked():
            top = next((top for top in MAPPED if name.startswith(top)), "")
            if top or name.startswith(("p4d/", "dagster_project/")):
                inside = MAPPED.get(top, "") + name.removeprefix(top)
                assert held.read(inside) == (ROOT / name).read_bytes(), name
        for name in (
            "params.yaml", "dagster.yaml", ".dvc/config", ".dvc/plots/accuracy.json",
            "requirements/run.txt", "scripts/setup.sh",
        ):  # fmt: skip
            assert held.read(f"p4d/repository/{name}") == (ROOT / name).read_bytes(), name


def test_the_sdist_builds_the_same_wheel(source, wheel, tmp_path):
    shutil.unpack_archive(build(source, tmp_path, "sdist"), tmp_path, filter="data")
    again = build(tmp_path / f"p4d-{__version__}", tmp_path / "again")
    assert sha256(again.read_bytes()).digest() == sha256(wheel.read_bytes()).digest()


def test_a_command_that_reads_no_artifact_needs_no_project(made, tmp_path):
    installed, _ = made
    version = installed.run("p4d", "--version", cwd=tmp_path).stdout
    assert version == f"p4d, version {__version__}\n"
    refused = installed.run("p4d", "sql", "scores", cwd=tmp_path, status=1).stderr
    assert "is not inside a p4d project" in refused
    installed.run("p4d", "world", "a.mp4", cwd=tmp_path)
    assert {path.name for path in tmp_path.glob("a.*")} == {
        "a.mp4", "a.source.json", "a.truth.safetensors",
    }  # fmt: skip


def test_a_new_project_is_whole_and_its_history_clean(made_once, tmp_path):
    installed, _ = made_once
    root = tmp_path / "corpus"
    installed.run("p4d", "init", "corpus", cwd=tmp_path)
    assert installed.run("git", "status", "--porcelain", cwd=root).stdout == ""
    assert installed.run("git", "rev-list", "--count", "HEAD", cwd=root).stdout == "1\n"
    assert (root / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert (root / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()
    assert f"\np4d=={__version__}\n" in (root / "requirements.txt").read_text()
    assert (root / "p4d").resolve() == installed.packages / "p4d"
    (root / "p4d").unlink()  # as in a clone, where git has no links
    installed.run("p4d", "dvc-yaml", "--check", cwd=root)
    assert (root / "p4d").resolve() == installed.packages / "p4d"


def test_a_version_names_the_distribution_that_made_it(made, wheel):
    installed, root = made
    with zipfile.ZipFile(wheel) as held:
        record = held.read(f"p4d-{__version__}.dist-info/RECORD").decode()
    rows = [row.split(",") for row in record.splitlines()]
    own = [
        (name, value) for name, value, _ in rows if name.startswith(("p4d/", "dagster_project/"))
    ]
    lines = sorted((name, base64.urlsafe_b64decode(value[7:] + "=").hex()) for name, value in own)
    digest = sha256("".join(f"{value}  {name}\n" for name, value in lines).encode()).hexdigest()
    found = _made_by(root, "clips")
    assert found["package"] == {
        "version": __version__, "distribution": f"sha256:{digest}", "edited": [],
    }  # fmt: skip
    assert found["git"]["dirty"] is False
    assert (
        f"p4d {__version__} sha256:{digest[:12]}"
        in installed.run("p4d", "why", f"clips@{_shard(root)}", cwd=root).stdout
    )
    assert installed.run("p4d", "audit", "verify", cwd=root).stdout.startswith("OK")
    installed.run("p4d", "audit", "bundle", f"clips@{_shard(root)}", "-o", "proof.zip", cwd=root)
    shutil.unpack_archive(root / "proof.zip", root / "reports" / "proof")
    proven = installed.run("python", "verify.py", cwd=root / "reports" / "proof").stdout
    assert f"  2 of them made by p4d {__version__}, sha256:{digest}\n" in proven
    assert proven.endswith("OK: the bundle proves itself\n")
    assert _stale(installed, root) == {}
    assert _stale_by_dvc(installed, root) == set()


def test_queries_and_definitions_come_from_the_package(made):
    installed, root = made
    shown = installed.run("p4d", "sql", "current_versions", cwd=root).stdout
    assert shown.splitlines()[-1] == "2 rows"  # videos and clips of one shard
    # A package of this name in the project hides no other: that of the wheel lies elsewhere.
    (root / "assets").mkdir(exist_ok=True)
    (root / "assets" / "__init__.py").write_text("raise RuntimeError('this is not of p4d')\n")
    done = installed.run("python", "-m", "dagster", "definitions", "validate", cwd=root)
    assert "Validation successful for code location code_location.definitions" in done.stdout


def test_an_edit_of_the_installed_package_is_seen_and_recorded(made):
    installed, root = made
    shard = _shard(root)
    edited = installed.packages / "p4d/video/clips.py"
    edited.write_text(edited.read_text() + "\n# an edit\n")
    assert _stale(installed, root) == {f"clips@{shard}": "code changed: p4d/video/clips.py"}
    assert _stale_by_dvc(installed, root) == {f"clips@{shard}"}
    notice = installed.run("p4d", "status", cwd=root).stdout.splitlines()[0]
    assert notice.startswith(f"p4d {__version__} was edited after it was installed")
    assert "(p4d/video/clips.py)" in notice
    installed.run("p4d", "stage", "clips", "--shard", shard, cwd=root)
    found = _made_by(root, "clips")
    assert found["package"]["edited"] == ["p4d/video/clips.py"]
    assert found["git"]["dirty"] is True


def test_after_an_update_the_status_names_what_is_stale_and_why(made_once, source, tmp_path):
    installed, root = made_once
    newer = tmp_path / "newer"
    shutil.copytree(source, newer)
    version = newer / "p4d/version.py"
    version.write_text(version.read_text().replace(__version__, "99.0.0"))
    changed = newer / "p4d/video/ingest.py"
    changed.write_text(changed.read_text() + "\n# the update\n")
    shard = _shard(root)
    installed.run("p4d", "stage", "clips", "--shard", shard, cwd=root)
    install(build(newer, tmp_path / "wheel"), installed.folder)
    lines = installed.run("p4d", "status", cwd=root).stdout.splitlines()
    assert lines[0] == (
        f"this is p4d 99.0.0; of the artifacts below, other versions made: 1 by {__version__}"
    )
    assert _stale(installed, root) == {f"videos@{shard}": "code changed: p4d/video/ingest.py"}
    assert _stale_by_dvc(installed, root) == {f"videos@{shard}"}
    installed.run("p4d", "stage", "videos", "--shard", shard, cwd=root)
    assert _made_by(root, "videos")["package"]["version"] == "99.0.0"
    assert _stale(installed, root) == {}  # equal bytes: clips stay fresh
    assert _stale_by_dvc(installed, root) == set()
