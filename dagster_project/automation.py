"""When an asset is materialized again: when a data version changed, never on a mere event."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from p4d.pipeline import STAGES, Stage

_AC = dg.AutomationCondition

RETRAINED_WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)


def on_new_data(stage: Stage) -> dg.AutomationCondition:
    """The condition of one stage's asset.

    `eager()` fires on every upstream materialization; this one only when its DVC hash changed. What
    reads all shards does not wait for a shard that a gate holds back.
    """
    missing = _AC.any_deps_missing()
    if not stage.per_shard:
        per_shard = [s.name for s in STAGES if s.per_shard]
        missing = missing.ignore(dg.AssetSelection.assets(*per_shard))
    return (
        (
            (_AC.any_deps_match(_AC.data_version_changed()) | _AC.code_version_changed())
            | _AC.missing().newly_true()
        ).since(_AC.newly_requested() | _AC.newly_updated())
        & ~missing
        & ~_AC.any_deps_in_progress()
        & ~_AC.in_progress()
    ).with_label("data version changed")
