"""What `p4d init` refuses, and what a project without code of its own links to."""

import subprocess

import pytest

from p4d import distribution
from p4d.errors import ConfigError
from p4d.project import Project
from p4d.starter.new_project import make_project
from p4d.versioning.state.package_notices import package_notices
from p4d.versioning.state.workspace import Workspace


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (["b.mp4", "a.txt"], r"it holds a\.txt, b\.mp4\)"),
        ([f"{n}.mp4" for n in range(7)], r"it holds 0\.mp4, .*4\.mp4, \.\.\.\)"),
        ([".hidden"], r"it holds \.hidden\)"),
    ],
)
def test_a_folder_that_holds_something_is_refused_and_stays_as_it_is(tmp_path, held, named):
    for name in held:
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=named):
        make_project(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(held)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        make_project(tmp_path / "file")


def test_a_folder_inside_of_another_repository_is_refused_unless_it_is_one(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(ConfigError, match=f"inside of the git repository {tmp_path}"):
        make_project(tmp_path / "corpus")
    subprocess.run(["git", "init", "-q", str(tmp_path / "corpus")], check=True)
    assert "params.yaml" in make_project(tmp_path / "corpus")


def test_links_lead_to_the_package_and_are_made_again(tmp_path):
    root = tmp_path / "corpus"
    make_project(root)
    assert (root / "p4d").resolve() == distribution.PACKAGE
    assert (root / "sql").resolve() == distribution.repository_file("sql")
    (root / "p4d").unlink()
    (root / "p4d").symlink_to(tmp_path / "gone")  # an environment that was moved or removed
    assert Project.find(root).root == root
    assert (root / "p4d").resolve() == distribution.PACKAGE
    assert sorted(path.name for path in root.glob(".*.link")) == []


def test_a_pipeline_file_of_other_code_is_noticed_until_it_is_written(tmp_path):
    make_project(tmp_path)
    written = (tmp_path / "dvc.yaml").read_text()
    for text, notices in ((written, 0), (written.replace("data/videos", "data/films"), 1)):
        (tmp_path / "dvc.yaml").write_text(text)
        with Workspace(Project.find(tmp_path)) as workspace:
            found = list(package_notices(workspace, []))
        assert len(found) == notices
        assert all(each.startswith("dvc.yaml was written for other code") for each in found)


def test_a_folder_of_the_name_of_a_link_is_never_replaced(tmp_path):
    make_project(tmp_path / "corpus")
    (tmp_path / "corpus" / "sql").unlink()
    (tmp_path / "corpus" / "sql").mkdir()
    with pytest.raises(ConfigError, match="sql is no link"):
        Project.find(tmp_path / "corpus")


def test_a_folder_that_does_not_ask_for_it_gets_no_links(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").touch()
    Project.find(tmp_path)
    (tmp_path / "pyproject.toml").write_text('tool = "no table"\n')
    Project.find(tmp_path)
    assert not (tmp_path / "p4d").exists()
    (tmp_path / "pyproject.toml").write_text("no TOML")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        Project.find(tmp_path)
