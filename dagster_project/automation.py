"""When an asset is materialized again: when a data version changed, never on a mere event."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

_AC = dg.AutomationCondition

# `eager()` fires on every upstream materialization; this one only when its DVC hash changed.
ON_NEW_DATA: dg.AutomationCondition = (
    (
        (_AC.any_deps_match(_AC.data_version_changed()) | _AC.code_version_changed())
        | _AC.missing().newly_true()
    ).since(_AC.newly_requested() | _AC.newly_updated())
    & ~_AC.any_deps_missing()
    & ~_AC.any_deps_in_progress()
    & ~_AC.in_progress()
).with_label("data version changed")

RETRAINED_WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)
