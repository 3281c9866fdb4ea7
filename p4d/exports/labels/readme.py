"""What the arrays of exported labels are (units, validity, axes), and the README about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ArrayMeaning:
    """One array of a label file.

    Attributes:
        unit: of its values; `scale` stands for metres, or for the units of a relative teacher.
        valid: name of the array that says where it is known; empty: everywhere.
        text: axes and convention.
    """

    unit: str
    valid: str
    text: str


ARRAYS: Mapping[str, ArrayMeaning] = {
    "depth_thw": ArrayMeaning(
        "scale", "valid_thw", "[T, M, M] planar depth along the camera's z axis"
    ),
    "valid_thw": ArrayMeaning("bool", "", "[T, M, M] where depth is known"),
    "flow_px_thw2": ArrayMeaning(
        "px of its own grid", "flow_valid_thw",
        "[T, M, M, 2] backward flow: position in the frame before minus that here; 0 in frame 0",
    ),
    "flow_valid_thw": ArrayMeaning("bool", "", "[T, M, M] where flow is known"),
    "motion_thw": ArrayMeaning(
        "probability", "", "[T, M, M] that the point moved in the world since the frame before"
    ),
    "world_T_cam_t44": ArrayMeaning(
        "scale", "", "[T, 4, 4] pose of the camera in the world, OpenCV axes"
    ),
    "K_t33": ArrayMeaning(
        "px of the map grid", "", "[T, 3, 3] intrinsics, pixel centres at i + 0.5"
    ),
    "rays_thw6": ArrayMeaning(
        "1 and scale", "", "[T, h, w, 6] direction d and moment o x d through token centres"
    ),
    "latents": ArrayMeaning("1", "", "[H, T / tubelet, h, w, D] latents of a network's layers"),
}  # fmt: skip


def unit_of(name: str, depth_kind: str, scale_kind: str) -> str:
    """The unit of one array of one label."""
    unit = ARRAYS[name].unit if name in ARRAYS else ""
    if name == "depth_thw" and depth_kind != "z":
        return "inverse depth, up to scale and offset"
    return unit.replace("scale", "m" if scale_kind == "metric" else "units of the teacher")


def readme(export_id: str, release_id: str, counts: Mapping[str, int], *, held_out: bool) -> str:
    """The text of `README.md`."""
    rows = [
        f"| `{name}` | {meaning.unit} | {meaning.valid or 'everywhere'} | {meaning.text} |"
        for name, meaning in ARRAYS.items()
    ]
    test = (
        "The test split is in it; do not train on it."
        if held_out
        else "Labels of the test split are left out, because questions about it are held out."
    )
    return "\n".join(
        [
            f"# Labels of release {release_id}",
            "",
            f"Export `{export_id}`: {counts['labels']} labels of {counts['clips']} clips. {test}",
            "",
            "`index.parquet` has one row per label: clip, split, teacher and its digest, kind of "
            "depth, kind of scale, side of the maps, file, and per array its unit, the array that "
            "says where it is known, and the share of it that is. Each file is "
            "`labels/SPLIT/CLIP.TEACHER.safetensors`; its arrays are, as far as the teacher gives "
            "them:",
            "",
            "| array | unit | known where | axes |",
            "|---|---|---|---|",
            *rows,
            "",
            "`scale` is metres where `scale_kind` is metric, else the units of the teacher, which "
            "differ from clip to clip. Maps are of the clip squashed to a square; frame t is the "
            "clip's frame t, at `frames_pts_s[t]` seconds. `p4d export training` has the frames.",
            "",
        ]
    )
