"""Tasks on their way to a worker."""

import dataclasses

import pytest

from p4d.errors import ContractError
from p4d.versioning.remote.task import RemoteTask
from tests.versioning.fake import stages_of

TASK = RemoteTask(
    stage=stages_of("steps")[2],
    shard="0001-aaaaaaaa",
    cmd="python -m p4d stage label",
    all_params={"labels": {"sources": {"depth": ["b"], "camera": ["a"]}}, "expert": {"seed": 1}},
    code={"a.py": "0" * 32},
    environment="e",
    packages="numpy==1",
    inputs={"take": "1" * 32, "all": {"0002-b": "2" * 32, "0001-a": "3" * 32}},
    versions={},
    store={"url": "s3://b"},
)


def test_a_worker_reads_what_was_written_in_its_order():
    read = RemoteTask.from_json(TASK.to_json())
    assert read == TASK and read.fingerprint == TASK.fingerprint
    # Equal mappings may have another order, and a stage may write in it.
    assert list(read.all_params["labels"]["sources"]) == ["depth", "camera"]
    assert list(read.inputs["all"]) == ["0002-b", "0001-a"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"all_params": {"labels": {"sources": {"camera": ["a"], "depth": ["b"]}}}}, False),
        ({"all_params": {**TASK.all_params, "expert": {"seed": 2}}}, True),  # not declared
        ({"code": {"a.py": "1" * 32}}, False),
        ({"environment": "f"}, False),
        ({"device": "cuda"}, False),
        ({"inputs": {"take": "2" * 32, "all": TASK.inputs["all"]}}, False),
        ({"previous": "4" * 32}, False),
        ({"store": {"url": "s3://another"}}, True),
        ({"packages": "told for messages"}, True),
    ],
)
def test_a_fingerprint_names_what_decides_the_bytes(change, same):
    changed = dataclasses.replace(TASK, **change)
    assert (changed.fingerprint == TASK.fingerprint) == same


def test_another_form_is_refused():
    with pytest.raises(ContractError, match="need one version"):
        RemoteTask.from_json(TASK.to_json().replace(b'"schema":1', b'"schema":2'))
