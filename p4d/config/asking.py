"""Sections regions, facts, questions and release."""

from __future__ import annotations

from dataclasses import dataclass

from p4d.config.section import check, check_at_least_1

SECONDS = ("none", "clips", "pictures")
"""Values of `questions.seconds`."""


@dataclass(frozen=True, kw_only=True)
class RegionsParams:
    """Which tracked objects become regions.

    `sources` are tried in order until one gives a usable region; where there is truth, only that
    counts. `checkpoint` needs `keywords` to look for, a `detector` and a `tracker`: folders or hub
    ids of transformers checkpoints.
    """

    sources: tuple[str, ...]
    keywords: tuple[str, ...]
    detector: str
    tracker: str
    detector_threshold: float
    threads: int
    max_regions: int
    min_area_px: int
    min_visible_frames: int
    motion_threshold: float

    def __post_init__(self) -> None:
        known = {"truth", "checkpoint", "flow", "motion"}
        check(
            self.sources[:1] == ("truth",) and set(self.sources) <= known,
            self,
            f"sources must begin with truth and be among {sorted(known)}",
        )
        check(
            "checkpoint" not in self.sources
            or bool(self.keywords and self.detector and self.tracker),
            self,
            "the source checkpoint needs keywords, detector and tracker",
        )
        check(0 < self.detector_threshold < 1, self, "detector_threshold must be in (0, 1)")
        check_at_least_1(self, "threads")
        check(1 <= self.max_regions <= 9, self, "max_regions must be in [1, 9]")
        check_at_least_1(self, "min_area_px", "min_visible_frames")
        check(0 < self.motion_threshold < 1, self, "motion_threshold must be in (0, 1)")


@dataclass(frozen=True, kw_only=True)
class FactsParams:
    """From when on a movement counts, and which times texts name.

    `instants`: `grid` names the instants of the time grid, which all clips share whatever their
    frame rate; `frames` names the times of the sampled frames, as version 0.1 did.
    `least_instant_gap_s`: instants that are offered as options lie at least this far apart.
    `seen_at_both_ends`: no fact covers an interval at whose begin or end a region is out of
    the picture; without it only facts of instants are held to that.
    `seconds`: also what only the times of the frames decide: when, for how long, how fast in motion
    (exact truth only); the families of `questions.seconds` need it.
    """

    moving_threshold_m: float
    turning_threshold_rad: float
    instants: str
    least_instant_gap_s: float
    seen_at_both_ends: bool
    seconds: bool

    def __post_init__(self) -> None:
        check(self.instants in ("grid", "frames"), self, "instants must be grid or frames")
        check(self.least_instant_gap_s >= 0, self, "least_instant_gap_s must not be negative")
        check(self.moving_threshold_m > 0, self, "moving_threshold_m must be positive")
        check(self.turning_threshold_rad > 0, self, "turning_threshold_rad must be positive")


@dataclass(frozen=True, kw_only=True)
class QuestionsParams:
    """How certain an answer must be, and how many questions a clip may get.

    `families`: names of those that may ask; none: all.
    `seconds`: whether families whose answers need the seconds of the frames ask, too: `none`;
    `clips`, they exchange options between clips as others do; `pictures`, between clips with equal
    pictures at other times, so that nobody answers who does not know the times
    (p4d/worlds/retimed.py makes such clips).
    `asked_share`: share of the videos of the train split that may be asked about, drawn by their
    ids; the others have labels, which are distilled without questions.
    """

    margin_sigma: float
    options: int
    max_per_clip: int
    families: tuple[str, ...]
    seconds: str
    asked_share: float = 1.0  # a file without it asks about all

    def __post_init__(self) -> None:
        check(0 < self.asked_share <= 1, self, "asked_share must be in (0, 1]")
        check(self.seconds in SECONDS, self, f"seconds must be among {list(SECONDS)}")
        check(self.margin_sigma >= 1, self, "margin_sigma must be at least 1")
        check(self.options in (4, 5), self, "options must be 4 or 5")
        check_at_least_1(self, "max_per_clip")


@dataclass(frozen=True, kw_only=True)
class ReleaseParams:
    """Splits by source video and near-duplicate group.

    `duplicate_hamming_bits`: clips whose hashes of the mean picture differ in at most so many of 64
    bits are near. `copy_bits`: so are clips, one perhaps mirrored, whose frame hashes differ in at
    most so many bits on average, over at least half a clip at any shift in time.
    """

    test_fraction: float
    val_fraction: float
    duplicate_hamming_bits: int
    copy_bits: float

    def __post_init__(self) -> None:
        check(
            self.test_fraction > 0 and self.val_fraction >= 0,
            self,
            "test_fraction must be positive, val_fraction not negative",
        )
        check(self.test_fraction + self.val_fraction < 0.9, self, "splits must leave a train part")
        check(0 <= self.duplicate_hamming_bits <= 64, self, "duplicate_hamming_bits: [0, 64]")
        check(0 <= self.copy_bits <= 64, self, "copy_bits must be in [0, 64]")
