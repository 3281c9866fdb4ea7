"""Serves an S3 interface on this machine, and makes a bucket in it for one test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BUCKET = "p4d-tests"
"""Name of the bucket of the fixture `bucket`."""


@contextmanager
def s3_endpoint() -> Iterator[str]:
    """Serve while open; gives the address. The test is skipped without moto or DVC's client."""
    pytest.importorskip("dvc_s3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def s3_bucket(endpoint: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket of boto3 that is gone afterwards; sets credentials in the environment."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing-to-see")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = boto3.resource("s3", endpoint_url=endpoint).Bucket(name)
    bucket.create()
    yield bucket
    bucket.objects.delete()
    bucket.delete()
