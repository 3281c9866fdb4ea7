import pytest

from dagster_project.home import definitions_module, foreign_home, prepare_home
from p4d.errors import ConfigError
from p4d.project import Project


def test_the_home_links_to_the_settings_of_the_project(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    home = tmp_path / ".dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("a copy of an earlier version")
    for _ in range(2):
        assert prepare_home(Project(tmp_path)) == home
        assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    (tmp_path / "dagster.yaml").write_text("nux: {enabled: false}\n")
    assert (home / "dagster.yaml").read_text() == "nux: {enabled: false}\n"


def test_a_project_without_settings_is_an_error_with_a_way_out(tmp_path):
    with pytest.raises(ConfigError, match="restore it from the repository"):
        prepare_home(Project(tmp_path))


def test_another_instance_is_named_with_the_way_out(tmp_path, monkeypatch):
    project = Project(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "x" / ".." / ".dagster"))
    assert foreign_home(project) is None
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert "DAGSTER_HOME is /elsewhere: this is not the project's" in foreign_home(project)
    monkeypatch.delenv("DAGSTER_HOME")
    assert "DAGSTER_HOME is not set" in foreign_home(project)
    assert f"export DAGSTER_HOME={tmp_path}/.dagster" in foreign_home(project)


def test_a_project_names_the_module_that_dagster_loads(tmp_path):
    project, settings = Project(tmp_path), tmp_path / "pyproject.toml"
    assert definitions_module(project) == "dagster_project.definitions"
    settings.write_text('[tool.dagster]\nmodule_name = "mine.definitions"\n')
    assert definitions_module(project) == "mine.definitions"
    settings.write_text("[tool.dagster]\nmodule_name = 3\n")
    assert definitions_module(project) == "dagster_project.definitions"
