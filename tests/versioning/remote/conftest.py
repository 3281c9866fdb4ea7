import pytest

from p4d.versioning.remote.object_store import StoreAddress
from tests.versioning.remote.far import BUCKET, Far, install
from tests.versioning.s3_server import s3_bucket, s3_endpoint


@pytest.fixture(scope="package")
def endpoint():
    with s3_endpoint() as address:
        yield address


@pytest.fixture
def bucket(endpoint, monkeypatch):
    with s3_bucket(endpoint, BUCKET, monkeypatch) as store:
        yield store


@pytest.fixture
def far(fake, bucket, endpoint, tmp_path):
    install(fake, tmp_path / "far")
    address = StoreAddress(f"s3://{BUCKET}/p4d", {"endpointurl": endpoint})
    return Far(fake, tmp_path / "far", address)
