"""Cameras, rays and flow in one set of conventions (CONVENTIONS.md)."""
