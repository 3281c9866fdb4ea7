"""The choice of an OpenGL backend, and the message if there is none."""

import os
import subprocess
import sys

import pytest

from p4d.worlds.gl import INSTALL, check_gl

ASK = "from p4d.worlds.gl import check_gl; print(check_gl())"


def ask(code=ASK, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=env | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_rendering_works_here():
    assert check_gl() is None


def test_a_backend_is_found_even_when_mujoco_was_imported_first():
    code = (
        "import mujoco; from p4d.worlds.renderer import render; "
        "from p4d.worlds.sampling import spec_for; "
        "print(render(spec_for(0), [0], 32).rgb_thw3.shape)"
    )
    assert ask(code).endswith("(1, 32, 32, 3)")


def test_without_any_library_one_line_says_what_to_install():
    nothing = (
        "import ctypes\n"
        "def refuse(name, *args, **kwargs): raise OSError(name)\n"
        "ctypes.CDLL = refuse\n" + ASK
    )
    answer = ask(nothing)
    assert INSTALL in answer
    assert "\n" not in answer


def test_an_unusable_choice_of_the_user_is_named():
    answer = ask(MUJOCO_GL="nonsense")
    assert "MUJOCO_GL=nonsense" in answer
    assert INSTALL in answer
    assert "\n" not in answer


@pytest.mark.attack("L6")
def test_a_window_system_without_a_display_is_named():
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "p4d.worlds.gl"],
        capture_output=True,
        text=True,
        env=env | {"MUJOCO_GL": "glfw"},
        check=False,
    )
    assert done.returncode == 1
    assert "MUJOCO_GL=glfw" in done.stderr
    assert INSTALL in done.stderr
