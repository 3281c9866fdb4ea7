"""Pictures whose terms forbid redistribution never leave: not by a push, not in a bundle."""

import json
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.artifacts import read_json, write_json
from p4d.audit.proof.bundle import write_bundle
from p4d.audit.withheld import PROBE_FILES, withheld_objects, withheld_shards
from p4d.cli.app import cli
from p4d.origins import Origin, write_origins
from p4d.students.distillation.probes import FORMER_PROBES_FILE, PROBES_FILE
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.storage.push import verify_remote

BOUND, FREE = "0001-aaaaaaaa", "0002-bbbbbbbb"
TERMS = Origin(dataset="scannet", terms_id="ScanNet-ToS", redistributable=False)
PICTURES = {
    "videos": ("pictures.bin", "samples.safetensors"),
    "clips": ("frames.safetensors", "truth.safetensors"),
    "labels": ("labels.safetensors",),
    "regions": ("marks.safetensors",),
}


class TwoShards(QuestionsProject):
    """One shard is bound by terms, the other is free; both have pictures."""

    def __init__(self, root):
        super().__init__(root, 4 * QUESTIONS_PER_CLIP)
        self.shards = [BOUND, FREE]
        for shard in self.shards:
            for stage, files in PICTURES.items():
                for name in files:
                    self.put(f"{stage}/{shard}/{name}")
        write_origins(self.project.data / "videos" / BOUND, {"vid_0": TERMS})
        self.put("student_p4d/probes.safetensors")
        self.put("student_p4d/model/model.safetensors")

    def put(self, name):
        path = self.project.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"pixels of {name}".encode())


@pytest.fixture
def made(tmp_path):
    made = TwoShards(tmp_path / "project").write()
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / 'store'}\n"
    (made.project.root / ".dvc").mkdir(exist_ok=True)
    (made.project.root / ".dvc" / "config").write_text(config)
    return made


def pixels(folder):
    """What of the pictures a folder holds, whatever the files are called."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return {each.decode().removeprefix("pixels of ") for each in found if each[:6] == b"pixels"}


def bound():
    files = {f"{stage}/{BOUND}/{name}" for stage, names in PICTURES.items() for name in names}
    return files | {"student_p4d/probes.safetensors"}


def free():
    files = {f"{stage}/{FREE}/{name}" for stage, names in PICTURES.items() for name in names}
    return files | {"student_p4d/model/model.safetensors"}


def push(made, monkeypatch, *options):
    monkeypatch.setenv("P4D_ROOT", str(made.project.root))
    return CliRunner().invoke(cli, ["push", *options])


def test_a_push_leaves_the_pictures_here_and_says_why(made, tmp_path, monkeypatch):
    done = push(made, monkeypatch)
    assert done.exit_code == 0, done.output
    assert pixels(tmp_path / "store") == free()
    assert f"{len(bound())} objects stay here" in done.output
    assert "not marked as private" in done.output
    assert "scannet terms forbid redistribution (ScanNet-ToS)" in done.output
    record = list(Ledger(made.project).records("push"))[-1]
    assert record["withheld"] == len(bound())
    # What has to stay here is not missing there.
    kept = withheld_objects(made.project)
    assert verify_remote(made.project, withheld=kept).ok
    assert not verify_remote(made.project).ok


def test_a_private_remote_gets_everything_at_this_address_alone(made, tmp_path, monkeypatch):
    assert push(made, monkeypatch, "--private").exit_code == 0
    assert pixels(tmp_path / "store") == free() | bound()
    config = made.project.root / ".dvc" / "config"
    config.write_text(config.read_text().replace(f"{tmp_path / 'store'}", f"{tmp_path / 'new'}"))
    done = push(made, monkeypatch)
    assert "not marked as private" in done.output
    assert pixels(tmp_path / "new") == free()


def test_a_bundle_with_data_holds_no_such_picture_and_verifies(made, tmp_path):
    written = write_bundle(made.project, "decision_1", tmp_path / "b.zip", with_data=True)
    with zipfile.ZipFile(written.path) as archive:
        archive.extractall(tmp_path / "b")
    held = pixels(tmp_path / "b")
    assert not held & bound()
    assert held == free()
    assert f"left out, as terms forbid it: {len(bound())} files" in str(written)
    command = [sys.executable, "-I", "-S", str(tmp_path / "b" / "verify.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "OK: the bundle proves itself" in done.stdout
    about = json.loads((tmp_path / "b" / "bundle.json").read_text())
    listed = {file["path"] for version in about["versions"] for file in version["files"]}
    assert "pictures.bin" in listed  # named with its hash, so it can be compared


def test_the_manifest_alone_binds_a_shard(made):
    manifest = made.project.shards_dir / f"{FREE}.json"
    content = read_json(manifest)
    content["files"][0]["origin"] = TERMS.stated()
    write_json(manifest, content)
    assert set(withheld_shards(made.project)) == {BOUND, FREE}


def test_a_removed_shard_stays_bound(made):
    index = made.project.shards_dir / "index.yaml"
    index.write_text(f"shards:\n- {FREE}\n")
    (made.project.shards_dir / f"{BOUND}.json").unlink()
    assert set(withheld_shards(made.project)) == {BOUND}


def test_nothing_is_withheld_without_such_terms(tmp_path):
    other = QuestionsProject(tmp_path, 4 * QUESTIONS_PER_CLIP).write()
    assert withheld_objects(other.project) == {}


def test_the_files_of_probes_are_those_that_arms_write():
    assert PROBE_FILES == (PROBES_FILE, FORMER_PROBES_FILE)
