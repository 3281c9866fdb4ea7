import shutil

import pytest

from p4d.config import replace_params
from p4d.standalone import CODE, drop_stale
from tests.video.media import params

STAGES = ("facts", "questions")


@pytest.fixture
def folder(tmp_path):
    """Results of two stages that are current."""
    drop_stale(tmp_path, params(), STAGES)
    for name in STAGES:
        (tmp_path / name).mkdir()
    return tmp_path


def test_current_results_are_kept(folder):
    assert drop_stale(folder, params(), STAGES) == []
    assert all((folder / name).is_dir() for name in STAGES)


def test_other_parameters_remove_what_read_them(folder):
    other = replace_params(params(), questions={"margin_sigma": 5.0})
    assert drop_stale(folder, other, STAGES) == ["questions"]
    assert (folder / "facts").is_dir()
    assert not (folder / "questions").exists()


def test_other_code_removes_the_stage_and_what_follows(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("code")
    shutil.copytree(CODE / "p4d", root / "p4d", ignore=shutil.ignore_patterns("__pycache__"))
    assert drop_stale(folder, params(), STAGES, code_root=root) == []
    for file, gone in (
        ("asking/compose", ["questions"]),
        ("facts/image_facts", ["facts", "questions"]),
    ):
        for name in STAGES:
            (folder / name).mkdir(exist_ok=True)
        with (root / "p4d" / "questions" / f"{file}.py").open("r+") as code:
            code.seek(0, 2)
            code.write("# another line\n")
        assert drop_stale(folder, params(), STAGES, code_root=root) == gone


def test_results_of_unknown_origin_go(folder):
    (folder / "made_by.json").unlink()
    assert drop_stale(folder, params(), STAGES) == list(STAGES)
