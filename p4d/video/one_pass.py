"""Everything that is read from the pictures of a video, in one pass over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p4d.config import ClipsParams, ShotsParams
from p4d.video.clip_plans import plan_clips
from p4d.video.decoding.budget import FileBudget
from p4d.video.decoding.container import open_video
from p4d.video.decoding.decode import Timeline, TimelineRecorder, frames_of
from p4d.video.decoding.probe import Probe, described
from p4d.video.sampling import GridSampler
from p4d.video.shots import Shot, ShotRecorder


@dataclass(frozen=True, kw_only=True)
class ReadVideo:
    """A video that was decoded from its first frame to its last.

    Attributes:
        samples_nhw3: u8 [n, S, S, 3], the frames that its clips sample.
        sample_index: i64 [n], their numbers, increasing.
    """

    seen: Probe
    timeline: Timeline
    shots: tuple[Shot, ...]
    samples_nhw3: np.ndarray
    sample_index: np.ndarray


def read_video(path: Path, budget: FileBudget, clips: ClipsParams, shots: ShotsParams) -> ReadVideo:
    """Decode a video strictly and whole, and keep what the stages behind need of it.

    Raises:
        DecodeError: unreadable or damaged, or over budget; see `decode`.
    """
    times, recorder, sampler = TimelineRecorder(budget), ShotRecorder(shots), GridSampler(clips)
    seen = None
    with open_video(path, budget) as opened:
        for frame in frames_of(opened, budget):
            seen = seen or described(opened, frame)
            times.add(frame)
            recorder.add(frame)
            sampler.add(frame)
    timeline = times.timeline()
    assert seen is not None  # a timeline without a frame raised
    found = tuple(recorder.shots())
    duration_ns = timeline.end_ns - int(timeline.pts_ns[0])
    plans = plan_clips(timeline.pts_ns, duration_ns, found, clips)
    wanted = sorted({index for plan in plans if not plan.problem for index in plan.frame_index})
    return ReadVideo(
        seen=seen,
        timeline=timeline,
        shots=found,
        samples_nhw3=sampler.pictures(wanted, path, budget),
        sample_index=np.array(wanted, np.int64),
    )
