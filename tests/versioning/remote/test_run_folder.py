"""The folder of a run in an object store: what counts is what the record names."""

import shutil

import pytest

from p4d.errors import ComputeError, StoreError
from p4d.versioning.remote.object_store import StoreAddress
from p4d.versioning.remote.run_folder import RunFolder
from tests.versioning.remote.hostile_store import refusing


@pytest.fixture
def run(bucket, endpoint):
    return RunFolder(StoreAddress(f"s3://{bucket.name}/p4d/", {"endpointurl": endpoint}), "a.1")


def wrote(folder, **files):
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def keys(bucket):
    return sorted(each.key for each in bucket.objects.all())


def texts(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_record_decides_and_earlier_files_go(run, bucket, tmp_path):
    assert run.read() is None
    one = run.send(wrote(tmp_path / "one", a="1", b="2"))
    two = run.send(wrote(tmp_path / "two", **{"parts/c": "3", "live/x": "no"}), without="live")
    assert run.read() is None, "files without a record count nothing"
    run.write(one | two, {"step": 2})
    assert run.read() == {"step": 2}
    run.fetch(tmp_path / "there")
    assert texts(tmp_path / "there") == {"a": "1", "b": "2", "parts/c": "3"}
    run.write(run.send(wrote(tmp_path / "one", a="1", b="4")), {"step": 3})
    assert len(keys(bucket)) == 3  # two files and the record
    assert all(key.startswith("p4d/runs/a.1/") for key in keys(bucket))
    run.clear()
    assert keys(bucket) == []
    run.clear()


def test_altered_and_missing_files_are_named_and_nothing_appears(run, bucket, tmp_path):
    with pytest.raises(StoreError, match=r"runs/a\.1 holds no record"):
        run.fetch(tmp_path / "there")
    run.write(run.send(wrote(tmp_path / "one", a="whole")), {})
    (key,) = [key for key in keys(bucket) if "/files/" in key]
    bucket.put_object(Key=key, Body=b"other")
    with pytest.raises(StoreError, match="returned other bytes for object"):
        run.fetch(tmp_path / "there")
    bucket.Object(key).delete()
    with pytest.raises(StoreError, match="failed at object"):
        run.fetch(tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]


@pytest.mark.parametrize(
    "record",
    [b"[]", b"{}", b'{"files": {"../../x": "00000000000000000000000000000000"}, "about": {}}',
     b'{"files": {"x": "../../y"}, "about": {}}', b'{"files": {}, "about": 1}'],
)  # fmt: skip
def test_a_record_of_somebody_else_is_refused(run, bucket, record):
    bucket.put_object(Key="p4d/runs/a.1/record.json", Body=record)
    for call in (run.read, run.clear):
        with pytest.raises(StoreError, match="is no record of a run"):
            call()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a b", "a\x00"])
def test_a_name_that_is_a_path_is_refused(name):
    with pytest.raises(StoreError, match="cannot name a run"):
        RunFolder(StoreAddress("s3://x/y"), name)


def test_a_store_that_refuses_is_named(bucket, tmp_path):
    with refusing("AccessDenied") as refuses:
        run = RunFolder(StoreAddress(f"s3://{bucket.name}/p4d", {"endpointurl": refuses}), "a")
        with pytest.raises(StoreError, match="credentials come from the environment"):
            run.send(wrote(tmp_path / "one", a="1"))


HOOK = """
import os, pathlib
shared = inputs.shared
if shared.read() is None:
    folder = pathlib.Path(inputs.work) / "kept"; folder.mkdir()
    (folder / "half").write_text("half of the work")
    shared.write(shared.send(folder), {"step": 1})
    os.kill(os.getpid(), 9)
shared.fetch(pathlib.Path(inputs.work) / "came")
assert (pathlib.Path(inputs.work) / "came" / "half").read_text() == "half of the work"
shared.write(shared.send(pathlib.Path(inputs.work) / "came"), {"step": 2})
"""


def test_what_a_dead_worker_kept_is_there_for_the_next_and_gone_in_the_end(far, bucket):
    with pytest.raises(ComputeError, match="ended with code -9"):
        far.fake.make("teach", compute=far.compute(FAKE_HOOK=HOOK))
    shutil.rmtree(far.scratch)  # another machine
    assert any("/runs/task-" in key for key in keys(bucket))
    assert far.fake.make("teach", compute=far.compute(FAKE_HOOK=HOOK)).md5
    assert not any("/runs/" in key for key in keys(bucket))
