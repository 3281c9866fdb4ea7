"""Sparse depth of a clip: gathered in a pixel, never across objects; dense depth as it is."""

import numpy as np

from p4d.truth.parts import PartialTruth, SeenObject
from p4d.truth.resampling import resample
from p4d.truth.sparse_depth import gathered, is_sparse
from p4d.worlds.truth import nearest_centres

HEIGHT, WIDTH, SIZE = 90, 240, 30
"""A clip's pixel covers 3 rows and 8 columns."""


def slope():
    """Depth that names its pixel."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return (5 + 0.01 * u + 0.02 * v).astype(np.float32)


def thinned(z_hw, share, seed=0):
    return np.where(np.random.default_rng(seed).random(z_hw.shape) < share, z_hw, 0).astype("f4")


def centres():
    return nearest_centres(HEIGHT, SIZE), nearest_centres(WIDTH, SIZE)


def test_what_counts_as_sparse():
    dense = slope()
    assert not is_sparse(dense)
    with_sky = dense.copy()
    with_sky[:70] = 0
    assert not is_sparse(with_sky) and not is_sparse(thinned(dense, 0.9))
    assert is_sparse(thinned(dense, 0.05)) and is_sparse(thinned(dense, 0.3))
    lines = np.zeros_like(dense)
    lines[::6] = dense[::6]  # the lines of a laser
    assert is_sparse(lines) and not is_sparse(np.zeros_like(dense))


def test_a_clips_pixel_takes_the_nearest_known_pixel_that_it_covers():
    rows, columns = centres()
    z_hw = np.zeros((HEIGHT, WIDTH), np.float32)
    # The centre of cell (2, 3) lies between rows 6..8 and columns 24..31: at (7.5, 28).
    z_hw[6, 24], z_hw[8, 29], z_hw[9, 28] = 1.0, 2.0, 3.0
    found = gathered(z_hw, None, rows, columns)
    assert found[2, 3] == 2.0 and found[3, 3] == 3.0
    assert (found > 0).sum() == 2


def test_most_pixels_of_a_thin_map_are_known_and_off_by_half_a_pixel_of_the_clip():
    rows, columns = centres()
    z_hw = slope()
    found = gathered(thinned(z_hw, 0.1), None, rows, columns)
    known = found > 0
    assert known.mean() > 0.85
    assert (thinned(z_hw, 0.1)[rows][:, columns] > 0).mean() < 0.15
    exact = z_hw[rows][:, columns]
    assert np.abs(found - exact)[known].max() <= 0.01 * 4 + 0.02 * 1 + 1e-5


def test_a_surface_is_not_given_to_another_object():
    rows, columns = centres()
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[:, 27:] = 1  # the border runs through the cells of columns 24 to 31, whose centre is 28
    z_hw = thinned(np.where(ids == 1, 4.0, 20.0).astype("f4"), 0.2)
    found = gathered(z_hw, ids, rows, columns)
    assert set(found[:, 3].tolist()) <= {0.0, 4.0} and (found[:, 3] == 4).mean() > 0.8
    assert set(found[:, 2].tolist()) <= {0.0, 20.0}


def test_a_clip_has_it_and_dense_depth_stays_as_it_was():
    z_hw = slope()
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[30:60, 80:160] = 1

    def clip(depth_hw):
        truth = PartialTruth(
            pts_ns=np.array([0, 250_000_000]),
            width_px=WIDTH,
            height_px=HEIGHT,
            depth=[depth_hw, None],
            instances=[ids, ids],
            objects=(SeenObject(instance=1),),
        )
        return resample(truth, (0, 1), SIZE)

    rows, columns = centres()
    assert (clip(z_hw).z_depth_m_thw[0] == z_hw[rows][:, columns]).all()
    holes = z_hw.copy()
    holes[:70] = 0
    assert (clip(holes).z_depth_m_thw[0] == holes[rows][:, columns]).all()
    thin = clip(thinned(z_hw, 0.1))
    assert thin.valid_thw[0].mean() > 0.85 and not thin.valid_thw[1].any()


def test_a_picture_smaller_than_the_clip_keeps_its_samples():
    z_hw = thinned(np.full((10, 12), 3.0, "f4"), 0.3)
    rows, columns = nearest_centres(10, 16), nearest_centres(12, 16)
    assert (gathered(z_hw, None, rows, columns) == z_hw[rows][:, columns]).all()
