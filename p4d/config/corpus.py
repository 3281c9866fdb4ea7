"""Sections worlds, landing and clips: what enters the corpus."""

from __future__ import annotations

from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1, check_seed


@dataclass(frozen=True, kw_only=True)
class WorldsParams:
    """The simulated corpus: number, size, duration and mean frame rate of its videos."""

    seed: int
    videos: int
    size_px: int
    duration_s: float
    fps: float

    def __post_init__(self) -> None:
        check_seed(self, self.seed)
        check_at_least_1(self, "videos")
        check(16 <= self.size_px <= 1024, self, "size_px must be in [16, 1024]")
        check(self.size_px % 2 == 0, self, "size_px must be even (yuv420p video)")
        check(0 < self.duration_s <= 60, self, "duration_s must be in (0, 60]")
        check(1 <= self.fps <= 120, self, "fps must be in [1, 120]")


@dataclass(frozen=True, kw_only=True)
class LandingParams:
    """Limits of files that may land, and of a shard.

    `max_picture_px`: width times height. `max_decoded_px`: pixels of all pictures of a file
    together. `max_cpu_s`: processor time for one file. `max_memory_bytes`: memory that decoding one
    file may take beyond its idle process. What they mean in detail: p4d/video/decoding/budget.py.
    """

    max_clips_per_shard: int
    max_file_bytes: int
    max_duration_s: float
    max_picture_px: int
    max_frames: int
    max_decoded_px: int
    max_cpu_s: float
    max_memory_bytes: int

    def __post_init__(self) -> None:
        check(1 <= self.max_clips_per_shard <= 256, self, "max_clips_per_shard must be in [1, 256]")
        check(self.max_file_bytes > 0, self, "max_file_bytes must be positive")
        check(self.max_duration_s > 0, self, "max_duration_s must be positive")
        check_at_least_1(self, "max_picture_px", "max_frames", "max_decoded_px")
        check(self.max_cpu_s > 0, self, "max_cpu_s must be positive")
        check(self.max_memory_bytes >= 2**26, self, "max_memory_bytes must be at least 64 MiB")


@dataclass(frozen=True, kw_only=True)
class ExternalParams:
    """Other people's questions, from the folder `external/` (docs/external_questions.md).

    Attributes:
        heldout_fraction: share of the groups of rows with common media that no student trains on:
            the general set, on which a promotion can be held (`promotion.max_general_drop`).
        max_text_chars: characters of all turns of a row together; longer rows are rejected.
    """

    heldout_fraction: float
    max_text_chars: int

    def __post_init__(self) -> None:
        check(0 <= self.heldout_fraction < 1, self, "heldout_fraction must be in [0, 1)")
        check_at_least_1(self, "max_text_chars")


@dataclass(frozen=True, kw_only=True)
class ShotsParams:
    """What counts as a cut or a fade; clips do not cross them. Levels are grey levels, 0 to 255.

    `cut_levels`: mean change of a picture from the one before, at least. `cut_ratio`: this change
    over those of the frames around it, at least, `cut_window` frames on each side.
    `blank_levels`: a picture whose levels spread less (standard deviation) is blank, and a fade
    may end in it. `fade_step_levels`: least change of the spread from frame to frame in a fade, and
    `fade_frames`: the least number of its frames.
    """

    cut_levels: float
    cut_ratio: float
    cut_window: int
    blank_levels: float
    fade_step_levels: float
    fade_frames: int

    def __post_init__(self) -> None:
        check(0 < self.cut_levels <= 255, self, "cut_levels must be in (0, 255]")
        check(self.cut_ratio > 1, self, "cut_ratio must be above 1")
        check_at_least_1(self, "cut_window", "fade_frames")
        check(0 <= self.blank_levels <= 128, self, "blank_levels must be in [0, 128]")
        check(self.fade_step_levels > 0, self, "fade_step_levels must be positive")


@dataclass(frozen=True, kw_only=True)
class ClipsParams:
    """Clips on a time grid and the frames sampled from them.

    `span`: `grid`, clips of frames / grid_hz seconds follow one another; `video`, one clip per
    video, whose frames lie at equal steps from its first to its last (paper).
    `max_reject_ratio`: largest share of a shard's landed videos that their full decode may reject.
    `min_contrast_levels`, `min_motion_levels`: clips below are filtered as blank or static.
    `max_end_tolerance_s`: largest missing end of the last clip of a video; the tolerance is half a
    frame interval, and at most this. `max_first_age_s`: largest age of a clip's first frame.
    """

    size_px: int
    frames: int
    grid_hz: float
    span: str
    max_clips_per_video: int
    max_reject_ratio: float
    min_contrast_levels: int
    min_motion_levels: float
    max_end_tolerance_s: float
    max_first_age_s: float

    def __post_init__(self) -> None:
        check(16 <= self.size_px <= 512, self, "size_px must be in [16, 512]")
        check(2 <= self.frames <= 64 and self.frames % 2 == 0, self, "frames: even, in [2, 64]")
        check(self.span in ("grid", "video"), self, "span must be grid or video")
        check(0 < self.grid_hz <= 60, self, "grid_hz must be in (0, 60]")
        check_at_least_1(self, "max_clips_per_video")
        check(0 <= self.max_reject_ratio <= 1, self, "max_reject_ratio must be in [0, 1]")
        check(0 <= self.min_contrast_levels <= 255, self, "min_contrast_levels: [0, 255]")
        check(self.min_motion_levels >= 0, self, "min_motion_levels must not be negative")
        check(0 <= self.max_end_tolerance_s <= 1, self, "max_end_tolerance_s must be in [0, 1]")
        check(self.max_first_age_s >= 0, self, "max_first_age_s must not be negative")

    @property
    def length_ns(self) -> int:
        """Length of a clip in nanoseconds."""
        return round(self.frames / self.grid_hz * 1e9)
