"""Dagster assets, one function per stage, one module per part of the flow.

Each function has its stage run: for one shard (`shard_stage`), or for all data (`stage_asset`). Its
docstring is shown in the UI below the description of the stage. Everything else about an asset is
derived from `p4d.pipeline` by `dagster_project`. Nothing is computed here; checks, jobs and sensors
are in `dagster_project`. A test compares these assets with the stage table.
"""
