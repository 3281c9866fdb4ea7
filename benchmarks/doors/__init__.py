"""Measures the doors: datasets in, teachers, training data out.

`python -m benchmarks.doors [PART ...]` runs the named parts, or all, and writes each under its key
of `benchmarks/results/doors.json`, with the machine and the commit. A part is a module beside this
text with a function `measure`; `part.py` says what it is given and what it returns.
"""
