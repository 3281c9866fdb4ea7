import numpy as np
import pytest
from PIL import Image

from p4d.datasets.masks.indexed import ids_of, read_indexed
from p4d.errors import DatasetError
from tests.datasets.png_files import DAVIS_PALETTE, write_png

IDS = np.array([[0, 1, 2, 255, 0], [0, 1, 2, 255, 9]], np.uint8)


def test_values_of_a_palette_file_are_ids_and_colours_decoration(tmp_path):
    path = write_png(tmp_path / "00000.png", IDS, palette=DAVIS_PALETTE)
    with Image.open(path) as picture:  # the trap: colours of object 1 are 128, 0, 0
        assert picture.convert("RGB").getpixel((1, 0)) == (128, 0, 0)
    values, palette = read_indexed(path)
    assert (values == IDS).all() and palette


def test_void_becomes_background_and_is_counted(tmp_path):
    ids, void = ids_of(IDS.astype(np.int32), binary=False)
    assert ids.tolist() == [[0, 1, 2, 0, 0], [0, 1, 2, 0, 9]] and void == 2


def test_a_grey_file_of_0_and_255_is_one_object(tmp_path):
    drawn = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    values, palette = read_indexed(write_png(tmp_path / "00000.png", drawn))
    assert not palette
    ids, void = ids_of(values, binary=True)
    assert ids.tolist() == [[0, 1, 0], [1, 1, 0]] and void == 0


def test_a_file_of_one_bit_reads_like_0_and_255(tmp_path):
    path = tmp_path / "00000.png"
    Image.fromarray(np.array([[True, False, True]])).save(path)
    assert read_indexed(path)[0].tolist() == [[255, 0, 255]]


def test_colours_are_no_ids(tmp_path):
    path = tmp_path / "00000.png"
    write_png(path, np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"00000\.png: is saved as RGB: its values are colours"):
        read_indexed(path)


@pytest.mark.parametrize("payload", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_a_damaged_file_is_named(tmp_path, payload):
    path = tmp_path / "00007.png"
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=r"00007\.png: cannot be read as a mask"):
        read_indexed(path)
