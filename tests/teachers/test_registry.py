"""Teachers are made by name, and the kinds of params.yaml are those of the registry."""

import pytest

from p4d.config import TeacherParams, replace_params
from p4d.config.labelling import BUILT_IN, GIVES
from p4d.errors import ConfigError
from p4d.teachers.registry import known_kinds, load_latent_teacher, make_teachers


def test_params_accept_exactly_the_kinds_that_can_be_made():
    assert set(known_kinds()) == set(GIVES)


def test_built_in_teachers_have_maps_of_one_size(expert_folder, config, params):
    made = make_teachers(params.labels, expert_folder)
    assert [teacher.name for teacher in made] == list(BUILT_IN)
    assert {teacher.map_px for teacher in made} == {config.map_px}


def test_a_described_teacher_has_the_name_and_the_sizes_of_its_settings(
    expert_folder, config, params
):
    settings = {
        "coarse": TeacherParams(kind="flow_dis"),
        "fine": TeacherParams(kind="flow_dis", map_px=24, input_px=96, batch=3),
    }
    labels = replace_params(
        params, labels={"teachers": ("expert4d", "coarse", "fine"), "settings": settings}
    ).labels
    _, coarse, fine = make_teachers(labels, expert_folder)
    assert (coarse.name, coarse.map_px, fine.map_px) == ("coarse", config.map_px, 24)
    assert (fine.reads.longest_px, fine.batch) == (96, 3)
    assert coarse.digest != fine.digest


def test_a_gpu_that_a_kind_cannot_use_is_an_error(expert_folder, params):
    settings = {"dis": TeacherParams(kind="flow_dis", device="cuda")}
    labels = replace_params(
        params, labels={"teachers": ("expert4d", "dis"), "settings": settings}
    ).labels
    with pytest.raises(ConfigError, match=r"labels\.settings\.dis: .*cpu"):
        make_teachers(labels, expert_folder)


def test_the_latent_teacher_states_the_shape_of_its_latents(expert_folder, config, params):
    teacher = load_latent_teacher(expert_folder)
    assert teacher.digest == make_teachers(params.labels, expert_folder)[0].digest
    side = config.size_px // config.patch_px
    expected = (len(config.hooks), config.frames // config.tubelet, side, side, config.width)
    assert teacher.latent_shape == expected
    assert teacher.map_px == config.map_px
