"""Draws the picture of the README: a clip with its regions and labels.

`python -m p4d.display.labelled_clip SHARD CLIP OUT.png`, in a project with the labels of the exact
teacher and of the expert (`make demo`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from p4d.artifacts import Arrays, write_bytes
from p4d.display.label_maps import label_rows
from p4d.display.previews import regions_rgb
from p4d.drawing import png, sheet
from p4d.project import Project

_TEACHERS = {
    "exact": "exact truth at {t:g} s: frame, depth (near is red), backward flow, motion",
    "expert4d": "the expert, from the video alone: the same",
}
_TILE_PX = 160


def labelled_clip(project: Project, shard: str, clip_id: str) -> bytes:
    """The marked first frame with outlines at three later ones, and the last one's labels."""
    clips, regions = project.data / "clips" / shard, project.data / "regions" / shard
    rgb_thw3 = Arrays(clips / "frames.safetensors")[f"{clip_id}.rgb_thw3"]
    masks_kthw = Arrays(regions / "masks.safetensors")[f"{clip_id}.masks_kthw"]
    marked = Arrays(regions / "marks.safetensors")[f"{clip_id}.marks_hw3"]
    last = len(rgb_thw3) - 1
    step_s = 1 / project.params.clips.grid_hz
    shown = (last // 3, 2 * last // 3, last)
    times = ", ".join(f"{t * step_s:g}" for t in shown[:2]) + f" and {last * step_s:g} s"
    labels = label_rows(project.data / "labels" / shard, clip_id, list(_TEACHERS), rgb_thw3)
    return png(
        sheet(
            [
                [marked, *(regions_rgb(rgb_thw3[t], masks_kthw[:, t]) for t in shown)],
                *(labels[teacher].pictures for teacher in _TEACHERS),
            ],
            captions=[
                f"marked first frame, and the tracked regions after {times}",
                *(text.format(t=last * step_s) for text in _TEACHERS.values()),
            ],
            tile_px=_TILE_PX,
        )
    )


def main() -> None:
    """Draw one clip into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shard")
    parser.add_argument("clip")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    write_bytes(given.out, labelled_clip(Project.find(), given.shard, given.clip))


if __name__ == "__main__":
    main()
