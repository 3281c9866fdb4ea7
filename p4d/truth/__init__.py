"""Truth of a video, whole or in parts, and the sidecar file that holds it.

- `parts.py` defines `PartialTruth`, which a reader of a dataset fills: depth, camera poses,
  intrinsics, instances, object poses, object sizes and stored flow, each optional.
- `checks.py` holds every field to its range; `renumbering.py` maps foreign object ids to 1..255.
- `resampling.py` gives the truth of a clip, and derives flow and motion; `flow_chain.py` follows
  stored flow over several frames; `clip_parts.py` records what the truth of each clip gives.
- `sidecar_2.py` is the format `p4d-truth-2`; `reading.py` reads it and the first one
  (p4d/worlds/sidecar.py, which simulated worlds write and which needs everything).

Readers of datasets are p4d/datasets; what is measured with a truth is p4d/questions/facts. The
page about sidecars is docs/sidecars.md. Read `parts.py` first.
"""

from p4d.truth.checks import nearest_rotations
from p4d.truth.clip_parts import CLIP_PARTS, ClipParts, read_parts
from p4d.truth.parts import PARTS, PartialTruth, Poses, SeenObject
from p4d.truth.reading import check_maps, clip_truth, read
from p4d.truth.renumbering import apply_table, renumbered
from p4d.truth.sidecar_2 import write
from p4d.worlds.sidecar import path_for

__all__ = [
    "CLIP_PARTS", "PARTS", "ClipParts", "PartialTruth", "Poses", "SeenObject", "apply_table",
    "check_maps", "clip_truth", "nearest_rotations", "path_for", "read", "read_parts", "renumbered",
    "write",
]  # fmt: skip
