"""Which slots a stage needs, and that a run in the terminal waits for them."""

import threading

import dagster as dg
import pytest

from dagster_project.dagster_internals import initialize_pools
from dagster_project.dead_runs import PROCESS_TAG, process_identity
from dagster_project.slots import LABELLING, TRAINING, pool_of, wait_for_slots
from p4d.pipeline import STAGES
from p4d.project import Project

SETTINGS = (Project.find().root / "dagster.yaml").read_text()


@pytest.fixture
def instance(tmp_path):
    """An instance with the settings of the project, on SQLite."""
    (tmp_path / "dagster.yaml").write_text(SETTINGS)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        initialize_pools(made, (LABELLING, TRAINING))
        yield made


def test_labelling_and_training_have_a_slot_each(instance):
    pools = {stage.name: pool_of(stage) for stage in STAGES}
    assert pools["labels"] == pools["questions"] == LABELLING
    assert pools["expert"] == pools["release"] == pools["champion"] == TRAINING
    limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    assert limits == {LABELLING: 1, TRAINING: 1}
    initialize_pools(instance, (LABELLING, TRAINING))
    instance.event_log_storage.set_concurrency_slots(LABELLING, 3)
    initialize_pools(instance, (LABELLING, TRAINING))  # a limit that somebody set stays
    limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    assert limits == {LABELLING: 3, TRAINING: 1}


def test_a_run_in_the_terminal_waits_for_a_training_and_not_for_labelling(instance):
    began, go = threading.Event(), threading.Event()

    @dg.asset(pool=TRAINING)
    def student():
        began.set()
        go.wait(60)

    job = dg.Definitions(assets=[student], executor=dg.in_process_executor)
    run = threading.Thread(
        target=lambda: job.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, tags={PROCESS_TAG: process_identity()}
        )
    )
    run.start()
    notes = []
    try:
        assert began.wait(60)
        wait_for_slots(instance, ["labels"], notes.append)
        assert notes == []
        waiter = threading.Thread(
            target=lambda: wait_for_slots(instance, ["release"], notes.append, pause_s=0.01)
        )
        waiter.start()
        waiter.join(0.5)
        assert waiter.is_alive()
    finally:
        go.set()
        run.join()
    waiter.join(60)
    assert not waiter.is_alive()
    assert len(notes) == 1
    assert notes[0].startswith("      waiting for training: run ")
