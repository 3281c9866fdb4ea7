"""Perceptual 4D Distillation as a data-centric workflow. See README.md for the map."""

__version__ = "0.1.0"
