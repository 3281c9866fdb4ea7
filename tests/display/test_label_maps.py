"""Teachers of one clip are drawn on one scale, and the caption states it."""

import numpy as np
import polars as pl
import pytest

from p4d.artifacts import write_table
from p4d.display.label_maps import label_rows
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

T, S = 2, 8
FRAMES = np.zeros((T, S, S, 3), np.uint8)


def labels(tmp_path, kinds):
    writer = LabelWriter()
    for number, teacher in enumerate(kinds):
        depth = np.full((T, S, S), 2.0 * 4**number)
        flow = np.zeros((T, S, S, 2))
        flow[..., 0] = 1 + number
        on = np.ones((T, S, S), bool)
        writer.add(
            "clip_a",
            teacher,
            LabelArrays(depth_thw=depth, valid_thw=on, flow_px_thw2=flow, flow_valid_thw=on),
        )
    writer.write(tmp_path)
    index = pl.DataFrame(
        {"clip_id": "clip_a", "teacher": list(kinds), "scale_kind": list(kinds.values())}
    )
    write_table(tmp_path / "index.parquet", index, sort_by=["teacher"])
    return label_rows(tmp_path, "clip_a", list(kinds), FRAMES)


def test_metric_depths_share_a_scale_on_which_near_is_red(tmp_path):
    rows = labels(tmp_path, {"exact": "metric", "other": "metric"})
    assert {row.scales for row in rows.values()} == {
        "depth 2.00 to 8.00 m, longest flow 2.00 px of 8"
    }
    near, far = (rows[name].pictures[1].astype(int)[0, 0] for name in ("exact", "other"))
    assert near[0] > near[2]
    assert far[2] > far[0]


def test_a_relative_depth_has_a_scale_of_its_own_and_no_unit(tmp_path):
    rows = labels(tmp_path, {"exact": "metric", "other": "relative"})
    assert rows["exact"].scales.startswith("depth 2.00 to 2.00 m,")
    assert rows["other"].scales.startswith("depth 8.00 to 8.00 (relative, no unit),")


def test_flows_share_a_scale(tmp_path):
    rows = labels(tmp_path, {"exact": "metric", "other": "metric"})
    shorter, longer = (rows[name].pictures[2].astype(int)[0, 0] for name in ("exact", "other"))
    assert shorter.min() == pytest.approx(127, abs=2)
    assert longer.min() == 0


def test_a_modality_that_a_teacher_does_not_label_is_white_under_its_title(tmp_path):
    frame = np.zeros((1, 8, 8, 3), np.uint8)
    writer = LabelWriter()
    moving = np.ones((1, 8, 8), np.float32)
    writer.add("clip_a", "mover", LabelArrays(motion_thw=moving))
    writer.write(tmp_path)
    index = pl.DataFrame({"clip_id": ["clip_a"], "teacher": ["mover"], "scale_kind": ["relative"]})
    index.write_parquet(tmp_path / "index.parquet")
    shown = label_rows(tmp_path, "clip_a", ["mover"], frame)["mover"].pictures
    assert len(shown) == 4
    assert (shown[1] == 255).all()
    assert (shown[2] == 255).all()
    assert not (shown[3] == 255).all()
