"""A teacher of depth from a transformers checkpoint, by folder or by Hub id with a revision.

Any architecture of `AutoModelForDepthEstimation` works, for example Depth Anything (Yang et al.
2024). It labels frames one by one and has no flow, motion or camera: its labels lack these
modalities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import AutoModelForDepthEstimation

from p4d.errors import LabelError
from p4d.model_folder import ModelFolder, located
from p4d.teachers.protocol import ClipInput, LabelArrays

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class CheckpointDepthTeacher:
    """Per-frame depth of a pretrained network.

    A model with `depth_estimation_type: metric` in its config predicts planar depth in metres.
    Others predict inverse depth up to an unknown scale and offset (`depth_kind` "inverse_affine"),
    which no factor converts to depth; zero means infinitely far and is not valid.
    """

    needs_truth = False

    def __init__(self, name: str, where: str | Path, *, map_px: int, input_px: int) -> None:
        """Load a checkpoint.

        Args:
            name: key in the label store, without dots.
            where: folder written by `save_pretrained`, or Hub id with a revision
                (`org/model@<commit>`); `preprocessor_config.json` is used if it exists.
            map_px: side of the maps to store.
            input_px: side of the square input of the network; a multiple of its patch size.

        Raises:
            LabelError: the folder has no checkpoint.
            ContractError: the checkpoint is damaged, or asks for more than its own weights.
        """
        folder = located(str(where), "the depth checkpoint")
        if not (folder / "config.json").is_file():
            raise LabelError(f"{folder}: no transformers checkpoint (no config.json)")
        self.name, self.map_px = name, map_px
        self._input_px = input_px
        checked = ModelFolder.checked(folder)
        self._model = checked.network(AutoModelForDepthEstimation)
        self._model.eval().requires_grad_(False)
        metric = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        self.depth_kind = "z" if metric else "inverse_affine"
        self.scale_kind = "metric" if metric else "relative"
        mean, std = checked.picture_scale() or (IMAGENET_MEAN, IMAGENET_STD)
        self._mean, self._std = (torch.tensor(value).view(3, 1, 1) for value in (mean, std))
        self.file_digests = checked.digests() | checked.setting_digests()
        identity = "".join(name + digest for name, digest in sorted(self.file_digests.items()))
        self.digest = hashlib.sha256(f"{identity}/{map_px}/{input_px}".encode()).hexdigest()

    def label(self, clips: Sequence[ClipInput]) -> list[LabelArrays]:
        """Depth and validity of the clips, frame by frame."""
        return [self._label_clip(clip) for clip in clips]

    def _label_clip(self, clip: ClipInput) -> LabelArrays:
        pictures = torch.from_numpy(clip.rgb_thw3).permute(0, 3, 1, 2).float() / 255
        side = (self._input_px, self._input_px)
        pictures = functional.interpolate(pictures, side, mode="bicubic", antialias=True)
        with torch.no_grad():
            found = self._model((pictures.clamp(0, 1) - self._mean) / self._std).predicted_depth
        # nearest-exact takes the pixel nearest to the centre, like all maps (map_grid.py).
        shape = (self.map_px, self.map_px)
        depth = functional.interpolate(found[:, None], shape, mode="nearest-exact")[:, 0].numpy()
        valid = depth > 0
        return LabelArrays(depth_thw=np.where(depth <= 0, 0, depth), valid_thw=valid)
