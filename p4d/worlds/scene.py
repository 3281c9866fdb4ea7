"""Simulated worlds: a seed gives a specification, a specification gives pictures with truth.

spec = spec_for(7)
video = render(spec, times_ns=[0, 250_000_000], size_px=64)
video.rgb_thw3, video.truth.resample([0, 1], 64)
"""

from __future__ import annotations

from p4d.worlds.renderer import WorldVideo, render
from p4d.worlds.spec import ObjectSpec, WorldSpec, spec_for

__all__ = ["ObjectSpec", "WorldSpec", "WorldVideo", "render", "spec_for"]
