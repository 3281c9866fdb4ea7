"""Which source gives the regions of a clip, on videos whose truth has masks of some frames."""

import dataclasses

import numpy as np
import pytest

from p4d import truth as partial
from p4d.artifacts import Arrays, read_table
from p4d.questions.regions.selection import select_regions
from p4d.questions.regions.sources import TrackSource
from p4d.standalone import run_stages
from p4d.truth import PartialTruth, SeenObject
from p4d.video.landing import land
from tests.questions.regions.test_flow import _clip
from tests.video.media import make_project, write_video

FPS, PIXELS = 14, slice(50, 74)


def _masks(known):
    """Masks of the square that `_clip` moves, in the frames that are known."""
    masks = []
    for t in range(29):
        mask = np.zeros((144, 192), np.uint8)
        mask[PIXELS, 30 + 3 * t : 54 + 3 * t] = 1
        masks.append(mask if known(t) else None)
    return masks


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Two videos of one moving square: one with masks of all frames, one with a single mask."""
    root = tmp_path_factory.mktemp("sources")
    project = make_project(root)
    for name, known in {"all": lambda t: True, "one": lambda t: t == 0}.items():
        pictures = _clip(((30, 50), (3, 0)), background=1 if name == "all" else 2)
        video = write_video(
            project.inbox / f"{name}.mp4", frames=29, fps=FPS, size=(192, 144),
            draw=lambda t, width, height, pictures=pictures: pictures[t],
        )  # fmt: skip
        truth = PartialTruth(
            pts_ns=np.arange(29) * 1_000_000_000 // FPS, width_px=192, height_px=144,
            instances=_masks(known), objects=(SeenObject(instance=1, name="square"),),
        )  # fmt: skip
        partial.write(partial.path_for(video), truth)
    assert land(project).accepted == 2
    (name,) = project.shards()
    run_stages(root, project.params, ("videos", "clips"), [name])
    return project, root / "clips" / name, root / "videos" / name


def test_flow_finds_the_regions_where_the_masks_of_the_truth_are_too_few(shard):
    project, clips, videos = shard
    params = dataclasses.replace(project.params.regions, sources=("truth", "flow"))
    names = dict(read_table(videos / "videos.parquet").select("video_id", "name").iter_rows())
    frames = Arrays(clips / "frames.safetensors")
    tracks_of = TrackSource(clips, clips.parent / "labels", lambda: videos, params)
    found = {}
    for clip in read_table(clips / "clips.parquet").filter(outcome="ok").to_dicts():
        tracks = tracks_of(clip, frames[f"{clip['clip_id']}.rgb_thw3"])
        kept = [r for r in select_regions(clip["clip_id"], tracks, params) if r.mark is not None]
        found[names[clip["video_id"]].removesuffix(".mp4")] = {one.track.source for one in kept}
    assert found == {"all": {"truth"}, "one": {"flow"}}
