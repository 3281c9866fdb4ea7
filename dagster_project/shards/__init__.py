"""The per-shard stages as one op: any number of shards in one run, each on its own.

Dagster starts a process for every run, which costs 10 s and more, so a run takes many shards. In it
a shard stands alone: it has its own materializations, checks, failures and log lines. A shard that
fails, or that a blocking check stops, stops only its own later stages. The others are published and
reported, and the run ends failed with the names of the shards. To run again costs what is missing.

`stage.py` declares the asset of a per-shard stage, `definition.py` joins them, `runs.py` runs the
shards. `failures.py` passes the failed artifacts on. Read `runs.py` first.
"""
