"""The OpenGL backend that MuJoCo renders with.

MuJoCo reads MUJOCO_GL once, when it is imported, and fails with a traceback of PyOpenGL if the
library of that backend is missing. This module chooses a backend that the system can load.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import warnings
from typing import Any

from p4d.errors import ConfigError

INSTALL = "apt-get install -y libegl1 libgl1-mesa-dri libosmesa6"
_LIBRARIES = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}


def choose_backend() -> str | None:
    """Set and return MUJOCO_GL: the user's choice, else egl, else osmesa; None if neither loads.

    Software rendering uses one thread per process unless LP_NUM_THREADS is set: several processes
    render worlds, and small pictures gain nothing from threads.
    """
    os.environ.setdefault("LP_NUM_THREADS", "1")
    chosen = os.environ.get("MUJOCO_GL", "")
    if chosen:
        return chosen
    for backend, library in _LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        os.environ["MUJOCO_GL"] = backend
        return backend
    return None


def check_gl() -> str | None:
    """One line: why worlds cannot be rendered here and what to install; None if they can."""
    backend = choose_backend()
    if backend is None:
        return f"worlds need EGL or OSMesa to render, and neither is installed: {INSTALL}"
    try:
        open_context()
    except Exception as error:  # noqa: BLE001 - PyOpenGL and MuJoCo raise many kinds here
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"worlds cannot be rendered with MUJOCO_GL={backend} ({reason}): {INSTALL}"
    return None


def open_context() -> Any:  # noqa: ANN401 - the class depends on the backend
    """A new OpenGL context, current on this thread.

    Raises:
        ConfigError: no backend is installed, or GLFW has no display.
    """
    backend = choose_backend()
    if backend is None:
        raise ConfigError(f"worlds need EGL or OSMesa, and neither is installed: {INSTALL}")
    # By name, not through mujoco.Renderer: mujoco may have been imported before the choice.
    module = importlib.import_module(f"mujoco.{backend}")
    with warnings.catch_warnings(record=backend == "glfw") as reported:
        context = module.GLContext(1, 1)  # MuJoCo draws into its own offscreen buffer
        context.make_current()
    if backend == "glfw" and not context._context:  # GLFW warns, where the others raise
        reasons = [str(warning.message) for warning in reported or ()]
        raise ConfigError(reasons[0] if reasons else "GLFW opened no window")
    return context


if __name__ == "__main__":
    sys.exit(check_gl())
