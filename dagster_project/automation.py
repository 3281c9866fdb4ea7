"""When the automation sensor requests an asset: when a data or code version changed.

Automation labels: it requests the per-shard stages, from videos to questions, and their checks. The
expert, the release and what follows it are trained on purpose, by the jobs `train_expert` and
`retrain`, so no new video starts a training.

`landing_sensor` requests the stages of a new shard, once. Automation requests again what was made
before. So no shard is requested twice.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from p4d.pipeline import STAGES, Stage

_AC = dg.AutomationCondition

_SOURCES = dg.AssetSelection.assets("inbox")  # never materialized

LABELLED = dg.AssetSelection.assets(*(stage.name for stage in STAGES if stage.per_shard))
"""What automation may request."""

RETRAINED_WEEKLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=15), warn_window=timedelta(days=8)
)

# As `all_deps_blocking_checks_passed`, but a version that was published without Dagster has no
# check there. The publisher reads the recorded checks, and blocks such an input if one failed.
_CHECKED = _AC.all_checks_match(
    _AC.check_passed() | _AC.will_be_requested() | _AC.missing(), blocking_only=True
).with_label("blocking checks passed")


def on_new_data(stage: Stage) -> dg.AutomationCondition | None:
    """The automation condition of a stage's asset; None for a stage without shards.

    `eager()` fires on every event upstream. This condition fires when a data version upstream or
    the stage's own code version changed, and not while a blocking check upstream has failed or is
    running.

    A correction (see `dagster_project.reconcile`) keeps the data version, so it requests nothing.
    """
    if not stage.per_shard:
        return None
    trigger = (
        _AC.any_deps_match(_AC.data_version_changed()).ignore(_SOURCES) | _AC.code_version_changed()
    )
    return (
        trigger.since(_AC.newly_requested() | _AC.newly_updated())
        & ~_AC.any_deps_missing().ignore(_SOURCES)
        & _AC.all_deps_match(_CHECKED).ignore(_SOURCES)
        & ~_AC.any_deps_in_progress()
        & ~_AC.in_progress()
    ).with_label("data or code version changed")
