"""Versions in object storage: an S3 interface served here, through DVC's own client."""

import shutil

import pytest

from benchmarks.ports import free_port
from p4d.errors import PublishError
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.storage.fetch import Fetcher
from p4d.versioning.storage.push import push, verify_remote
from tests.versioning.fake import SHARDS
from tests.versioning.remote.hostile_store import refusing
from tests.versioning.s3_server import BUCKET


@pytest.fixture
def stored(fake, endpoint, bucket):
    """A project with a superseded version, and a remote that has nothing yet."""
    fake.make_all()
    fake.edit("params.yaml", "seed: 17", "seed: 18")
    fake.make_all()
    fake.dvc("remote", "add", "-q", "-d", "store", f"s3://{BUCKET}/p4d")
    fake.dvc("remote", "modify", "-q", "store", "endpointurl", endpoint)
    return fake


def test_every_version_is_sent_and_looked_at_there(stored, bucket):
    told = []
    report = push(stored.project, progress=lambda *step: told.append(step))
    assert report.ok, report.render_text()
    assert report.sent == report.objects == len(list(bucket.objects.all()))
    assert told[-1][:2] == (report.objects, report.objects)
    assert "dvc" not in [r["kind"] for r in Ledger(stored.project).records()]
    record = list(Ledger(stored.project).records("push"))[-1]
    assert (record["remote"], record["objects"]) == ("store", report.objects)
    again = push(stored.project, rehash=True)
    assert (again.ok, again.sent, again.rehashed) == (True, 0, True)
    # DVC's own pull takes it from there, superseded versions included in what was sent.
    import shutil

    shutil.rmtree(stored.root / ".dvc" / "cache")
    shutil.rmtree(stored.out(f"label@{SHARDS[0]}"))
    stored.dvc("pull", "-q")
    assert stored.dvc_status() == {}


def test_what_is_missing_or_altered_there_is_named(stored, bucket):
    push(stored.project)
    keys = sorted(each.key for each in bucket.objects.all())
    gone, cut, flipped = keys[0], keys[1], keys[2]
    bucket.Object(gone).delete()
    bucket.put_object(Key=cut, Body=b"x")
    payload = bytearray(bucket.Object(flipped).get()["Body"].read())
    payload[0] ^= 1
    bucket.put_object(Key=flipped, Body=bytes(payload))

    def found(report):
        return {(p.kind, p.path.partition(":")[2]) for p in report.problems}

    def name(key):
        return "/".join(key.split("/")[-2:])

    by_size = {("missing", name(gone)), ("altered", name(cut))}
    assert found(verify_remote(stored.project)) == by_size
    by_content = {*by_size, ("altered", name(flipped))}
    assert found(verify_remote(stored.project, rehash=True)) == by_content
    # An object that is gone is sent again; DVC's own index would believe it is there.
    assert found(push(stored.project)) == {("altered", name(cut))}


def test_sending_goes_on_beside_a_run(stored, monkeypatch):
    from p4d.versioning.storage import push as remote

    real = remote._send

    def publish_meanwhile(*arguments):
        stored.edit("params.yaml", "seed: 18", "seed: 19")
        assert not stored.make("teach").skipped
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(remote, "_send", publish_meanwhile)
        report = push(stored.project)
    assert report.ok
    assert not verify_remote(stored.project).ok  # the version made meanwhile is sent next time
    assert push(stored.project).sent == 2


def test_a_store_where_nobody_answers_or_that_refuses_is_named(stored, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    cache = stored.root / ".dvc" / "cache"
    said = r"remote store cannot be used: .*are the credentials"
    with refusing("AccessDenied") as endpoint:
        for address in (f"http://127.0.0.1:{free_port()}", endpoint):
            stored.dvc("remote", "modify", "-q", "store", "endpointurl", address)
            with pytest.raises(PublishError, match=r"cannot be used: "):
                verify_remote(stored.project, rehash=True)
            cache.rename(stored.root / "elsewhere")
            with Fetcher(stored.project, print) as fetcher, pytest.raises(PublishError, match=said):
                fetcher.lists()
            shutil.rmtree(cache, ignore_errors=True)
            (stored.root / "elsewhere").rename(cache)


def test_no_remote_or_an_unknown_one_is_named(fake):
    fake.make("teach")
    with pytest.raises(PublishError, match="dvc remote add --default"):
        push(fake.project)
    with pytest.raises(PublishError, match="remote nowhere cannot be used"):
        push(fake.project, "nowhere")
