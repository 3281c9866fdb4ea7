"""The code of a stage is one dependency of DVC's, and every edit of it shows at once."""

import hashlib

import pytest

from p4d.audit.proof.listings import lock_file_problems
from p4d.errors import LedgerError
from p4d.versioning.dvc import code_folder
from p4d.versioning.dvc.lock_file import LockFile
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.code_lists import CODE_LISTS, code_list_problems, kept_code_list
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.run.pipeline_files import refresh_pipeline_files
from p4d.versioning.state.package_notices import outdated_files
from p4d.versioning.state.workspace import Workspace, status
from tests.versioning.fake import SHARDS

FIRST = f"take@{SHARDS[0]}"


def reasons(fake, key=FIRST):
    with Workspace(fake.project) as workspace:
        return list(workspace.status(ArtifactKey.parse(key)).reasons)


def in_the_earlier_form(fake):
    """Write dvc.lock as versions before wrote it; returns the text of today's form."""
    path = fake.root / "dvc.lock"
    today = path.read_text()
    lock = LockFile(today)
    blocks = {}
    for name in lock.names():
        stage, entry = name.partition("@")[0], lock.entry(name)
        code = kept_code_list(fake.project, entry.deps[code_folder.path_of(stage)].md5)
        blocks[name] = code_folder.as_files(stage, entry, code).to_text(name)
    path.write_text(lock.replaced(blocks))
    assert ".code" not in path.read_text()
    assert f"{fake.package}/text.py" in path.read_text()
    return today


def test_dvc_sees_an_edit_of_a_file_without_p4d_and_its_undoing(fake):
    fake.make_all()
    assert fake.dvc_status() == {}
    file = fake.root / fake.package / "text.py"
    before = file.read_text()
    file.write_text(before.replace("!", "?"))  # of the same size
    (changed,) = fake.dvc_status()[FIRST]
    assert changed == {"changed deps": {".code/take": "modified"}}
    assert reasons(fake) == [f"code changed: {fake.package}/text.py"]
    file.write_text(before)
    assert fake.dvc_status() == {}
    assert reasons(fake) == []


def test_links_follow_imports_and_nothing_else_is_left(fake):
    fake.make("teach")
    home = fake.root / ".code" / "teach"
    (fake.root / fake.package / "late.py").write_text("X = 1\n")
    fake.edit(f"{fake.package}/text.py", "def shout", f"import {fake.package}.late\n\n\ndef shout")
    with Workspace(fake.project) as workspace:
        assert ".code/teach" in list(outdated_files(workspace))
        wanted = workspace.code(workspace.stage("teach"))
    assert ".code/teach" in refresh_pipeline_files(fake.project)
    links = {path.relative_to(home).as_posix(): path for path in home.rglob("*.py")}
    assert set(links) == set(wanted)
    assert all(link.is_symlink() for link in links.values())
    assert {link.resolve() for link in links.values()} == {fake.root / path for path in wanted}
    fake.edit(f"{fake.package}/text.py", f"import {fake.package}.late\n\n\n", "")
    refresh_pipeline_files(fake.project)
    assert not links[f"{fake.package}/late.py"].is_symlink()
    with Workspace(fake.project) as workspace:
        assert list(outdated_files(workspace)) == []


def test_a_lock_of_an_earlier_version_is_fresh_and_is_written_again_in_todays_form(fake):
    fake.make_all()
    today = in_the_earlier_form(fake)
    assert {each.state for each in status(fake.project)} == {"fresh"}
    refresh_pipeline_files(fake.project)
    assert (fake.root / "dvc.lock").read_text() == today
    assert fake.dvc_status() == {}


def test_what_other_code_made_stays_stale_in_either_form_with_the_same_reasons(fake):
    fake.make_all()
    in_the_earlier_form(fake)
    for path in (fake.root / CODE_LISTS).iterdir():
        path.unlink()  # no earlier version kept one
    fake.edit(f"{fake.package}/text.py", "!", "?")
    expected = [f"code changed: {fake.package}/text.py"]
    assert reasons(fake) == expected
    refresh_pipeline_files(fake.project)
    assert reasons(fake) == expected
    assert {name.partition("@")[0] for name in fake.dvc_status()} == {
        stage.name for stage in fake.project.stages
    }


def test_under_dvc_the_lock_is_left_and_the_files_behind_it_are_kept(fake, monkeypatch):
    fake.make_all()
    in_the_earlier_form(fake)
    lock = (fake.root / "dvc.lock").read_text()
    for path in (fake.root / CODE_LISTS).iterdir():
        path.unlink()
    monkeypatch.setenv("DVC_STAGE", FIRST)
    assert fake.make(FIRST).skipped
    assert (fake.root / "dvc.lock").read_text() == lock
    with Workspace(fake.project) as workspace:
        tree = workspace.code_tree(workspace.stage("take"))
    assert kept_code_list(fake.project, tree.digest.md5) == tree.files


def test_an_entry_in_todays_form_is_proven_by_the_one_that_was_published(fake):
    fake.make_all()
    in_the_earlier_form(fake)
    lock = LockFile.read(fake.root)
    records = [
        {**record, "lock_entry": hashlib.sha256(lock.block(name).encode()).hexdigest()}
        for record in Ledger(fake.project).records("materialization")
        for name in [str(ArtifactKey.of_record(record))]
    ]
    keys = [ArtifactKey.of_record(record) for record in records]
    refresh_pipeline_files(fake.project)
    path = fake.root / "dvc.lock"
    today = path.read_text()
    assert list(lock_file_problems(fake.project, records, keys)) == []
    path.write_text(today.replace("max_duration_s: 600.0", "max_duration_s: 60.0"))
    found = [problem.detail for problem in lock_file_problems(fake.project, records, keys)]
    assert found == [f"entry take@{shard} is not the one published" for shard in SHARDS]


def test_an_altered_list_of_code_is_reported_and_reasons_name_the_folder(fake):
    fake.make_all()
    with Workspace(fake.project) as workspace:
        md5 = workspace.code_tree(workspace.stage("take")).digest.md5
    path = fake.root / CODE_LISTS / f"{md5.removesuffix('.dir')}.json"
    path.write_text(path.read_text().replace("text.py", "test.py"))
    with pytest.raises(LedgerError, match="was altered: its files are others"):
        kept_code_list(fake.project, md5)
    (fake.root / CODE_LISTS / "note.txt").write_text("mine")
    found = {(each.kind, each.path) for each in code_list_problems(fake.project)}
    assert found == {("altered", f"{CODE_LISTS}/{path.name}"),
                     ("orphaned", f"{CODE_LISTS}/note.txt")}  # fmt: skip
    fake.edit(f"{fake.package}/text.py", "!", "?")
    assert reasons(fake) == ["code changed: .code/take"]
