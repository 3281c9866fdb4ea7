"""Where the explorer shows an artifact: for links on the assets' pages of the Dagster UI."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from p4d.loopback import HOST
from p4d.versioning.files.artifact_key import ArtifactKey

PORT = 3001
"""Beside the Dagster UI, which has 3000."""

_PAGES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "videos": ("/videos", {}),
    "clips": ("/clips", {}),
    "labels": ("/clips", {"measure": "depth_absrel"}),
    "regions": ("/clips", {}),
    "facts": ("/clips", {}),
    "questions": ("/questions", {}),
    "release": ("/questions", {"standing": "released"}),
    "evaluation": ("/", {}),
    "student_sft": ("/questions", {"arm_sft": "wrong"}),
    "student_p4d": ("/questions", {"arm_p4d": "wrong"}),
    "student_blind": ("/questions", {"arm_blind": "wrong"}),
}
"""By stage, the list that shows its rows, and the filters that are set."""


def page_of_artifact(key: ArtifactKey, port: int = PORT) -> str:
    """The URL that shows an artifact while `p4d explore` runs: its rows, else its lineage."""
    path, query = _PAGES.get(key.stage, ("/lineage", {"id": str(key)}))
    if key.shard is not None and path != "/lineage":
        query = {**query, "shard": key.shard}
    text = urlencode(query)
    return f"http://{HOST}:{port}{path}{f'?{text}' if text else ''}"
