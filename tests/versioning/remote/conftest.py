import pytest

from p4d.versioning.remote.object_store import StoreAddress
from tests.versioning.remote.far import BUCKET, Far, install

moto_server = pytest.importorskip("moto.server")
pytest.importorskip("dvc_s3")


@pytest.fixture(scope="package")
def endpoint():
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing-to-see")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = boto3.resource("s3", endpoint_url=endpoint).Bucket(BUCKET)
    store.create()
    yield store
    store.objects.delete()
    store.delete()


@pytest.fixture
def far(fake, bucket, endpoint, tmp_path):
    install(fake, tmp_path / "far")
    address = StoreAddress(f"s3://{BUCKET}/p4d", {"endpointurl": endpoint})
    return Far(fake, tmp_path / "far", address)
