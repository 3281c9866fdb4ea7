"""The version of the package. No stage depends on this file: a release makes nothing stale."""

__version__ = "0.2.0"
