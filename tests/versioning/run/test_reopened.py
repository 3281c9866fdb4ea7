"""A stage may open the version that its own last version names, while the cache has it."""

import dataclasses

import pytest

from benchmarks.synthetic.questions_project import QuestionsProject
from p4d.artifacts import read_json, write_json
from p4d.pipeline import stage_named
from p4d.versioning.dvc.cache import object_path, read_tree
from p4d.versioning.files.artifact_key import bare_md5
from p4d.versioning.run.stage_run import reopened_version

CHAMPION = stage_named("champion")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), 40).write()


def last_version(tmp_path, champion):
    write_json(tmp_path / "decision.json", {"champion": champion})
    return tmp_path


def test_the_champion_is_opened_at_exactly_its_version(made, tmp_path):
    champion = f"md5:{bare_md5(made.md5['student_p4d'])}"
    found = reopened_version(made.project, CHAMPION, last_version(tmp_path, champion))
    assert read_json(found / "card.json") == {"name": "student_p4d"}
    assert reopened_version(made.project, CHAMPION, tmp_path) == found  # once


def test_nothing_is_opened_where_nothing_is_named(made, tmp_path):
    assert reopened_version(made.project, CHAMPION, last_version(tmp_path, None)) is None
    assert reopened_version(made.project, CHAMPION, tmp_path / "absent") is None
    assert reopened_version(made.project, CHAMPION, None) is None
    plain = dataclasses.replace(CHAMPION, reopens=None)
    assert reopened_version(made.project, plain, tmp_path) is None


def test_a_purged_version_is_not_opened(made, tmp_path):
    md5 = bare_md5(made.md5["student_sft"])
    for digest in read_tree(made.project.root, md5).files.values():
        object_path(made.project.root, digest.md5).unlink(missing_ok=True)
    assert reopened_version(made.project, CHAMPION, last_version(tmp_path, f"md5:{md5}")) is None
