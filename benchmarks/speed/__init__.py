"""Measurements of time and memory.

`training` times steps, labelling and data loading; `questions` times the stages `facts` and
`questions`; `expert` times its labels; `evaluation` times the evaluator, and `packing` its rows of
several questions; `ui` times Dagster's pages and backfills, `explorer` the explorer's pages at
100,000 questions; `durability` and `audit` time publishing, verification and look-ups on synthetic
projects; `memory` computes the needs of published model sizes. Each runs as
`python -m benchmarks.speed.NAME`.
"""
