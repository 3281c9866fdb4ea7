"""The form of a part: a module `benchmarks.doors.PART` with a function `measure(work)`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

PARTS = ("journey", "datasets", "teachers", "exports", "benchmark")
"""The parts in the order in which they run: each is a key of the results."""

Measure = Callable[[Path], Mapping[str, object]]
"""What a part gives: figures by name, as JSON values, from an empty work folder.

`journey`: what came out of each step of one project that walks the whole way.
`datasets`: per format `{"frames", "facts": {kind: count}, "checks": {name: passed}}`.
`teachers`: per name `{"modalities", "size_px", "clips_per_cpu_s", "quality"}`.
`exports`: per consumer `{"rows", "equal"}`.
`benchmark`: the same of R4D-World as a task of lmms-eval.
A part raises what went wrong; it writes nothing outside of the work folder.
"""


def measure_of(part: str) -> Measure | None:
    """The function of a part; None if its module is not written yet."""
    name = f"{__package__}.{part}"
    if importlib.util.find_spec(name) is None:
        return None
    function: Measure = importlib.import_module(name).measure
    return function
