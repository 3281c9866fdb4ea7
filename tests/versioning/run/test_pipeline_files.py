"""Shards share a pipeline file in groups; DVC and p4d agree in every group, and old files move."""

import json
import subprocess
import sys

import pytest

from p4d import audit
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.dvc.pipeline_file import GROUP, address, folder_of, folders_of, render
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.files.hashes import tree_of
from p4d.versioning.ledger.anchor import anchored_lock
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.run.recovery import recover
from p4d.versioning.state.workspace import Workspace, status

HERE, THERE, FAR = "0002-aaaaaaaa", f"{GROUP:04d}-bbbbbbbb", f"{2 * GROUP + 1:04d}-cccccccc"
SHARDS = (HERE, THERE, FAR)
HOME = "shards/pipelines/0001"


def set_shards(fake, shards):
    for manifest in (fake.root / "shards").glob("*.json"):
        if manifest.stem not in shards:
            manifest.unlink()
    for shard in shards:
        path = fake.root / "shards" / f"{shard}.json"
        path.write_text(json.dumps({"text": f"text of {shard}"}) + "\n")
    listed = "".join(f"- {shard}\n" for shard in shards)
    (fake.root / "shards" / "index.yaml").write_text(f"shards:\n{listed}")


def make_all(fake, shards=SHARDS):
    for stage in fake.project.stages:
        for shard in shards if stage.per_shard else (None,):
            fake.make(str(ArtifactKey(stage.name, shard)), gates={})


@pytest.fixture
def grouped(fake):
    """Three shards in three pipeline files, all made."""
    set_shards(fake, SHARDS)
    refresh_pipeline_files(fake.project)
    make_all(fake)
    return fake


def stale(fake):
    return {str(each.key) for each in status(fake.project) if each.state != "fresh"}


def stale_by_dvc(fake, *targets):
    """Artifacts that `dvc status` names."""
    return {name.rpartition(":")[2] for name in fake.dvc_status(*targets)}


def test_a_shard_stays_in_its_group_whatever_lands_or_goes():
    assert folder_of("0001-aaaaaaaa") == folder_of(f"{GROUP - 1:04d}-aaaaaaaa") == ""
    assert folder_of(f"{GROUP:04d}-aaaaaaaa") == "shards/pipelines/0001"
    assert folder_of(f"{2 * GROUP - 1:04d}-aaaaaaaa") == "shards/pipelines/0001"
    assert folder_of("12345-aaaaaaaa") == f"shards/pipelines/{12345 // GROUP:04d}"
    assert folder_of("without-number") == folder_of(None) == ""
    assert folders_of([FAR, HERE]) == {"": [HERE], "shards/pipelines/0002": [FAR]}
    assert address(ArtifactKey("take", HERE)) == f"take@{HERE}"
    assert address(ArtifactKey("take", THERE)) == f"{HOME}/dvc.yaml:take@{THERE}"
    assert address(ArtifactKey("teach")) == "teach"


def test_while_the_first_group_is_not_full_the_list_of_shards_is_read_by_dvc(fake):
    (text,) = render(fake.project.stages, [HERE]).values()
    assert "vars:\n  - shards/index.yaml\nstages:\n" in text


def test_every_entry_is_in_the_lock_of_its_group_and_dvc_agrees(grouped):
    assert stale(grouped) == set()
    assert grouped.dvc_status() == {}
    assert grouped.dvc_status(address(ArtifactKey("label", FAR))) == {}
    names = {f"{home}/dvc.lock".lstrip("/"): LockFile.read(grouped.root / home).names()
             for home in folders_of(SHARDS)}  # fmt: skip
    assert names == {
        "dvc.lock": [f"take@{HERE}", "teach", f"label@{HERE}", "gather", "choose"],
        f"{HOME}/dvc.lock": [f"take@{THERE}", f"label@{THERE}"],
        "shards/pipelines/0002/dvc.lock": [f"take@{FAR}", f"label@{FAR}"],
    }
    assert audit.verify(grouped.project).render_text().startswith("OK")


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (f"shards/{THERE}.json", "text of", "another text of"),
        ("params.yaml", "max_duration_s: 600.0", "max_duration_s: 60.0"),
        ("PACKAGE/text.py", "'!", "'?"),
    ],
)
def test_p4d_and_dvc_name_the_same_stale_artifacts(grouped, path, old, new):
    grouped.edit(path.replace("PACKAGE", grouped.package), old, new)
    assert stale(grouped) == stale_by_dvc(grouped) != set()
    of_one = stale_by_dvc(grouped, address(ArtifactKey("take", THERE)))
    assert of_one == stale(grouped) & {f"take@{THERE}"}


def test_dvc_repro_makes_a_shard_of_another_group_and_records_it_there(grouped):
    grouped.edit(f"shards/{THERE}.json", "text of", "another text of")
    before = (grouped.root / "dvc.lock").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "-s", address(ArtifactKey("take", THERE))],
        cwd=grouped.root, env=grouped.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    name = (grouped.root / "data" / "take" / THERE / "name.txt").read_text()
    assert name.startswith("ANOTHER TEXT OF")
    assert f"take@{THERE}" not in stale(grouped)
    assert (grouped.root / "dvc.lock").read_text() == before


