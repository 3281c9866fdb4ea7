"""Which stored files must not leave a project: pictures of videos whose terms forbid it.

`p4d.origins.withheld` decides by video. Landing gives such videos shards of their own, so here the
decision holds for a shard, and for every stage that keeps pictures or maps of it. Tables stay free:
they hold ids, times, numbers and texts. With them and the dataset, the rest can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping

from p4d.artifacts import read_json
from p4d.errors import PublishError
from p4d.origins import TABLE, Origin, read_origin_table, withheld
from p4d.project import Project
from p4d.versioning.dvc import cache as dvc_store
from p4d.versioning.ledger.ledger import Ledger

PICTURE_STAGES = ("videos", "clips", "labels", "regions")
"""Per-shard stages whose files show the videos, or depth and latents of them."""

PROBE_FILES = ("probes.safetensors", "looks.safetensors")
"""Files of an arm that show some frames of the release, whatever shards it took them from."""


def withheld_shards(project: Project) -> dict[str, str]:
    """The shards whose pictures stay here, each with the reason.

    The manifest of a shard states it, and so does every version of its videos, also of a shard
    that was removed since.
    """
    reasons: dict[str, str] = {}
    for shard in project.shards():
        path = project.shards_dir / f"{shard}.json"
        if path.is_file():
            rows = read_json(path)["files"]
            stated = {row["file_id"]: Origin.of(row.get("origin", {})) for row in rows}
            for why in withheld(stated).values():
                reasons[shard] = why
    for record in Ledger(project).records("materialization"):
        of = record.get("shard")
        if record["stage"] == "videos" and of and of not in reasons:
            for why in withheld(_recorded_origins(project, record["md5"])).values():
                reasons[of] = why
    return reasons


def withheld_objects(project: Project) -> dict[str, str]:
    """Objects of the cache that must not leave, each with the file that it is and the reason.

    Content that an artifact without such terms holds as well is among them: it is the same picture.
    """
    reasons = withheld_shards(project)
    found: dict[str, str] = {}
    for record in Ledger(project).records("materialization") if reasons else ():
        shard = record.get("shard")
        for file, oid in _files(project, record["md5"]):
            if record["stage"] in PICTURE_STAGES and shard in reasons and not _is_table(file):
                found[oid] = f"{record['path']}/{file}: {reasons[shard]}"
            elif record["stage"].startswith("student_") and file in PROBE_FILES:
                why = "may show frames of videos whose terms forbid redistribution"
                found[oid] = f"{record['path']}/{file}: {why}"
    return found


def _is_table(file: str) -> bool:
    return file.endswith((".parquet", ".json", ".csv"))


def _files(project: Project, md5: str) -> list[tuple[str, str]]:
    """Name and object of each file of a version; none if the list of them is not in the cache."""
    try:
        return [(name, oid) for name, oid in dvc_store.objects_of(project.root, md5) if name]
    except PublishError:
        return []


def _recorded_origins(project: Project, md5: str) -> Mapping[str, Origin]:
    """What a version of `videos` states; nothing if it, or its table, is not in the cache."""
    oid = dict(_files(project, md5)).get(TABLE)
    stored = dvc_store.object_path(project.root, oid) if oid else None
    return read_origin_table(stored) if stored and stored.is_file() else {}
