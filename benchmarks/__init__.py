"""Measurements, each with its command; results are kept in benchmarks/results/."""
