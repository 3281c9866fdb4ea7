"""The blocked shards: which shards a fan-in leaves out because a check failed.

`shards/blocked.yaml` maps each blocked shard to the stages whose artifact failed a blocking check,
and to the names of those checks. It is an input of every stage that reads all shards, as
`shards/index.yaml` is, so that DVC, Dagster and p4d see in the same way that such a stage is stale
when a shard becomes blocked or is no longer blocked. Recording checks rewrites it, see
`check_records`. A missing file means that no shard is blocked.

It holds no hashes: a new version that fails the same checks leaves the file as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from p4d.errors import ConfigError
from p4d.pipeline import Stage
from p4d.project import Project
from p4d.versioning.dvc.pipeline_file import BLOCKED_LIST, SHARD_LIST
from p4d.versioning.files.hashes import Digest

Blocked = Mapping[str, Mapping[str, Sequence[str]]]
"""Failed blocking checks, by shard and stage."""


def render(blocked: Blocked) -> str:
    """The text of `shards/blocked.yaml`, in one form only: sorted, in blocks."""
    if not blocked:
        return "blocked: {}\n"
    plain = {
        shard: {stage: sorted(checks) for stage, checks in stages.items()}
        for shard, stages in blocked.items()
    }
    return yaml.safe_dump({"blocked": plain}, default_flow_style=False)


def read_blocked(project: Project) -> Blocked:
    """The blocked shards as the file has them.

    Raises:
        ConfigError: the file is not in the form of `render`.
    """
    path = project.root / BLOCKED_LIST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise _damaged(str(error)) from error
    try:
        blocked: Blocked = yaml.safe_load(text)["blocked"]
        if render(blocked) != text:
            raise _damaged("it is not in the form that p4d writes")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(str(error)) from error
    return blocked


def ensure_file(root: Path) -> None:
    """Write an empty list if there is a list of shards but none of blocked ones: DVC needs both."""
    path = root / BLOCKED_LIST
    if (root / SHARD_LIST).is_file() and not path.exists():
        path.write_bytes(_EMPTY)


def ensure_tracked(root: Path, stages: Sequence[Stage]) -> None:
    """Make the folders that people fill and a stage reads; an older project lacks some.

    DVC cannot run a stage of which an input is missing.
    """
    for stage in stages:
        for name in stage.tracked:
            (root / name).mkdir(exist_ok=True)


def reason(stages: Mapping[str, Sequence[str]]) -> str:
    """Why a shard is blocked, for messages and for the manifest of a release."""
    return "; ".join(f"{stage} failed {', '.join(checks)}" for stage, checks in stages.items())


def _damaged(why: str) -> ConfigError:
    in_one_line = " ".join(why.split())
    return ConfigError(
        f"{BLOCKED_LIST} is damaged ({in_one_line}); restore it from git, or delete it: the next "
        "run writes it again from the recorded checks"
    )


_EMPTY = render({}).encode()
EMPTY_DIGEST = Digest(hashlib.md5(_EMPTY, usedforsecurity=False).hexdigest(), len(_EMPTY))
"""What a missing file counts as."""
