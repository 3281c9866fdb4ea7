import base64

import numpy as np
import pytest

from p4d.datasets.png16 import read_png16
from p4d.errors import DatasetError
from tests.datasets.png_files import png_bytes, write_png

# What OpenCV 5.0.0 wrote for the array [[[1, 32624, 32864], [0, 2, 3]]] (blue, green, red).
WRITTEN_BY_OPENCV = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAIAAAAr0DSeAAAAFUlEQVQIHWNsSKgvYGBsWNw4ieE/AB4P"
    "BQfTl+kWAAAAAElFTkSuQmCC"
)


def test_every_level_of_16_bits_survives(tmp_path):
    grey = np.arange(65536, dtype=np.uint16).reshape(128, 512)
    assert (read_png16(write_png(tmp_path / "d.png", grey), channels=1) == grey).all()
    colours = np.stack([grey, grey[::-1], grey[:, ::-1]], -1)
    assert (read_png16(write_png(tmp_path / "f.png", colours), channels=3) == colours).all()


def test_channels_are_red_green_blue_whoever_wrote_the_file(tmp_path):
    path = tmp_path / "flow.png"
    path.write_bytes(base64.b64decode(WRITTEN_BY_OPENCV))
    assert read_png16(path, channels=3).tolist() == [[[32864, 32624, 1], [3, 2, 0]]]


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (png_bytes(np.zeros((4, 5), np.uint8)), "has 8 bits and 1 channel"),
        (png_bytes(np.zeros((4, 5, 3), np.uint16)), "has 16 bits and 3 channel"),
        (b"\xff\xd8\xff\xe0 a JPEG", "is no PNG file"),
        (png_bytes(np.arange(400, dtype=np.uint16).reshape(20, 20))[:120], "is damaged"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\x7f\xff\xff\xff\x7f\x10\0", "at most"),
    ],
)
def test_another_file_is_named_with_what_it_holds(tmp_path, payload, what):
    path = tmp_path / "0000000005.png"
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=what) as raised:
        read_png16(path, channels=1)
    assert "0000000005.png" in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png: cannot be read"):
        read_png16(tmp_path / "gone.png", channels=1)
