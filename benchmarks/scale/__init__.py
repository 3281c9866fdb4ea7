"""Measurements of scale: many shards, many processes, many machines.

`python -m benchmarks.scale PART` measures one part and merges it into
benchmarks/results/scale.json. `growth` uses projects of trivial stages; `overhead` and `local` use
a copy of a finished project and new simulated videos in it, `labels` its largest shard; `pages` an
instance of Dagster filled with events like those of a finished project. Each part
records the commit and the load of the machine beside its figures (`measured`): figures that were
taken while other work ran say so.
"""
