"""What the gates of stage `clips` find in the truth of one video that a dataset became."""

from pathlib import Path

import numpy as np

from benchmarks.reality.conventions import caught
from p4d.truth import path_for, read
from p4d.truth.fit import fits_of
from p4d.video.appearance import area_mean
from p4d.video.decoding.decode import decode
from p4d.worlds.fit import Fit

SIDE_PX, CLIP_FRAMES, STEP_S = 64, 8, 0.25


def found_in(video: Path) -> tuple[set[str], dict[str, Fit]]:
    """What the gates name, and the fits by reading, of the first two seconds."""
    truth = read(path_for(video))
    indices = np.searchsorted(truth.pts_ns, STEP_S * 1e9 * np.arange(CLIP_FRAMES) - 1e6)
    assert indices[-1] < len(truth.pts_ns), "the video is shorter than a clip"
    pictures = [frame.rgb() for frame in decode(video)]
    rgb = np.stack([area_mean(pictures[i], SIDE_PX, SIDE_PX) for i in indices])
    fits = {fit.reading: fit for fit in fits_of(truth, indices, rgb)}
    rows = [
        {"clip_id": "clip", "video_id": "vid", "reading": fit.reading, "coverage": fit.coverage,
         "error_levels": fit.error_levels.tolist()}
        for fit in fits.values()
    ]  # fmt: skip
    return set.union(*caught(rows)), fits
