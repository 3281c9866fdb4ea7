"""Dagster assets, one function per stage, one module per part of the flow.

Each function calls `StageRunner.materialize`, and its docstring is shown in the UI below the
description of the stage. Everything else about an asset is derived from `p4d.pipeline` by
`dagster_project.stage_assets.stage_asset`. Nothing is computed here; checks, jobs and sensors are
in `dagster_project`. A test compares these assets with the stage table.
"""
