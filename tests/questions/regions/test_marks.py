import numpy as np
import pytest

from p4d.errors import ContractError
from p4d.questions.regions.marks import COLOURS_RGB, draw_marks

GREY = np.full((64, 64, 3), 90, dtype=np.uint8)


def _mask(top, left, size=14):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[top : top + size, left : left + size] = 1
    return mask


def test_a_region_is_outlined_and_numbered_but_not_covered():
    mask = _mask(25, 25)
    drawn = draw_marks(GREY, mask[None])
    assert (drawn[mask.astype(bool)] == 90).all()
    assert (drawn[24, 25:39] == COLOURS_RGB[0]).all()
    assert (drawn == 0).all(axis=-1).sum() > 15  # the tile behind the digit
    assert (GREY == 90).all()


def test_numbers_follow_the_order_of_the_masks():
    masks = np.stack([_mask(40, 10), _mask(10, 40)])
    swapped = draw_marks(GREY, masks[::-1])
    assert (draw_marks(GREY, masks) != swapped).any()
    assert (swapped[9, 40:54] == COLOURS_RGB[0]).all()


@pytest.mark.parametrize("corner", [(0, 0), (0, 50), (50, 0), (50, 50)])
def test_labels_stay_inside_the_picture(corner):
    drawn = draw_marks(GREY, _mask(*corner)[None])
    tile = (drawn == 0).all(axis=-1)
    assert tile.sum() == 5 * 7 - 8  # digit 1 lights eight pixels of its tile


def test_labels_of_neighbours_do_not_cover_each_other():
    masks = np.stack([_mask(30, 20, 6), _mask(30, 28, 6), _mask(38, 24, 6)])
    drawn = draw_marks(GREY, masks)
    digits = (8, 11, 11)
    dark = (drawn == 0).all(axis=-1).sum()
    assert dark == sum(35 - lit for lit in digits)


def test_a_larger_picture_for_people():
    drawn = draw_marks(GREY, _mask(25, 25)[None], scale=6)
    assert drawn.shape == (384, 384, 3)
    assert (drawn[25 * 6 : 39 * 6, 25 * 6 : 39 * 6] == 90).all()


def test_nothing_to_mark_leaves_the_frame_as_it_is():
    empty = np.zeros((0, 64, 64), dtype=np.uint8)
    assert (draw_marks(GREY, empty) == GREY).all()
    assert (draw_marks(GREY, np.zeros((1, 64, 64), dtype=np.uint8)) == GREY).all()


@pytest.mark.parametrize(("shape", "what"), [((1, 32, 32), "lie on"), ((10, 64, 64), "marks can")])
def test_masks_that_cannot_be_drawn_are_refused(shape, what):
    with pytest.raises(ContractError, match=what):
        draw_marks(GREY, np.zeros(shape, dtype=np.uint8))


def _colours_of_numbers(picture, drawn):
    """Which palette colours were painted, by number."""
    changed = (picture != drawn).any(axis=-1)
    painted = {tuple(int(v) for v in colour) for colour in drawn[changed]}
    return {number for number, colour in enumerate(COLOURS_RGB, start=1) if colour in painted}


def test_a_colour_says_the_number_and_nothing_about_what_is_marked():
    rng = np.random.default_rng(0)
    for _ in range(20):
        count = int(rng.integers(1, 5))
        picture = rng.integers(0, 250, (64, 64, 3), dtype=np.uint8)
        masks = np.stack(
            [_mask(*rng.integers(2, 44, 2), size=int(rng.integers(8, 16))) for _ in range(count)]
        )
        drawn = draw_marks(picture, masks)
        assert _colours_of_numbers(picture, drawn) == set(range(1, count + 1))
        # Other things in the same regions: what is painted, and where, stays the same.
        repainted = draw_marks(255 - picture, masks)
        same = (drawn == repainted).all(axis=-1)
        assert (same | (drawn == picture).all(axis=-1)).all()


def test_colours_stand_apart_and_none_stands_out():
    colours = np.array(COLOURS_RGB[:4], dtype=float)
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert light.min() > 140  # on a dark tile all are easy to read
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(4, dtype=bool)].min() > 100


@pytest.mark.parametrize("number", range(1, 10))
def test_every_number_can_be_read_back_at_the_students_size(number):
    """The digit on its tile differs from every other by two pixels or more."""
    masks = np.concatenate([np.zeros((number - 1, 64, 64), np.uint8), _mask(25, 25)[None]])
    drawn = draw_marks(GREY, masks)
    tile = (drawn == 0).all(axis=-1)
    rows, columns = np.nonzero(tile)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    lit = ~tile[box]
    assert lit.shape == (7, 5)
    for other in range(1, 10):
        masks = np.concatenate([np.zeros((other - 1, 64, 64), np.uint8), _mask(25, 25)[None]])
        else_lit = ~(draw_marks(GREY, masks) == 0).all(axis=-1)[box]
        assert (lit != else_lit).sum() >= (0 if other == number else 1)
