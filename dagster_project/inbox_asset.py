"""The inbox as a source in the graph: people drop files there, and the first stage takes them.

No run makes it, and Dagster gives it one version for ever: a shard is closed, so a file that comes
later changes nothing for the shards that exist.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from dagster_project.asset_page import group_of
from dagster_project.dagster_internals import SOURCE_VERSION
from p4d.pipeline import Stage, stage_named
from p4d.project import Project

INBOX = "inbox"

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
