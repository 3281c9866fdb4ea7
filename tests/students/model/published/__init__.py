"""Tiny checkpoints in the form of published ones, and what transformers' own processors make."""
