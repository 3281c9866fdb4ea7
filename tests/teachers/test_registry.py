"""Teachers are made by name, and the names of params.yaml are those of the registry."""

import pytest

from p4d.config.teaching import LATENT_TEACHERS, TEACHERS
from p4d.errors import ConfigError
from p4d.teachers.registry import known_teachers, load_latent_teacher, make_teacher


def test_params_accept_exactly_the_teachers_that_can_be_made(expert_folder):
    assert set(known_teachers()) == set(TEACHERS)
    assert set(LATENT_TEACHERS) <= set(TEACHERS)
    for name in TEACHERS:
        assert make_teacher(name, expert_folder).name == name


def test_all_teachers_of_a_project_have_maps_of_one_size(expert_folder, config):
    assert {make_teacher(name, expert_folder).map_px for name in TEACHERS} == {config.map_px}


def test_an_unknown_name_lists_the_known_ones(expert_folder):
    with pytest.raises(ConfigError, match=r"'oracle'; known are expert4d, exact"):
        make_teacher("oracle", expert_folder)


def test_the_latent_teacher_states_the_shape_of_its_latents(expert_folder, config):
    teacher = load_latent_teacher(expert_folder)
    assert teacher.digest == make_teacher("expert4d", expert_folder).digest
    side = config.size_px // config.patch_px
    expected = (len(config.hooks), config.frames // config.tubelet, side, side, config.width)
    assert teacher.latent_shape == expected
