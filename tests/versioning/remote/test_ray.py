"""A real Ray cluster of this machine: nodes with folders of their own, which share S3 alone."""

import threading
import time

import pytest

pytest.importorskip("ray")  # the extra `ray`, 240 MB, is no part of the developers' environment

from benchmarks.cluster.local_ray import local_ray
from p4d.compute.engine import Job
from p4d.compute.ray import RayCarrier, RaySettings
from p4d.errors import ComputeError
from p4d.pipeline import Needs
from p4d.versioning.files.artifact_key import ArtifactKey
from p4d.versioning.ledger.ledger import Ledger
from p4d.versioning.remote.drive import RemoteCompute
from p4d.versioning.remote.engine import RemoteEngine
from p4d.versioning.run.run_stage import run_stage
from tests.versioning.fake import SHARDS, build


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with local_ray(tmp_path_factory.mktemp("ray"), {}, nodes=0) as running:
        yield running


def _make(project, key, *, progress, compute):
    return run_stage(project, key, run_id="ray", progress=progress, compute=compute)


def test_stages_run_on_any_node_and_a_node_without_the_package_is_left_out(
    cluster, far, tmp_path, caplog
):
    cluster.add(0, PYTHONPATH="")  # none of the stages' code there
    cluster.add(1, **far.environment())
    cluster.add(2, **far.environment())
    carrier = RayCarrier(RaySettings(address=cluster.address))
    compute = RemoteCompute(far.address, carrier)
    engine = RemoteEngine(compute, width=3)
    project, made = far.fake.project, {}

    def make(key):
        stage = project.stage(key.stage)
        job = Job(name=str(key), needs=stage.needs, function=_make, arguments=(project, key))
        made[str(key)] = engine.run(job, lambda done, total, note: None).md5

    for names in (("take", "teach"), ("label",), ("gather",), ("choose",)):
        keys = [
            ArtifactKey(name, shard)
            for name in names
            for shard in (SHARDS if project.stage(name).per_shard else (None,))
        ]
        threads = [threading.Thread(target=make, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert made == {key: each.md5 for key, each in build(tmp_path / "twin").make_all().items()}
    assert far.fake.dvc_status() == {}
    where = [r["computed_on"]["engine"] for r in Ledger(project).records("materialization")]
    assert where == ["ray"] * len(made)
    if carrier.refused:  # Ray may have used the good nodes alone
        (reason,) = carrier.refused.values()
        assert "Install the driver's package on it" in reason and reason in caplog.text
    _a_task_goes_to_no_node_that_is_too_small(carrier)
    _a_node_that_dies_costs_its_task(cluster, far, compute)


def _a_task_goes_to_no_node_that_is_too_small(carrier):
    from tests.versioning.fake import stages_of

    stage = stages_of("x")[0]
    large = type(stage)(**{**stage.__dict__, "needs": Needs(cores=99)})
    with pytest.raises(ComputeError, match="needs 99 processors"):
        carrier.carry(b"", large, "large", lambda *_: None)


def _a_node_that_dies_costs_its_task(cluster, far, compute):
    """The nodes are killed one after another while a stage sleeps on them; a new one ends it."""
    marks = far.root / "marks"
    marks.mkdir()
    hook = (
        f"import time, uuid, pathlib; m = pathlib.Path({str(marks)!r}); "
        "(m / uuid.uuid4().hex).touch(); time.sleep(600 if len(list(m.iterdir())) < 3 else 0)"
    )
    for number in list(cluster.nodes):
        cluster.kill(number)
    for number in (3, 4, 5):
        cluster.add(number, **far.environment(FAKE_HOOK=hook))
    far.fake.edit("params.yaml", "seed: 17", "seed: 18")
    found = []
    thread = threading.Thread(target=lambda: found.append(far.fake.make("teach", compute=compute)))
    thread.start()
    for begun in (1, 2):
        deadline = time.monotonic() + 120
        while len(list(marks.iterdir())) < begun and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(list(marks.iterdir())) == begun
        cluster.kill(_busy(cluster))
    thread.join(timeout=180)
    assert [each.skipped for each in found] == [False]
    assert far.fake.dvc_status("teach") == {}


def _busy(cluster):
    """The node that computes: its worker holds a folder of a task."""
    return next(
        number for number in cluster.nodes
        if list((cluster.root / f"node{number}" / "scratch" / "tasks").glob("*.alive"))
    )  # fmt: skip
