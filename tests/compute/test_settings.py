"""The setting of a machine is checked, and completed by what the machine has."""

import os

import pytest

from p4d.compute.settings import ComputeSettings, from_mapping, read_settings
from p4d.errors import ConfigError

CORES = len(os.sched_getaffinity(0))


def test_without_a_file_one_process_makes_and_one_checks(tmp_path):
    found = read_settings(tmp_path)
    assert (found.engine, found.workers, found.devices) == ("local", 1, ())
    assert found.checkers == 1
    assert found.cores == CORES
    assert 0 < found.memory_mib <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def test_the_file_of_the_project_is_read(tmp_path):
    (tmp_path / "compute.yaml").write_text(
        "workers: 3\ncores: 8\nmemory_mib: 4000\ndevices: [0, GPU-8f1b]\n"
    )
    assert read_settings(tmp_path) == ComputeSettings(
        workers=3, cores=8, memory_mib=4000, devices=("0", "GPU-8f1b")
    )


def test_the_environment_names_another_file(tmp_path, monkeypatch):
    (tmp_path / "compute.yaml").write_text("workers: 3\n")
    (tmp_path / "mine.yaml").write_text("workers: 5\n")
    monkeypatch.setenv("P4D_COMPUTE", str(tmp_path / "mine.yaml"))
    assert read_settings(tmp_path).workers == 5
    monkeypatch.setenv("P4D_COMPUTE", str(tmp_path / "gone.yaml"))
    with pytest.raises(ConfigError, match=r"gone\.yaml, which does not exist"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("cores", "memory_mib", "checkers", "workers"),
    [(8, 100_000, 0, 8), (8, 100_000, 1, 7), (8, 5_000, 0, 3), (8, 5_000, 2, 1), (1, 100, 1, 1)],
)
def test_auto_is_a_worker_per_core_beside_the_checkers(cores, memory_mib, checkers, workers):
    given = {"workers": "auto", "cores": cores, "memory_mib": memory_mib, "checkers": checkers}
    assert from_mapping(given).workers == workers


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("wokers: 2\n", "unknown key \\['wokers'\\]"),
        ("workers: 0\n", "workers must be a whole number from 1 on, got 0"),
        ("checkers: -1\n", "checkers must be a whole number from 0 on, got -1"),
        ("workers: yes\n", "workers must be a whole number"),
        ("workers: 1.5\n", "workers must be a whole number"),
        ("engine: slurm\n", "engine must be one of local, ray, got 'slurm'"),
        ("devices: 2\n", "devices must be a list"),
        ("devices: [0, 0]\n", "each once"),
        ("ray: here\n", "ray must hold keys and values"),
        ("- 1\n", "expected keys and values"),
        ("workers: [\n", "not valid YAML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, named):
    (tmp_path / "compute.yaml").write_text(text)
    with pytest.raises(ConfigError, match=named):
        read_settings(tmp_path)
