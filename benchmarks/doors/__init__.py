"""Measures the doors: datasets in, teachers, training data out.

`python -m benchmarks.doors [PART ...]` runs the named parts, or all, and writes each under its key
of `benchmarks/results/doors.json`, with the machine and the commit. `make doors` runs the journey,
then the others on the project that it leaves (docs/doors.md). A part is a module beside this
text with a function `measure`; `part.py` says what it is given and what it returns.
"""
