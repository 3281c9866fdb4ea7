"""Orchestration: definitions, partitions, jobs, automation. No maths, no thresholds, no paths."""
