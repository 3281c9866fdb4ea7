"""The only user of Dagster's private API.

Dagster has no public way to ask whether an asset is stale, to report the provenance of a version
that no run made, to record many partitions in one step, to delete what a deleted run leaves, to
free the pool slots of a run whose process died, to put a middleware before the webserver, or to
switch several sensors at once. Private names may change in any release, so pyproject.toml pins
`dagster` exactly, and
`tests/dagster_project/test_dagster_internals.py` checks every name here against a real run.
"""

from dagster_project.dagster_internals.events import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    SOURCE_VERSION,
    AssetGraph,
    CheckTarget,
    Staleness,
    check_target,
    latest_materialization,
    latest_tags,
    read_inputs,
    recorded_outputs,
    version_tags,
)
from dagster_project.dagster_internals.history import (
    delete_old_reports,
    delete_run,
    latest_event_ids,
)
from dagster_project.dagster_internals.runs import (
    free_pool_slots,
    initialize_pools,
    run_here,
)
from dagster_project.dagster_internals.ui import (
    CodeLocation,
    code_server,
    load_switches,
    open_webserver,
    run_daemon,
)

__all__ = [
    "CODE_VERSION_TAG",
    "DATA_VERSION_TAG",
    "SOURCE_VERSION",
    "AssetGraph",
    "CheckTarget",
    "CodeLocation",
    "Staleness",
    "check_target",
    "code_server",
    "delete_old_reports",
    "delete_run",
    "free_pool_slots",
    "initialize_pools",
    "latest_event_ids",
    "latest_materialization",
    "latest_tags",
    "load_switches",
    "open_webserver",
    "read_inputs",
    "recorded_outputs",
    "run_daemon",
    "run_here",
    "version_tags",
]
