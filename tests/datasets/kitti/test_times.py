import pytest

from p4d.datasets.kitti.times import declared_times, read_seconds, read_stamps
from p4d.errors import DatasetError


def test_stamps_keep_their_nanoseconds(tmp_path):
    path = tmp_path / "timestamps.txt"
    path.write_text(
        "2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.074\n2011-09-26 23:59:59.999999999\n"
        "2011-09-27 00:00:00\n"
    )
    first, second, late, midnight = read_stamps(path).tolist()
    assert first == 1317042145_964389445
    assert second - first == 109_610_555
    assert midnight - late == 1


@pytest.mark.parametrize("line", ["2011-09-26", "2011-13-26 13:02:25.1", "13:02:25", "x", ""])
def test_a_line_that_is_no_stamp_is_named(tmp_path, line):
    path = tmp_path / "timestamps.txt"
    path.write_text(f"2011-09-26 13:02:25.964389445\n{line}\n2011-09-26 13:02:26.07\n")
    with pytest.raises(DatasetError, match=r"timestamps\.txt:2: .* is no stamp"):
        read_stamps(path)


def test_seconds_of_the_odometry_benchmark_are_decimal(tmp_path):
    path = tmp_path / "times.txt"
    path.write_text("0.000000e+00\n1.036224e-01\n4.706372e+02\n")
    assert read_seconds(path).tolist() == [0, 103_622_400, 470_637_200_000]
    path.write_text("0\nnan\n")
    with pytest.raises(DatasetError, match=r"times\.txt:2: 'nan' is no time in seconds"):
        read_seconds(path)


def test_declared_times_follow_the_numbers_of_the_frames():
    assert declared_times([3, 4, 6], 10.0).tolist() == [300_000_000, 400_000_000, 600_000_000]
