"""Public benchmarks and R4D-World, read from their own files into one type of item.

These are test sets that a model is evaluated on; measurements of this repository's own speed and
method are in the top-level `benchmarks/`. `item.py` defines the common types, `fields.py` reads the
loosely typed fields of a record, `published_rules.py` holds prompts and parsers of the published
evaluations, and each benchmark has one reader with `found_in(folder)` and `read(folder)`.
`registry.py` finds a benchmark by name or folder. Start with `item.py` and `r4d_bench.py`.
Downloads and scoring do not belong here: nothing is fetched, and `p4d.evaluation.scoring` scores.
"""
