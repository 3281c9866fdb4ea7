"""Measurements of the questions: numbers and balance, leaks, marks, and calibration of facts.

All of them merge their figures into benchmarks/results/questions.json: `counts`, `leakage`, `marks`
and `calibration`, each run as `python -m benchmarks.questions.NAME`.
"""
