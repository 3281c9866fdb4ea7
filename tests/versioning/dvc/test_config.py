"""DVC's configuration is read as DVC reads it."""

from pathlib import Path

import pytest
from dvc.config import Config

from p4d.errors import ConfigError
from p4d.versioning.dvc.config import (
    cache_dir,
    config_files,
    default_remote,
    read_config,
    remote_urls,
)
from p4d.versioning.state.workspace import status


def test_remotes_and_the_cache_are_where_dvc_has_them(fake, tmp_path):
    assert cache_dir(fake.root) == fake.root / ".dvc" / "cache" / "files" / "md5"
    assert remote_urls(fake.root) == []
    fake.make("teach")  # makes a DVC repository
    fake.dvc("remote", "add", "-q", "near", str(tmp_path / "near"))
    fake.dvc("remote", "add", "-q", "--local", "far", "s3://bucket/prefix")
    fake.dvc("cache", "dir", "-q", str(tmp_path / "objects"))
    assert sorted(remote_urls(fake.root)) == [str(tmp_path / "near"), "s3://bucket/prefix"]
    assert cache_dir(fake.root).resolve() == tmp_path / "objects" / "files" / "md5"


LEVELS = {
    "cache of the user": {"global": "[cache]\n    dir = /shared/objects\n"},
    "relative to its own file": {
        "system": "[cache]\ndir = ../system\n",
        "global": "[core]\nremote = hub\n['remote \"hub\"']\nurl = ../store\n"
        "['remote \"far\"']\nurl = ssh://host/x\nkeyfile = ~/key.pem\n",
    },
    "each level over the one before": {
        "system": "[core]\nremote = a\nanalytics = true\n[cache]\ndir = /system\ntype = copy\n",
        "global": "[core]\nremote = b\n[cache]\ndir = /global\n",
        "repo": "[Core]\nREMOTE = c\n[cache]\ndir = objects\n",
        "local": "[core]\nremote = d\n",
    },
    "one remote over several levels": {
        "global": "['remote \"s\"']\n    url = s3://bucket/a\n    region = x\n",
        "repo": "['remote \"s\"']\n    url = s3://bucket/b\n['remote \"t\"']\n    url = ../t\n",
        "local": "['remote \"s\"']\n    access_key_id = me\n",
    },
    "lists, quotes, comments and no section": {
        "global": "# a remark\n[cache]\n    type = reflink,copy\n    dir = '/with space/x'\n",
        "local": "",
    },
}  # fmt: skip


@pytest.mark.attack("M6")
@pytest.mark.parametrize("levels", LEVELS.values(), ids=list(LEVELS))
def test_the_levels_are_merged_as_dvc_merges_them(fake, levels):
    fake.make("teach")
    files = dict(zip(("system", "global", "repo", "local"), config_files(fake.root), strict=True))
    for level, text in levels.items():
        files[level].parent.mkdir(parents=True, exist_ok=True)
        files[level].write_text(text)
    asked = Config(str(fake.root / ".dvc"), validate=False)
    assert {level: Path(path) for level, path in asked.files.items()} == files
    expected = {name: dict(section) for name, section in asked.items() if section}
    assert read_config(fake.root) == expected
    from dvc.repo import Repo

    with Repo(str(fake.root)) as repo:
        assert str(cache_dir(fake.root)) == repo.cache.local.path
        assert default_remote(fake.root) == repo.config["core"].get("remote")
        urls = [str(remote["url"]) for remote in repo.config["remote"].values()]
        assert remote_urls(fake.root) == urls


@pytest.mark.attack("M6")
def test_a_shared_cache_of_the_user_is_used_by_both(fake, tmp_path):
    fake.dvc("config", "--global", "cache.dir", str(tmp_path / "shared"))
    made = fake.make_all()["teach"]
    assert (tmp_path / "shared/files/md5" / made.md5[:2] / made.md5[2:]).is_file()
    assert {each.state for each in status(fake.project)} == {"fresh"}
    assert fake.dvc_status() == {}
    (fake.out("teach") / "weights.safetensors").unlink()
    fake.dvc("checkout", "-q", "-f")
    assert fake.dvc_status() == {}


def test_a_changed_file_counts_at_once_and_a_damaged_one_is_named(fake):
    path = config_files(fake.root)[3]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[core]\nremote = one\n")
    assert default_remote(fake.root) == "one"
    path.write_text("[core]\nremote = two2\n")
    assert default_remote(fake.root) == "two2"
    path.write_text("[core\n")
    with pytest.raises(ConfigError, match=r"config\.local is no configuration of DVC"):
        default_remote(fake.root)


def test_without_variables_the_user_s_files_are_those_of_dvc(fake, monkeypatch):
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.delenv(name)
    files = Config(str(fake.root / ".dvc"), validate=False).files
    assert [str(each) for each in config_files(fake.root)] == list(files.values())