def test_dvc_checkout_restores_a_lost_shard_of_another_group(grouped):
    folder = grouped.root / "data" / "take" / THERE
    before = tree_of(folder).digest
    (folder / "name.txt").unlink()
    assert stale(grouped) == {f"take@{THERE}", f"label@{THERE}"}
    grouped.dvc("checkout", "-f", address(ArtifactKey("take", THERE)))
    assert tree_of(folder).digest == before
    assert stale(grouped) == set()


def test_publishing_one_shard_rewrites_the_lock_of_its_group_alone(grouped):
    others = [grouped.root / "dvc.lock", grouped.root / "shards/pipelines/0002/dvc.lock"]
    before = [path.stat().st_mtime_ns for path in others]
    grouped.edit(f"shards/{THERE}.json", "text of", "another text of")
    grouped.make(f"take@{THERE}", gates={})
    assert [path.stat().st_mtime_ns for path in others] == before


def test_the_anchor_holds_the_lock_of_every_group(grouped):
    grouped.edit(f"shards/{THERE}.json", "text of", "another text of")
    before = (grouped.root / HOME / "dvc.lock").read_text()
    grouped.make(f"take@{THERE}", gates={})  # replaces a version, which is anchored before that
    assert anchored_lock(grouped.project, HOME) == before


def as_made_by_an_earlier_version(fake):
    """All shards in the two files at the root, as one matrix over `shards/index.yaml`."""
    texts = [LockFile.read(fake.root / home) for home in folders_of(SHARDS)]
    whole = texts[0]
    for lock in texts[1:]:
        for name in lock.names():
            whole = LockFile(whole.spliced(name, lock.block(name)))
    for home in folders_of(SHARDS):
        for name in ("dvc.yaml", "dvc.lock"):
            (fake.root / home / name).unlink()
    (fake.root / "dvc.lock").write_text(whole.text)
    (fake.root / "dvc.yaml").write_text(render(fake.project.stages)["dvc.yaml"])


def test_a_project_with_all_shards_in_one_file_is_read_and_moved_byte_for_byte(grouped):
    locks = {home: (grouped.root / home / "dvc.lock").read_text() for home in folders_of(SHARDS)}
    as_made_by_an_earlier_version(grouped)
    assert stale(grouped) == set()  # before anything is moved
    assert grouped.dvc_status() == {}
    refresh_pipeline_files(grouped.project)
    for home, text in locks.items():
        assert (grouped.root / home / "dvc.lock").read_text() == text
    assert stale(grouped) == set()
    assert grouped.dvc_status() == {}
    assert audit.verify(grouped.project).render_text().startswith("OK")


def test_moving_that_was_cut_off_is_finished_by_the_next_run(grouped):
    locks = {home: (grouped.root / home / "dvc.lock").read_text() for home in folders_of(SHARDS)}
    as_made_by_an_earlier_version(grouped)
    whole = (grouped.root / "dvc.lock").read_text()
    yaml = (grouped.root / "dvc.yaml").read_text()
    refresh_pipeline_files(grouped.project)
    # The state before the last two steps: the groups are written, the root is not.
    (grouped.root / "dvc.lock").write_text(whole)
    (grouped.root / "dvc.yaml").write_text(yaml)
    grouped.make(f"take@{FAR}", gates={})
    assert {h: (grouped.root / h / "dvc.lock").read_text() for h in locks} == locks
    assert stale(grouped) == set()


def test_a_torn_lock_of_a_group_is_restored_by_the_next_run(grouped):
    grouped.edit(f"shards/{THERE}.json", "text of", "another text of")
    path = grouped.root / HOME / "dvc.lock"
    before = path.read_text()
    grouped.make(f"take@{THERE}", gates={})  # the copy is the text before
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (notice,) = recover(grouped.project)
    assert f"restored {HOME}/dvc.lock from its copy" in notice
    assert path.read_text() == before
    path.write_bytes(whole[: len(whole) // 2])
    grouped.make(f"take@{THERE}", gates={})
    with Workspace(grouped.project) as workspace:
        assert workspace.status(ArtifactKey("take", THERE)).state == "fresh"


def test_a_shard_that_lands_in_a_new_group_is_in_dvcs_view_after_a_refresh(grouped):
    new = f"{5 * GROUP:04d}-dddddddd"
    set_shards(grouped, (*SHARDS, new))
    written = refresh_pipeline_files(grouped.project)
    assert written == ["shards/pipelines/0005/dvc.yaml"]
    assert {f"take@{new}", f"label@{new}"} <= stale_by_dvc(grouped)
    (only,) = (grouped.root / "shards" / "pipelines" / "0005").iterdir()
    assert only.name == "dvc.yaml"
