"""An arm trains beside another when nothing of the run stands between them."""

import dataclasses

import pytest

from dagster_project.arms import ARMS, companions, side_by_side
from p4d.compute.settings import ComputeSettings
from p4d.pipeline import STAGES
from p4d.project import Project

EVERY_STAGE = {stage.name for stage in STAGES}


def test_arms_of_one_release_start_together():
    selected = {"release", "base_student", *ARMS, "evaluation"}
    for arm in ARMS:
        assert set(companions(arm, selected)) == set(ARMS) - {arm}


def test_an_arm_waits_for_what_the_run_makes_for_it():
    assert set(companions("student_blind", EVERY_STAGE)) == {"student_sft", "student_p4d"}
    # No step of this run connects the expert with the arms, so it may not be made yet.
    assert companions("student_blind", {"expert", *ARMS}) == ()
    assert companions("student_p4d", {"labels", *ARMS}) == ()


def test_only_arms_of_the_run_start_and_nothing_else_starts_them():
    assert companions("student_sft", {"student_sft", "evaluation"}) == ()
    assert companions("evaluation", EVERY_STAGE) == ()
    assert companions("release", EVERY_STAGE) == ()


@pytest.mark.parametrize(
    ("cores", "threads", "width"), [(2, 1, 2), (2, 2, 1), (8, 2, 3), (1, 1, 1), (1, 2, 1)]
)
def test_as_many_arms_train_at_once_as_have_cores_for_their_threads(cores, threads, width):
    params = dataclasses.replace(Project.find().params.training, threads=threads)
    assert side_by_side(params, ComputeSettings(cores=cores)) == width
    assert side_by_side(params, ComputeSettings(engine="ray", cores=cores)) == 1
