import io

import numpy as np
import polars as pl
from PIL import Image

from p4d.artifacts import write_arrays
from p4d.display.labelled_clip import labelled_clip
from p4d.project import Project
from p4d.questions.regions.marks import COLOURS_RGB
from p4d.teachers.labelling.store import LabelWriter
from p4d.teachers.protocol import LabelArrays

SHARD, CLIP, FRAMES, SIZE = "0000-aaaaaaaa", "clip_0123456789abcdef", 8, 16
MARKED, LAST, OTHER = (1, 2, 3), (9, 8, 7), (200, 100, 0)


def test_the_picture_has_the_marked_frame_the_outlines_and_the_last_frame_of_each_teacher(tmp_path):
    (tmp_path / "params.yaml").write_text((Project.find().root / "params.yaml").read_text())
    data = tmp_path / "data"
    frames = np.full((FRAMES, SIZE, SIZE, 3), OTHER, np.uint8)
    frames[-1] = LAST
    write_arrays(data / "clips" / SHARD / "frames.safetensors", {f"{CLIP}.rgb_thw3": frames})
    regions = data / "regions" / SHARD
    masks = np.zeros((1, FRAMES, SIZE, SIZE), np.uint8)
    masks[0, :, 4:8, 4:8] = 1
    write_arrays(regions / "masks.safetensors", {f"{CLIP}.masks_kthw": masks})
    marked = np.full((SIZE, SIZE, 3), MARKED, np.uint8)
    write_arrays(regions / "marks.safetensors", {f"{CLIP}.marks_hw3": marked})
    valid = np.ones((FRAMES, SIZE, SIZE), bool)
    writer = LabelWriter()
    for teacher in ("exact", "expert4d"):
        writer.add(
            CLIP,
            teacher,
            LabelArrays(
                depth_thw=np.linspace(1, 5, valid.size, dtype=np.float32).reshape(valid.shape),
                valid_thw=valid,
                flow_px_thw2=np.ones((*valid.shape, 2), np.float32),
                flow_valid_thw=valid & (np.arange(FRAMES) > 0)[:, None, None],
                motion_thw=np.ones(valid.shape, np.float32),
                world_T_cam_t44=np.tile(np.eye(4), (FRAMES, 1, 1)),
                K_t33=np.tile(np.diag([20.0, 20.0, 1.0]), (FRAMES, 1, 1)),
            ),
        )
    writer.write(data / "labels" / SHARD)
    index = {"clip_id": CLIP, "teacher": ["exact", "expert4d"], "scale_kind": "metric"}
    pl.DataFrame(index).write_parquet(data / "labels" / SHARD / "index.parquet")
    found = Image.open(io.BytesIO(labelled_clip(Project(tmp_path), SHARD, CLIP))).convert("RGB")
    picture = np.asarray(found)
    tile, pixel = 160**2, (160 // SIZE) ** 2

    def count(colour):
        return int((picture == np.array(colour)).all(axis=-1).sum())

    outline = 12 * pixel  # of a square of 4 by 4
    assert count(MARKED) == tile
    assert count(COLOURS_RGB[0]) == 3 * outline
    assert count(LAST) == tile - outline + 2 * tile
    assert count(OTHER) == 2 * (tile - outline)
