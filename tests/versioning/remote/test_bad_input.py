"""What goes wrong between machines: each is an error that names the thing, and costs nothing."""

import contextlib
import errno
import inspect
import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from benchmarks.ports import free_port
from p4d.compute.carrier import WORKER_MODULE
from p4d.compute.ray import RaySettings, carry_out, connect
from p4d.compute.settings import ComputeSettings
from p4d.errors import ComputeError, ConfigError, RefusedError, StoreError
from p4d.versioning.files.hashes import file_md5
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.remote import task as messages
from p4d.versioning.remote.engine import compute_of
from p4d.versioning.remote.object_store import ObjectStore, StoreAddress
from p4d.versioning.remote.worker import answer
from tests.versioning.fake import SHARDS
from tests.versioning.remote.hostile_store import refusing

LABEL = f"label@{SHARDS[0]}"


def nothing_was_made(far, key="teach"):
    return not far.fake.out(key).exists() and not list(Ledger(far.fake.project).records())


def test_a_worker_with_other_code_is_refused_by_name(far):
    code = far.root / "code" / far.fake.package / "text.py"
    code.write_text(code.read_text() + "\n# an edit on one node\n")
    with pytest.raises(RefusedError, match=rf"{far.fake.package}/text\.py is another"):
        far.fake.make(f"take@{SHARDS[0]}", compute=far.compute())
    shutil.rmtree(code.parent)
    with pytest.raises(RefusedError, match=rf"{far.fake.package}/steps\.py is missing"):
        far.fake.make("teach", compute=far.compute())
    assert nothing_was_made(far)


def test_a_worker_with_other_packages_is_refused_by_name(far):
    (far.root / "code" / "torch_of_the_node-9.9.dist-info").mkdir()
    refusal = r"torch_of_the_node is 9\.9, the driver has none\. Install both from one lock"
    with pytest.raises(RefusedError, match=refusal):
        far.fake.make("teach", compute=far.compute())
    assert nothing_was_made(far)


def test_a_store_where_nobody_answers(far):
    port = free_port()
    far.address = StoreAddress(far.address.url, {"endpointurl": f"http://127.0.0.1:{port}"})
    with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port}\) failed at record results/"):
        far.fake.make("teach", compute=far.compute())
    assert nothing_was_made(far)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "credentials come from the environment"),
        ("InvalidAccessKeyId", "credentials come from the environment"),
        ("RequestTimeTooSkewed", "the clock of this machine is off"),
    ],
)
def test_a_store_that_refuses(far, code, said, caplog):
    with refusing(code) as endpoint:
        far.address = StoreAddress(far.address.url, {"endpointurl": endpoint})
        with pytest.raises(StoreError, match=said) as raised:
            far.fake.make("teach", compute=far.compute())
    assert nothing_was_made(far)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in f"{raised.value}{caplog.text}"


def test_other_bytes_of_an_input_stop_the_worker(far, bucket):
    far.fake.make(f"take@{SHARDS[0]}")
    far.fake.make("teach")
    weights = file_md5(far.fake.out("teach") / "weights.safetensors")
    compute = far.compute()
    with pytest.raises(ComputeError):
        far.fake.make(LABEL, compute=far.killed_at("task_read"))  # the inputs are there now
    name = f"p4d/files/md5/{weights[:2]}/{weights[2:]}"
    good = bucket.Object(name).get()["Body"].read()
    bucket.put_object(Key=name, Body=good[::-1])
    with pytest.raises(StoreError, match=f"returned other bytes for object {weights}"):
        far.fake.make(LABEL, compute=compute)
    assert not far.fake.out(LABEL).exists()
    bucket.Object(name).delete()  # as the message says; the next run sends it again
    assert far.fake.make(LABEL, compute=far.compute()).md5


def test_other_bytes_of_a_result_are_never_published(far, bucket):
    made = far.fake.make("teach", compute=far.compute())
    weights = file_md5(far.fake.out("teach") / "weights.safetensors")
    name = f"p4d/files/md5/{weights[:2]}/{weights[2:]}"
    shutil.rmtree(far.fake.root / "data")
    (far.fake.root / "dvc.lock").unlink()
    shutil.rmtree(far.fake.root / ".dvc" / "cache")
    # Gone: computed again. Of another length: sent again. Flipped: refused each time.
    bucket.Object(name).delete()
    compute = far.compute()
    assert far.fake.make("teach", compute=compute).md5 == made.md5
    assert len(compute.moved) == 1
    bucket.put_object(Key=name, Body=b"?" * bucket.Object(name).content_length)
    shutil.rmtree(far.fake.root / "data")
    (far.fake.root / "dvc.lock").unlink()
    with pytest.raises(StoreError, match=f"returned other bytes for object {weights}"):
        far.fake.make("teach", compute=far.compute())
    assert not far.fake.out("teach").exists()


