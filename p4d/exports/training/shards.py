"""Clips with their questions as tar archives, as `webdataset` reads them.

A sample is one clip: `CLIP.json`, `CLIP.mp4`, `CLIP.png`, side by side. Members are sorted, and
have no time and no owner, so equal exports give equal archives.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from p4d.atomic import replacing
from p4d.exports.source import ReleasedClip
from p4d.exports.training.media import marks_name, video_name

MAX_BYTES = 256 * 2**20
"""An archive gets no further clip beyond this size."""


def write_shards(
    folder: Path, split: str, clips: Sequence[ReleasedClip], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write `webdataset/SPLIT-000000.tar` and so on, of media that are in `folder`.

    Args:
        folder: of the export.
        split: of the clips.
        clips: with their media in `folder`; a clip without questions is a sample as well.
        rows: of the split.
    """
    asked: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        asked[row["clip_id"]].append(row)
    target = folder / "webdataset"
    target.mkdir(exist_ok=True)
    for number, part in enumerate(_parts(folder, clips)):
        with (
            replacing(target / f"{split}-{number:06d}.tar") as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for clip in part:
                text = json.dumps(
                    {"clip_id": clip.clip_id, "split": split, "rows": asked[clip.clip_id]},
                    ensure_ascii=False,
                )
                _add(archive, f"{clip.clip_id}.json", text.encode())
                _add(archive, f"{clip.clip_id}.mp4", (folder / video_name(clip)).read_bytes())
                _add(archive, f"{clip.clip_id}.png", (folder / marks_name(clip)).read_bytes())


def _parts(folder: Path, clips: Sequence[ReleasedClip]) -> Iterator[list[ReleasedClip]]:
    part: list[ReleasedClip] = []
    nbytes = 0
    for clip in sorted(clips, key=lambda each: each.clip_id):
        if part and nbytes > MAX_BYTES:
            yield part
            part, nbytes = [], 0
        part.append(clip)
        nbytes += sum((folder / name(clip)).stat().st_size for name in (video_name, marks_name))
    if part:
        yield part


def _add(archive: tarfile.TarFile, name: str, payload: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and group are 0
    member.size, member.mode = len(payload), 0o644
    archive.addfile(member, io.BytesIO(payload))
