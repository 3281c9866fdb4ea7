"""Map grids: which pixels they sample, and the intrinsics that belong to them."""

import numpy as np

from p4d.geometry.map_grid import (
    lands_inside,
    map_intrinsics,
    picture_intrinsics,
    sampled_pixels,
)


def test_rays_of_map_intrinsics_pass_through_the_sampled_pixels():
    K = np.array([[70.0, 0, 31.0], [0, 72.0, 33.0], [0, 0, 1]])[None]
    for map_px in (16, 32, 64):
        moved = map_intrinsics(K, 64, map_px)
        pixels = sampled_pixels(64, map_px)
        from_picture = (pixels + 0.5 - K[0, 0, 2]) / K[0, 0, 0]
        from_map = (np.arange(map_px) + 0.5 - moved[0, 0, 2]) / moved[0, 0, 0]
        assert np.allclose(from_picture, from_map)
        assert np.allclose(picture_intrinsics(moved, 64, map_px), K)


def test_flow_that_ends_outside_the_picture_is_not_valid():
    flow = np.zeros((1, 4, 4, 2))
    flow[0, 1, 3] = (0.6, 0.0)
    flow[0, 0, 2] = (0.0, -0.6)
    flow[0, 2, 1] = (2.4, 1.4)
    expected = np.ones((1, 4, 4), bool)
    expected[0, 1, 3] = expected[0, 0, 2] = False
    np.testing.assert_array_equal(lands_inside(flow), expected)