@pytest.mark.parametrize("record", [b"no JSON", b"[]", b'{"schema": 1}', b'{"schema": 99}'])
def test_a_result_that_is_none_is_computed_again(far, bucket, record):
    made = far.fake.make("teach", compute=far.compute())
    (name,) = [each.key for each in bucket.objects.filter(Prefix="p4d/results/")]
    bucket.put_object(Key=name, Body=record)
    again = far.compute()
    assert far.fake.make("teach", force=True, compute=again).md5 == made.md5
    assert [each.looked_up for each in again.moved] == [False]


def test_a_full_disk_on_a_worker(far, tmp_path):
    small = far.scratch
    small.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=False
    )
    if mounted.returncode:
        pytest.skip("only root can make a small disk")
    try:
        far.fake.make("teach")
        far.fake.make(f"take@{SHARDS[0]}")
        filled = small / "filled"
        with filled.open("wb", buffering=0) as stream, pytest.raises(OSError) as full:
            while True:
                stream.write(b"x" * 1024)
        assert full.value.errno == errno.ENOSPC
        with pytest.raises((ComputeError, StoreError), match="no room left") as raised:
            far.fake.make(LABEL, compute=far.compute())
        assert LABEL in str(raised.value)
        filled.unlink()
        assert far.fake.make(LABEL, compute=far.compute()).md5
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_stage_that_fails_far_away_says_what_and_where(far):
    hook = "raise ValueError('a frame is black')"
    with pytest.raises(ComputeError, match=r"teach on .*: ValueError: a frame is black"):
        far.fake.make("teach", compute=far.compute(FAKE_HOOK=hook))
    assert nothing_was_made(far)


def test_a_stage_that_writes_into_its_input_is_refused(far):
    far.fake.make(f"take@{SHARDS[0]}")
    far.fake.make("teach")
    hook = (
        "import os; p = inputs.folder('teach') / 'weights.safetensors'; "
        "os.chmod(p, 0o644); p.write_text('mine')"
    )
    with pytest.raises(ComputeError, match=r"wrote into its input stages/teach/weights"):
        far.fake.make(LABEL, compute=far.compute(FAKE_HOOK=hook))
    # The worker's own copy was altered; it is noticed and fetched again.
    assert far.fake.make(LABEL, compute=far.compute()).md5


def test_a_task_that_is_none_is_an_answer(tmp_path):
    for payload in (b"", b"[]", b'{"schema": 1}', b'{"schema": 2}'):
        failure = messages.read_answer(answer(payload, tmp_path))
        assert failure.kind == "stage" and failure.error == "ContractError"


def test_a_node_without_the_package_says_so(tmp_path):
    """What Ray brings to a node, by value, in an interpreter that finds no package at all."""
    call = f"carry_out(b'', {str(tmp_path)!r}, {WORKER_MODULE!r}, 'P4D_WORKER_SCRATCH')"
    script = f"{inspect.getsource(carry_out)}\nprint({call}.decode())"
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    failure = messages.read_answer(said.stdout.encode())
    assert (
        failure.kind == "refused" and f"this node cannot import {WORKER_MODULE}" in failure.message
    )


def test_an_address_where_no_cluster_answers(fake, tmp_path):
    pytest.importorskip("ray")
    fake.dvc("init", "-q") if not (fake.root / ".dvc").exists() else None
    port = free_port()
    settings = ComputeSettings(engine="ray", ray={"address": f"127.0.0.1:{port}"})
    with pytest.raises(ConfigError, match="dvc remote add --default"):
        compute_of(fake.root, settings)
    with pytest.raises(ComputeError, match=rf"no Ray cluster answers at 127\.0\.0\.1:{port}"):
        connect(f"127.0.0.1:{port}")
    with pytest.raises(ComputeError, match="no Ray cluster answers at nonsense"):
        connect("nonsense")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_of_another_server_than_ray(answer):
    """The dashboard's port, or a database's; Ray alone would try for minutes and say nothing."""
    pytest.importorskip("ray")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = other.accept()
                    peer.recv(100)
                    if answer:
                        peer.sendall(answer)
                        peer.close()

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ComputeError, match=rf"127\.0\.0\.1:{port} \(another server than Ray"):
            connect(f"127.0.0.1:{port}")
        other.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "address is missing"),
        ({"address": "a:1", "adress": "b"}, "unknown key"),
        ({"address": 6379}, "must be a text"),
    ],
)
def test_settings_of_ray_are_checked(raw, said):
    with pytest.raises(ConfigError, match=said):
        RaySettings.of(ComputeSettings(engine="ray", ray=raw))


def test_a_name_that_is_no_hash_is_no_path(far, tmp_path):
    for name in ("../../etc/passwd", "", "0" * 31, "0" * 32 + ".dir/x"):
        with pytest.raises(StoreError, match="is no hash of an object"):
            ObjectStore(far.address).fetch(name, tmp_path / "x")
