"""Measurements of this repository: its method, its questions and its speed.

Not to be confused with `p4d.evaluation.benchmarks`, which reads the test sets that any model is
evaluated on. Here `distillation/` compares SFT and P4D, `questions/` counts questions, checks them
for leaks and calibrates their facts, and `speed/` times training, evaluation, publishing and the
audit. `synthetic/` makes large projects without computing them. Figures are recorded in `results/`
with machine and commit. Start with `distillation/`.
"""
