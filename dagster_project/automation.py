"""When the automation sensor requests an asset: when a data or code version changed.

Who requests what: `landing_sensor` requests the stages of a new shard, once; automation requests
again what was made before, and makes what needs no shard. So no shard is requested twice.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from p4d.pipeline import STAGES, Stage

_AC = dg.AutomationCondition

RETRAINED_WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)


def on_new_data(stage: Stage) -> dg.AutomationCondition:
    """The automation condition of a stage's asset.

    `eager()` fires on every event upstream. This condition fires when a data version upstream or
    the stage's own code version changed, and not while a blocking check upstream has failed or is
    running. A fan-in (a stage without shards that reads per-shard stages) does not wait for blocked
    shards, as it leaves them out.

    A correction (see `dagster_project.reconcile`) keeps the data version, so it requests nothing.
    """
    trigger = _AC.any_deps_match(_AC.data_version_changed()) | _AC.code_version_changed()
    missing, checked = _AC.any_deps_missing(), _AC.all_deps_match(_CHECKED)
    if not stage.per_shard:
        trigger |= _AC.missing().newly_true()
        per_shard = dg.AssetSelection.assets(*(s.name for s in STAGES if s.per_shard))
        missing, checked = missing.ignore(per_shard), checked.ignore(per_shard)
    return (
        trigger.since(_AC.newly_requested() | _AC.newly_updated())
        & ~missing
        & checked
        & ~_AC.any_deps_in_progress()
        & ~_AC.in_progress()
    ).with_label("data or code version changed")


# As `all_deps_blocking_checks_passed`, but a version that was published without Dagster has no
# check there. The publisher reads the recorded checks, and blocks such an input if one failed.
_CHECKED = _AC.all_checks_match(
    _AC.check_passed() | _AC.will_be_requested() | _AC.missing(), blocking_only=True
).with_label("blocking checks passed")
