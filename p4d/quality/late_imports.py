"""Modules that a library imports at its start, imported when it first uses them."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def late(*names: str) -> Iterator[None]:
    """Have imports of these modules in the block give stand-ins, which import them at first use.

    After the block the names mean the modules themselves again. Modules that are loaded already
    are left as they are.

    Args:
        names: full names, such as `scipy.stats`. What is imported in the block must not read
            attributes of them, else they are imported at once.
    """
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _Late(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            if isinstance(sys.modules.get(name), _Late):
                del sys.modules[name]


class _Late(ModuleType):
    """Stands for a module until one of its attributes is read."""

    def __getattr__(self, name: str) -> object:
        if isinstance(sys.modules.get(self.__name__), _Late):
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
