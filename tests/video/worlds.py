"""A hand-made truth: one box standing before a wall, seen by a camera that stands still."""

import numpy as np

from p4d.worlds.sidecar import TruthObject, WorldTruth


def still_truth(pts_ns, *, width_px, height_px):
    """A `WorldTruth` of these times and this size; every frame is equal."""
    n = len(pts_ns)
    z_m = np.full((height_px, width_px), 4.0, np.float32)
    ids = np.zeros((height_px, width_px), np.uint8)
    z_m[16:48, 24:72] = 2.0
    ids[16:48, 24:72] = 1
    focal_px = float(width_px)
    K = np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]])
    box = TruthObject(
        instance=1, k=0, name="red box", shape="box", colour="red",
        size_m=(1.0, 1.0, 0.5), motion="static",
    )  # fmt: skip
    return WorldTruth(
        pts_ns=np.array(pts_ns, np.int64),
        width_px=width_px,
        height_px=height_px,
        K_t33=np.stack([K] * n),
        world_T_cam_t44=np.stack([np.eye(4)] * n),
        world_T_obj_kt44=np.stack([np.eye(4)] * n)[None],
        objects=(box,),
        frames=[(z_m, ids)] * n,
    )
