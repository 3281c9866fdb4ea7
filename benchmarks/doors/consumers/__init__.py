"""Programs that load an export with a consumer's own code, one per consumer.

Each runs in an environment of that consumer alone (`benchmarks/doors/exports.py` says which),
without p4d. It takes the folder, compares what the consumer gives with the files, and prints
`{"rows": ..., "equal": ...}` as its last line.
"""
