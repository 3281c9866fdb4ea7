"""DVC's configuration is read as DVC reads it."""

from p4d.versioning.dvc.config import cache_dir, remote_urls


def test_remotes_and_the_cache_are_where_dvc_has_them(fake, tmp_path):
    assert cache_dir(fake.root) == fake.root / ".dvc" / "cache" / "files" / "md5"
    assert remote_urls(fake.root) == []
    fake.make("teach")  # makes a DVC repository
    fake.dvc("remote", "add", "-q", "near", str(tmp_path / "near"))
    fake.dvc("remote", "add", "-q", "--local", "far", "s3://bucket/prefix")
    fake.dvc("cache", "dir", "-q", str(tmp_path / "objects"))
    assert sorted(remote_urls(fake.root)) == [str(tmp_path / "near"), "s3://bucket/prefix"]
    assert cache_dir(fake.root).resolve() == tmp_path / "objects" / "files" / "md5"
