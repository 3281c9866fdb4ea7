"""Readers of published datasets, and the writer that makes videos with truth of them."""
