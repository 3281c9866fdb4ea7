"""Local flow finds fractions of a pixel and several pixels, backward in time."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from p4d.teachers.expert4d.local_flow import local_flow


def _picture():
    rng = np.random.default_rng(2)
    coarse = torch.from_numpy(rng.random((1, 3, 40, 40), np.float32))
    return functional.interpolate(coarse, size=(160, 160), mode="bicubic") * 2 - 1


def _moving(shift_px, frames=3):
    """Content moves by `shift_px` (x, y) a frame."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    shown = []
    for t in range(frames):
        place_x, place_y = (48 + a - t * s for a, s in zip((x, y), shift_px, strict=True))
        grid = torch.stack([place_x, place_y], -1) * (2 / 159) - 1
        shown.append(functional.grid_sample(_picture(), grid[None], align_corners=True)[0])
    return torch.stack(shown)[None]


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (0.3, -0.2), (1.5, 0.5), (-3.0, 2.0)])
def test_displacement_points_to_the_frame_before(shift_px):
    found = local_flow(_moving(shift_px))[0, :, :2] * 4
    inner = found[..., 4:-4, 4:-4].permute(0, 2, 3, 1)
    backward = -torch.tensor(shift_px)
    assert (inner[1:] - backward).norm(dim=-1).mean() < 0.05 + 0.1 * backward.norm()
    # Frame 0 has none before it and looks at frame 1.
    assert (inner[0] + backward).norm(dim=-1).mean() < 0.05 + 0.1 * backward.norm()


def test_a_flat_picture_has_no_flow_and_no_reliability():
    flat = local_flow(torch.full((1, 2, 3, 64, 64), 0.3))
    textured = local_flow(_moving((0.0, 0.0), 2))
    assert flat[:, :, :2].abs().max() == 0
    assert flat[:, :, 2].max() < textured[:, :, 2].mean() - 1
    assert torch.isfinite(flat).all()
