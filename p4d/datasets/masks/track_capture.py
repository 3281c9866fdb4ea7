"""A capture of a video whose objects are tracks of run lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p4d.datasets.capture import Capture, CapturedFrame, CapturedObject, Terms
from p4d.datasets.masks.tracks import MaskTrack, annotated_frames, draw_tracks


@dataclass(frozen=True, kw_only=True)
class TrackedVideo:
    """Pictures with tracks.

    Attributes:
        times_ns, times, size_px: of the pictures, as in `Capture`.
        picture: reads the frame at an index.
        tracks: objects; the keys of their segmentations are numbers of frames.
        numbers: of the pictures, in the dataset's own count of frames.
        file_name: of the annotations, for errors.
    """

    times_ns: NDArray[np.int64]
    times: Literal["measured", "declared"]
    size_px: tuple[int, int]
    picture: Callable[[int], NDArray[np.uint8]]
    tracks: Sequence[MaskTrack]
    numbers: Sequence[int]
    file_name: str

    def frame(self, index: int) -> CapturedFrame:
        """A picture and its ids. A frame that no track has an entry for is not labelled."""
        rgb = self.picture(index)
        number = self.numbers[index]
        if number not in self._annotated:
            return CapturedFrame(rgb_hw3=rgb)
        ids, problems = draw_tracks(self.file_name, self.tracks, number, self.size_px[::-1])
        return CapturedFrame(rgb_hw3=rgb, instance_hw=ids, problems=problems)

    def __post_init__(self) -> None:
        """Find the frames that anybody labelled."""
        object.__setattr__(self, "_annotated", annotated_frames(self.tracks))

    _annotated: frozenset[int] = frozenset()


def capture_of(
    video: TrackedVideo,
    *,
    dataset: str,
    sequence: str,
    source: str,
    terms: Terms,
    notes: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> Capture:
    """The capture of a video. Objects are called what their class is, or nothing."""
    frames = len(video.times_ns)
    strays = sorted(annotated_frames(video.tracks) - set(video.numbers))
    if strays:
        problems = (
            *problems,
            f"{video.file_name}: labels {len(strays)} frame(s) that the video of {frames} frames "
            f"does not have, such as {strays[0]}; left out",
        )
    return Capture(
        dataset=dataset,
        sequence=sequence,
        source=source,
        terms=terms,
        times_ns=video.times_ns,
        times=video.times,
        size_px=video.size_px,
        frame=video.frame,
        objects=tuple(
            CapturedObject(id=each.id, name=each.category, category=each.category)
            for each in video.tracks
        ),
        notes=tuple(notes),
        problems=tuple(problems),
    )
