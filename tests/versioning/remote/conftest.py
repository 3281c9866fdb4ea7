import pytest

from p4d.versioning.remote.object_store import StoreAddress
from tests.versioning.remote.far import Far, install
from tests.versioning.s3_server import BUCKET


@pytest.fixture
def far(fake, bucket, endpoint, tmp_path):
    install(fake, tmp_path / "far")
    address = StoreAddress(f"s3://{BUCKET}/p4d", {"endpointurl": endpoint})
    return Far(fake, tmp_path / "far", address)
