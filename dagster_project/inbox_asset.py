"""The inbox as a source in the graph: people drop files there, and the first stage takes them.

No run makes it. Its event says what landed last. Dagster gives it one version for ever: a shard is
closed, so a file that comes later changes nothing for the shards that exist.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from dagster_project.asset_page import group_of
from dagster_project.dagster_internals import DATA_VERSION_TAG, SOURCE_VERSION
from p4d.pipeline import Stage, stage_named
from p4d.project import Project

INBOX = "inbox"
_LATEST = "latest shard"

_TEXT = """\
The folder in which videos arrive, in any container and codec that FFmpeg reads, each with a truth
sidecar beside it if there is one.

Landing (`landing_sensor`, `make up` or `p4d land`) takes the files that are new and at rest, and
closes a shard of them. `videos` of that shard verifies each file. A damaged one is rejected with
its reason, in the table of that page, and stops no other.
"""


def sources(stage: Stage) -> list[str]:
    """Assets that no stage makes and that a stage reads."""
    return [INBOX] if stage.manifest else []


def source_versions(stage_name: str) -> Mapping[str, str]:
    """By source of a stage, the version that Dagster gives it."""
    return dict.fromkeys(sources(stage_named(stage_name)), SOURCE_VERSION)


def report_landed(instance: dg.DagsterInstance, project: Project) -> None:
    """Report on the page of the inbox what landed last, if that was not reported yet."""
    key, shards = dg.AssetKey(INBOX), project.shards()
    last = instance.get_latest_materialization_event(key)
    reported = last.asset_materialization.metadata if last and last.asset_materialization else {}
    if not shards or reported.get(_LATEST) == dg.MetadataValue.text(shards[-1]):
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=key,
            description=f"Landed up to shard {shards[-1]}.",
            metadata={
                "shards": len(shards),
                _LATEST: shards[-1],
                "its files": dg.MetadataValue.asset(dg.AssetKey("videos")),
                "path": dg.MetadataValue.path(str(project.inbox)),
            },
            tags={DATA_VERSION_TAG: SOURCE_VERSION},
        )
    )


def inbox_asset(project: Project) -> dg.AssetSpec:
    """The inbox, as an asset that is made outside of Dagster."""
    return dg.AssetSpec(
        INBOX,
        group_name=group_of("ingest"),
        description=_TEXT,
        kinds={"filesystem", "mp4"},
        owners=["team:data"],
        metadata={
            "path": dg.MetadataValue.path(str(project.inbox)),
            "dagster/uri": project.inbox.as_uri(),
        },
    )
