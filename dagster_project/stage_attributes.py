"""What an asset takes from the declaration of its stage, whichever op makes it."""

from __future__ import annotations

from typing import Any

from dagster_project import asset_page
from dagster_project.automation import RETRAINED_WEEKLY, on_new_data
from dagster_project.inbox_asset import sources
from dagster_project.partitions import SHARDS
from p4d.pipeline import Stage


def attributes(stage: Stage, text: str | None) -> dict[str, Any]:
    """Arguments of `dagster.asset` and `dagster.AssetSpec`.

    Args:
        stage: the declaration.
        text: what a run does, in words.
    """
    return {
        "deps": [*sources(stage), *stage.inputs],
        "group_name": asset_page.group_of(stage.group),
        "description": asset_page.description(stage, text),
        "partitions_def": SHARDS if stage.per_shard else None,
        "automation_condition": on_new_data(stage),
        "freshness_policy": RETRAINED_WEEKLY if stage.name == "champion" else None,
        "kinds": asset_page.kinds(stage),
        "owners": asset_page.owners(stage),
        "tags": asset_page.tags(stage),
    }
