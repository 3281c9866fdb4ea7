"""Perceptual 4D Distillation as a data-centric workflow. See README.md for the map."""

from p4d.version import __version__

__all__ = ["__version__"]
