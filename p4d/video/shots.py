"""Shots: the parts of a video between cuts, fades and dissolves, found from small grey pictures.

A clip that runs across a cut shows two scenes, and what is measured across it is about nothing. The
rule for cuts compares each change with the changes around it, because fast motion changes a picture
as much as a cut does, and does so in every frame. In a dissolve each picture is a blend of the two
at its ends, ever more of the second one; a slow pan is such a blend as well on small pictures, but
its pictures do not lose contrast as the blend of two scenes does, and its last one shows the first
one shifted. All are measured on planted transitions by `benchmarks/reality` (key `cuts`).

Sources: the adaptive rule of PySceneDetect's AdaptiveDetector, with a percentile in place of the
mean, so that doubled frames do not lower the threshold; the dip of the variance in a dissolve is
Alattar's, "Detecting and compressing dissolve regions in video sequences" (ISCAS 1993).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from p4d.config import ShotsParams
from p4d.video.decoding.picture import Frame, grey_cells


@dataclass(frozen=True)
class Transition:
    """A cut, or a fade or dissolve with its duration, by frame numbers.

    Attributes:
        kind: `cut`, `fade` or `dissolve`.
        first: first frame that no longer belongs to the shot before.
        end: first frame of the shot behind; equal to `first` for a cut.
    """

    kind: str
    first: int
    end: int


@dataclass(frozen=True)
class Shot:
    """A part of a video without a cut: frames `[first, end)`.

    Attributes:
        ends_in: the transition behind it, or None at the end of the video.
    """

    first: int
    end: int
    ends_in: Transition | None


_AT_ONCE = 64
"""Frames whose samples are averaged together: 0.3 MB of them are held."""


class ShotRecorder:
    """Collects what the rules need of each frame as it is decoded: 0.6 kB per frame."""

    def __init__(self, params: ShotsParams) -> None:
        """Nothing is recorded yet."""
        self._params = params
        self._cells: list[np.ndarray] = []
        self._samples: list[np.ndarray] = []

    def add(self, frame: Frame) -> None:
        """Record the next frame."""
        samples = frame.grey_samples()
        if len(self._samples) == _AT_ONCE or (
            self._samples and samples.shape != self._samples[0].shape  # another pixel format
        ):
            self._reduce()
        self._samples.append(samples)

    def _reduce(self) -> None:
        if self._samples:
            self._cells.append(grey_cells(self._samples))
            self._samples = []

    @property
    def grey_thw(self) -> np.ndarray:
        """The small grey pictures so far, u8 [T, 18, 32]."""
        self._reduce()
        return np.concatenate(self._cells)

    def shots(self) -> list[Shot]:
        """All shots, in order."""
        return find_shots(self.grey_thw, self._params)


def find_shots(grey_thw: np.ndarray, params: ShotsParams) -> list[Shot]:
    """The shots of a video.

    Args:
        grey_thw: u8 `[T, h, w]`, a small grey picture of every frame, T >= 1.
        params: thresholds.
    """
    shots, first = [], 0
    for transition in find_transitions(grey_thw, params):
        if transition.first > first:
            shots.append(Shot(first, transition.first, transition))
        first = max(first, transition.end)
    if first < len(grey_thw):
        shots.append(Shot(first, len(grey_thw), None))
    return shots


def find_transitions(grey_thw: np.ndarray, params: ShotsParams) -> list[Transition]:
    """Cuts, fades and dissolves, in order and without overlap."""
    found = list(_fades(grey_thw, params))
    inside = np.zeros(len(grey_thw) + 1, bool)
    for fade in found:
        inside[fade.first : fade.end + 1] = True
    cuts = [Transition("cut", t, t) for t in _cuts(grey_thw, params) if not inside[t]]
    found += cuts
    inside[[cut.first for cut in cuts]] = True
    found += [each for each in _dissolves(grey_thw) if not inside[each.first : each.end + 1].any()]
    return sorted(found, key=lambda transition: transition.first)


def _change(grey_thw: np.ndarray, step: int = 1) -> np.ndarray:
    """Mean absolute change of frame t from frame t - step, f64 [T]; 0 for the first ones."""
    change = np.zeros(len(grey_thw))
    for start in range(step, len(grey_thw), _BLOCK):
        now = grey_thw[start : start + _BLOCK].astype(np.int16)
        before = grey_thw[start - step : start - step + len(now)]
        change[start : start + len(now)] = np.abs(now - before).mean(axis=(1, 2))
    return change


_BLOCK = 4096


def _cuts(grey_thw: np.ndarray, params: ShotsParams) -> Iterator[int]:
    """First frames of new shots: changes that are large, and larger than those around them."""
    change, over_two = _change(grey_thw), _change(grey_thw, 2)
    for t in np.flatnonzero(change >= params.cut_levels).tolist():
        around = np.concatenate(
            [
                change[max(1, t - params.cut_window) : t],
                change[t + 1 : t + 1 + params.cut_window],
            ]
        )
        usual = np.sort(around)[len(around) * _AROUND // 100] if len(around) else 0.0
        if change[t] < params.cut_ratio * usual:
            continue
        # A flash: the picture behind one bright frame is the one before it.
        before, behind = t + 1 < len(change), t >= 2
        is_flash = (before and over_two[t + 1] < change[t] / params.cut_ratio) or (
            behind and over_two[t] < change[t] / params.cut_ratio
        )
        if not is_flash:
            yield t


_AROUND = 80
"""Percentile of the changes around a cut: with every second frame doubled, that of the others."""


def _fades(grey_thw: np.ndarray, params: ShotsParams) -> Iterator[Transition]:
    """Runs of blank frames that a fade leads into or out of, with the fade.

    A fade shows one scene ever more faintly: its contrast falls from frame to frame, and what is
    left of it stays alike.
    """
    spread = grey_thw.reshape(len(grey_thw), -1).std(axis=1)
    blank = np.flatnonzero(np.diff(np.pad(spread < params.blank_levels, 1).astype(np.int8)))
    for first, end in blank.reshape(-1, 2).tolist():
        before = _faded(grey_thw[:first][::-1], spread[:first][::-1], params)
        behind = _faded(grey_thw[end:], spread[end:], params)
        is_short = min(before.frames, behind.frames) >= 2 and before.steep and behind.steep
        if is_short and before.frames + behind.frames >= params.fade_frames:
            yield Transition("fade", first - before.frames, end + behind.frames)
        elif max(before.frames, behind.frames) >= params.fade_frames:
            lengths = [n if n >= params.fade_frames else 0 for n in (before.frames, behind.frames)]
            yield Transition("fade", first - lengths[0], end + lengths[1])


@dataclass(frozen=True)
class _Faded:
    """How a scene goes over into a blank frame.

    Attributes:
        frames: over which its contrast changes; 1 if by a cut.
        steep: whether the contrast changes more than any motion would change it in so few frames.
    """

    frames: int
    steep: bool


def _faded(grey_thw: np.ndarray, spread: np.ndarray, params: ShotsParams) -> _Faded:
    """The frames over which the contrast rises away from a blank frame."""
    if not len(spread):
        return _Faded(0, steep=False)
    count = 1
    while (
        count < len(spread)
        and spread[count] > spread[count - 1] + params.fade_step_levels
        and np.corrcoef(grey_thw[count].ravel(), grey_thw[count - 1].ravel())[0, 1] > _ALIKE
    ):
        count += 1
    return _Faded(count, steep=bool(spread[count - 1] > _STEEP * spread[0]))


_STEEP = 1.5
"""Rise of the contrast in a fade of two or three frames, which 12 frames a second leave of one."""

_ALIKE = 0.7
"""Correlation of successive frames of a fade."""


_DISSOLVE_FRAMES = (5, 7, 10, 14, 20, 28, 40)
"""From the last frame of one scene to the first of the next."""
_ONE_DISSOLVE_FRAMES = 6
"""Parts of a dissolve that are found apart lie at most this far from each other."""
_OTHER_LEVELS, _OTHER_ALIKE = 12.0, 0.5
"""Two scenes differ by more than the first on average, and correlate by less than the second."""
_DIP, _BLEND_CONTRAST = 0.91, 1.15
"""Contrast of the middle of a dissolve over that of its ends; and contrast of the middle half of
its pictures over that of a blend of the ends. A picture of a pan has the contrast of a scene."""
_BLEND_RESIDUAL, _BLEND_UNEVEN = 0.42, 0.12
"""How far a picture may be from the blend of the ends, over their difference, as things move in
both scenes; and how far its share of the second scene may be from even progress. With these limits
41 of 45 planted dissolves, other than those of the benchmark, are found, and nothing else in the
other videos of these pairs, in 15 real ones and in 240 pans."""


def _dissolves(grey_thw: np.ndarray) -> Iterator[Transition]:
    """Runs of frames in which one scene goes over evenly into another."""
    inside = np.zeros(len(grey_thw), bool)
    longest = max(_DISSOLVE_FRAMES)
    for start in range(0, len(grey_thw), _BLOCK):
        block = grey_thw[start : start + _BLOCK + longest]
        pictures = _Pictures(block)
        for length in _DISSOLVE_FRAMES:
            for first in pictures.candidates(length):
                if pictures.is_blend(first, length):
                    inside[start + first + 1 : start + first + length] = True
    edges = np.flatnonzero(np.diff(np.pad(inside, 1).astype(np.int8)))
    spans = edges.reshape(-1, 2).tolist()
    while spans:
        first, end = spans.pop(0)
        while spans and spans[0][0] - end <= _ONE_DISSOLVE_FRAMES:
            end = spans.pop(0)[1]
        yield Transition("dissolve", first, end)


class _Pictures:
    """Small grey pictures of successive frames, in which dissolves are looked for."""

    def __init__(self, grey_thw: np.ndarray) -> None:
        self._shape = grey_thw.shape[1:]
        self._flat = flat = grey_thw.reshape(len(grey_thw), -1).astype(np.float32)
        self._centred = flat - flat.mean(axis=1, keepdims=True)
        self._spread = (self._centred**2).mean(axis=1) ** 0.5

    def candidates(self, length: int) -> list[int]:
        """Frames from which a dissolve of this length may lead to another scene."""
        spread, middle = self._spread, length // 2
        first = np.arange(len(spread) - length)
        if not len(first):
            return []
        first = first[self._dips(first, first + middle, first + length)]
        differ = np.abs(self._flat[first + length] - self._flat[first]).mean(axis=1)
        alike = self._shared(first, first + length) / np.maximum(
            spread[first] * spread[first + length], 1e-6
        )
        return first[(differ >= _OTHER_LEVELS) & (alike < _OTHER_ALIKE)].tolist()

    def _dips(self, one: np.ndarray, middle: np.ndarray, other: np.ndarray) -> np.ndarray:
        ends = (self._spread[one] + self._spread[other]) / 2
        return np.asarray(self._spread[middle] < _DIP * ends)

    def _shared(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Covariance of pictures."""
        return np.asarray((self._centred[one] * self._centred[other]).mean(axis=1))

    def is_blend(self, first: int, length: int) -> bool:
        """Whether the pictures of a run are blends of its ends that progress evenly."""
        flat, end = self._flat[first : first + length + 1], first + length
        step = flat[-1] - flat[0]
        size = float(step @ step)
        share = (flat - flat[0]) @ step / size
        even = np.arange(length + 1) / length
        if np.abs(share - even).max() >= _BLEND_UNEVEN:
            return False
        residual = np.linalg.norm(flat - flat[0] - share[:, None] * step, axis=1) / size**0.5
        if residual.max() >= _BLEND_RESIDUAL:
            return False
        shared = float(self._centred[first] @ self._centred[end]) / flat.shape[1]
        one, other = float(self._spread[first]) ** 2, float(self._spread[end]) ** 2
        blend = (1 - even) ** 2 * one + even**2 * other + 2 * even * (1 - even) * shared
        contrast = self._spread[first : end + 1] / np.maximum(blend, 1e-6) ** 0.5
        if contrast[length // 4 : length - length // 4 + 1].max() >= _BLEND_CONTRAST:
            return False
        return not _is_shifted(*flat[[0, -1]].reshape(2, *self._shape))


def _is_shifted(one_hw: np.ndarray, other_hw: np.ndarray) -> bool:
    """Whether a picture shows the other one from a camera that turned: a pan, and no other scene.

    The correlation of what both show, for all shifts by up to a quarter at once (Padfield, "Masked
    object registration in the Fourier domain", 2012).
    """
    height, width = one_hw.shape
    size = 2 * height, 2 * width

    def spectrum(picture_hw: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.rfft2(picture_hw, size))

    def over_shifts(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        sums = np.roll(
            np.fft.irfft2(one * other.conj(), size), (height // 4, width // 4), axis=(0, 1)
        )
        return sums[: 2 * (height // 4) + 1, : 2 * (width // 4) + 1]

    first, second = (picture - picture.mean() for picture in (one_hw, other_hw))
    here, there, shown = spectrum(first), spectrum(second), spectrum(np.ones_like(first))
    count = over_shifts(shown, shown)
    sum_here, sum_there = over_shifts(here, shown), over_shifts(shown, there)
    square_here = over_shifts(spectrum(first**2), shown) - sum_here**2 / count
    square_there = over_shifts(shown, spectrum(second**2)) - sum_there**2 / count
    together = over_shifts(here, there) - sum_here * sum_there / count
    least = np.maximum(square_here * square_there, 1e-6) ** 0.5
    return bool((together > _SHIFTED * least).any())


_SHIFTED = 0.85
"""Correlation of a scene with itself, shifted, in small pictures."""
