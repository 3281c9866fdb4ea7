"""Where the clips of a video lie and which frames they sample, before any picture is made.

All clips of a video stand on one grid of instants, `grid_hz` per second from its first picture on.
Within a shot they follow one another from the first instant of the shot; none crosses a cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from p4d.config import ClipsParams
from p4d.video.shots import Shot, Transition

BEYOND_END = "reaches beyond the end of the video"


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """The interval of a clip in its video and the frames that it samples.

    Attributes:
        start_ns, end_ns: absolute in the video.
        frame_index, frame_pts_ns: source frames; empty if the clip does not fit into its shot.
        problem: why there can be no clip here, or None.
    """

    start_ns: int
    end_ns: int
    frame_index: tuple[int, ...] = ()
    frame_pts_ns: tuple[int, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class SampleGrid:
    """The instants at which a video is sampled.

    Attributes:
        origin_ns: time of the first picture.
        clips: frames per clip and rate of the grid.
    """

    origin_ns: int
    clips: ClipsParams

    def instant_ns(self, number: int) -> int:
        """The instant of this number, from 0; whole clips are whole numbers of nanoseconds."""
        clip, sample = divmod(number, self.clips.frames)
        step_ns = round(sample * 1e9 / self.clips.grid_hz)
        return self.origin_ns + clip * self.clips.length_ns + step_ns

    def shown_until_ns(self, number: int) -> int:
        """A frame with a time up to this one is shown at the instant.

        One nanosecond of slack, because times and grid are rounded separately.
        """
        return self.instant_ns(number) + 1

    def first_from(self, time_ns: int) -> int:
        """Number of the first instant at which a frame of this time is shown."""
        number = max(0, int((time_ns - self.origin_ns) * self.clips.grid_hz / 1e9) - 1)
        while self.shown_until_ns(number) < time_ns:
            number += 1
        return number


@dataclass(frozen=True)
class _Room:
    """The clips that fit into one shot, and what is left of it."""

    first: int
    full: int
    rest_ns: int
    ends_in: Transition | None
    problem: str


def plan_clips(
    pts_ns: np.ndarray, duration_ns: int, shots: Sequence[Shot], params: ClipsParams
) -> Iterator[ClipPlan]:
    """Plan the clips of a video.

    With `span: video` there is one, over all shots; the next paragraph describes `span: grid`.

    Clip k of a shot covers [start, start + length) with start = first instant + k * length. Sample
    i is the frame shown at start + i / grid_hz: the last one with pts at or before that instant. If
    there are more than `max_clips_per_video` clips, that many are taken, spread evenly. Otherwise
    the rest of each shot is planned too, with its problem.

    Args:
        pts_ns: i64 [n], increasing.
        duration_ns: from the first pts to the end of the last frame.
        shots: parts of the video, by frame numbers.
        params: grid, frames per clip, limits.

    """
    if params.span == "video":
        yield _whole_video(pts_ns, duration_ns, params)
        return
    grid = SampleGrid(origin_ns=int(pts_ns[0]), clips=params)
    tolerance_ns = end_tolerance_ns(pts_ns, params)
    rooms = [_room(grid, pts_ns, duration_ns, shot, tolerance_ns) for shot in shots]
    numbers = [(room, k) for room in rooms for k in range(room.full)]
    full, most = len(numbers), params.max_clips_per_video
    if full > most:
        numbers = [numbers[k * full // most] for k in range(most)]
    left = most - len(numbers)
    for room in rooms:
        yield from (_plan(grid, pts_ns, each, k) for each, k in numbers if each is room)
        least_ns = 0 if room.ends_in else 2 * tolerance_ns
        if left > 0 and room.rest_ns > least_ns:
            left -= 1
            start_ns = grid.instant_ns(room.first + room.full * params.frames)
            yield ClipPlan(
                start_ns=start_ns, end_ns=start_ns + params.length_ns, problem=room.problem
            )


def _whole_video(pts_ns: np.ndarray, duration_ns: int, params: ClipsParams) -> ClipPlan:
    """One clip whose frames lie at equal steps of frame numbers, first and last included."""
    start_ns = int(pts_ns[0])
    if len(pts_ns) < params.frames:
        problem = f"fewer than {params.frames} frames"
        return ClipPlan(start_ns=start_ns, end_ns=start_ns + duration_ns, problem=problem)
    at = np.linspace(0, len(pts_ns) - 1, params.frames).astype(np.int64)
    return ClipPlan(
        start_ns=start_ns,
        end_ns=start_ns + duration_ns,
        frame_index=tuple(int(i) for i in at),
        frame_pts_ns=tuple(int(pts_ns[i]) for i in at),
    )


def end_tolerance_ns(pts_ns: np.ndarray, params: ClipsParams) -> int:
    """How much the last clip may lack: how long a last frame is shown is known to half a frame."""
    half_frame_ns = int(pts_ns[-1] - pts_ns[0]) // (2 * max(1, len(pts_ns) - 1))
    return min(half_frame_ns, round(params.max_end_tolerance_s * 1e9))


def _room(
    grid: SampleGrid, pts_ns: np.ndarray, duration_ns: int, shot: Shot, tolerance_ns: int
) -> _Room:
    first = grid.first_from(int(pts_ns[shot.first]))
    start_ns = grid.instant_ns(first)
    if shot.ends_in is None:
        end_ns = grid.origin_ns + duration_ns + tolerance_ns
        problem = BEYOND_END
    else:
        end_ns = int(pts_ns[shot.end])
        problem = _where(shot.ends_in, pts_ns)
    full, rest_ns = divmod(max(0, end_ns - start_ns), grid.clips.length_ns)
    return _Room(first, full, rest_ns, shot.ends_in, problem)


def _where(transition: Transition, pts_ns: np.ndarray) -> str:
    def seconds(frame: int) -> str:
        return f"{(int(pts_ns[min(frame, len(pts_ns) - 1)]) - int(pts_ns[0])) / 1e9:.2f} s"

    if transition.kind == "cut":
        return f"reaches over the cut at {seconds(transition.first)}"
    return (
        f"reaches into the {transition.kind} from {seconds(transition.first)} "
        f"to {seconds(transition.end)}"
    )


def _plan(grid: SampleGrid, pts_ns: np.ndarray, room: _Room, k: int) -> ClipPlan:
    params = grid.clips
    first = room.first + k * params.frames
    start_ns = grid.instant_ns(first)
    until_ns = [grid.shown_until_ns(first + i) for i in range(params.frames)]
    at = np.searchsorted(pts_ns, np.array(until_ns), side="right") - 1
    first_age_ns = start_ns - int(pts_ns[at[0]])
    is_in_time = first_age_ns <= round(params.max_first_age_s * 1e9)
    fits = is_in_time and bool((np.diff(at) > 0).all())
    return ClipPlan(
        start_ns=start_ns,
        end_ns=start_ns + params.length_ns,
        frame_index=tuple(int(i) for i in at),
        frame_pts_ns=tuple(int(pts_ns[i]) for i in at),
        problem=None if fits else "too few frames for the time grid",
    )
