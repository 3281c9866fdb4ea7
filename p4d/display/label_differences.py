"""Draws where two teachers of one clip disagree, with the scale of each difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p4d.display.colour_keys import with_keys
from p4d.drawing import png, sheet
from p4d.errors import ContractError

_TILE_PX = 192
_UNKNOWN = (200, 200, 200)
_LARGEST = {"depth": 0.5, "flow": 0.1, "motion": 1.0}
"""Differences of the last colour: share of the depth, share of the map's side, probability."""

_MAPS = ("depth_thw", "flow_px_thw2", "motion_thw")

TITLES = ("depth", "flow to the frame before", "motion")


def differences(
    labels: Path, clip_id: str, of: str, reference: str, frame: int = -1
) -> dict[str, np.ndarray]:
    """Absolute differences of two teachers' maps of one instant; NaN where either is not valid.

    Args:
        labels: folder of a shard's labels.
        clip_id: the clip.
        of: a teacher.
        reference: another; depth differs as a share of its depth.
        frame: which one; the default is the last, as the first has no flow.

    Returns:
        [M, M] by `depth` (share), `flow` (share of the side of the map) and `motion` (probability),
        for what both label.

    Raises:
        ContractError: their maps have different sizes.
    """
    from p4d.teachers.labelling.store import LabelStore

    store = LabelStore(labels)
    one, other = (store.get_all(clip_id, teacher) for teacher in (of, reference))
    both = set(one) & set(other)
    if any(one[name].shape[1:3] != other[name].shape[1:3] for name in both & set(_MAPS)):
        raise ContractError(f"maps of {of} and {reference} have different sizes")
    found: dict[str, np.ndarray] = {}
    if "depth_thw" in both:
        depth, true = one["depth_thw"][frame], other["depth_thw"][frame]
        known = one["valid_thw"][frame] & other["valid_thw"][frame] & (true > 0)
        share = np.abs(depth - true) / np.where(known, true, 1)
        found["depth"] = np.where(known, share, np.nan)
    if "flow_px_thw2" in both:
        length = np.linalg.norm(one["flow_px_thw2"][frame] - other["flow_px_thw2"][frame], axis=-1)
        known = one["flow_valid_thw"][frame] & other["flow_valid_thw"][frame]
        found["flow"] = np.where(known, length / length.shape[1], np.nan)
    if "motion_thw" in both:
        found["motion"] = np.abs(one["motion_thw"][frame] - other["motion_thw"][frame])
    return found


def differences_picture(
    labels: Path, clip_id: str, of: str, reference: str, *, tile_px: int = _TILE_PX
) -> bytes:
    """`differences` as PNG, with a colour key that gives the scales."""
    found = differences(labels, clip_id, of, reference)
    row = [_coloured(values / _LARGEST[name]) for name, values in found.items()]
    titles = [title for title, name in zip(TITLES, _LARGEST, strict=True) if name in found]
    drawn = sheet([row], captions=[f"{of} against {reference}"], titles=titles, tile_px=tile_px)
    scale = np.tile(np.linspace(0, 1, 96), (24, 1))
    text = (
        f"black is no difference; the last colour is {_LARGEST['depth']:.0%} of the depth, a flow "
        f"that differs by {_LARGEST['flow']:.0%} of the picture, a probability that differs by "
        f"{_LARGEST['motion']:.0f}; grey: not valid"
    )
    return png(with_keys(drawn, [(_coloured(scale), text)]))


def _coloured(share_hw: np.ndarray) -> np.ndarray:
    import matplotlib  # loads slowly, so only when a picture is made

    known = np.isfinite(share_hw)
    colours = matplotlib.colormaps["inferno"](np.clip(np.where(known, share_hw, 0), 0, 1))[..., :3]
    return np.where(known[..., None], np.rint(255 * colours), _UNKNOWN).astype(np.uint8)
