"""Measurements of time and memory.

`explorer` times the pages of `p4d explore` at 100,000 questions; `overview` times the whole pipeline after `make demo`; `training` times steps, labelling and data
loading; `evaluation` times the evaluator; `durability` and `audit` time publishing, verification
and look-ups on synthetic projects; `memory` computes the needs of published model sizes. Each runs
as `python -m benchmarks.speed.NAME`.
"""
