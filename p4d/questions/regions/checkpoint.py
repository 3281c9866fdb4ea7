"""Regions of real video from pretrained networks: a text-prompted detector and a video segmenter.

The steps are those of R4D-Bench (arXiv 2512.17012, section 5): keywords give boxes in the first
frame, boxes give masks, and masks are tracked. An object that appears later is rejected, and the
reason states the time from which a clip would show it. Any transformers checkpoint of these classes
works, by folder or by Hub id with a revision: detectors of `AutoModelForZeroShotObjectDetection`
(Grounding DINO, OWLv2), segmenters `Sam2VideoModel` and `EdgeTamVideoModel`. The user supplies the
weights; none are part of this repository.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from transformers import AutoModelForZeroShotObjectDetection

from p4d.config import RegionsParams
from p4d.errors import ConfigError, ContractError
from p4d.ids import canonical_json
from p4d.model_folder import ModelFolder, located
from p4d.questions.regions.tracks import Track

GROUNDED_IN_PHRASES = ("grounding-dino", "mm-grounding-dino")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SAME_PLACE_IOU = 0.7  # two boxes that overlap this much are one object with two names
CANDIDATES_PER_REGION = 2  # tracked per region that may be kept; tracking is expensive


@dataclass(frozen=True, kw_only=True)
class Box:
    """An object found in one frame."""

    keyword: str
    score: float
    xyxy_px: tuple[float, float, float, float]


class Detector:
    """Finds boxes of keywords in a frame."""

    def __init__(self, where: str, threshold: float) -> None:
        """Load a detector.

        Args:
            where: folder, or Hub id with its revision: `org/model@<commit>`.
            threshold: minimum score of a box, and of its phrase (0.25 in the paper).

        Raises:
            ConfigError: there is no such checkpoint.
        """
        self._threshold = threshold
        with _named("detector", where):
            folder = ModelFolder.checked(located(where, "regions.detector"))
            self._model: Any = folder.network(AutoModelForZeroShotObjectDetection)
            self._processor: Any = folder.processor()
        self.file_digests = folder.digests() | folder.setting_digests()
        self._model.eval().requires_grad_(False)

    def find(self, rgb_hw3: np.ndarray, keywords: Sequence[str]) -> list[Box]:
        """Return all boxes above the threshold, best first.

        Each keyword is a prompt of its own: phrases that are grounded together may mix their names.
        """
        picture = Image.fromarray(rgb_hw3)
        size_hw = [rgb_hw3.shape[:2]]
        found = []
        for keyword in keywords:
            asked = self._processor(images=picture, text=[[keyword]], return_tensors="pt")
            with torch.no_grad():
                outputs = self._model(**asked)
            phrases: dict[str, Any] = {"text_labels": [[keyword]]}
            if self._model.config.model_type in GROUNDED_IN_PHRASES:
                phrases = {"input_ids": asked["input_ids"], "text_threshold": self._threshold}
            (result,) = self._processor.post_process_grounded_object_detection(
                outputs, threshold=self._threshold, target_sizes=size_hw, **phrases
            )
            found += [
                Box(keyword=keyword, score=round(float(score), 6), xyxy_px=_inside(box, size_hw[0]))
                for score, box in zip(result["scores"], result["boxes"], strict=True)
            ]
        found = [box for box in found if _area_px(box.xyxy_px) >= 1]
        return sorted(found, key=lambda box: (-box.score, box.keyword, box.xyxy_px))


class Segmenter:
    """Segments boxes in the first frame and tracks the masks through a clip."""

    def __init__(self, where: str) -> None:
        """Load a video segmenter; `where` as for a detector.

        Raises:
            ConfigError: there is no such checkpoint, or it is of another kind.
        """
        with _named("tracker", where):
            folder = ModelFolder.checked(located(where, "regions.tracker"))
            kind = folder.config().model_type
            if kind == "sam2_video":
                from transformers import Sam2VideoModel as Model
                from transformers.models.sam2_video.modeling_sam2_video import (
                    Sam2VideoInferenceSession as Session,
                )
            elif kind == "edgetam_video":
                from transformers import EdgeTamVideoModel as Model  # type: ignore[assignment]
                from transformers.models.edgetam_video.modeling_edgetam_video import (  # type: ignore[assignment]
                    EdgeTamVideoInferenceSession as Session,
                )
            else:
                raise ConfigError(
                    f"regions.tracker {where!r} is a {kind}; needed: sam2_video or edgetam_video"
                )
            self._model: Any = folder.network(Model)
        self.file_digests = folder.digests() | folder.setting_digests()
        self._session: Any = Session
        self._model.eval().requires_grad_(False)
        size = self._model.config.image_size
        self._side_px = int(size if isinstance(size, int) else size[0])
        mean, std = folder.picture_scale() or (IMAGENET_MEAN, IMAGENET_STD)
        self._mean, self._std = (torch.tensor(value).view(3, 1, 1) for value in (mean, std))

    def track(self, rgb_thw3: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
        """Return bool masks [K, T, H, W] at the size of the frames; empty if not visible."""
        frames, height, width, _ = rgb_thw3.shape
        side = (self._side_px, self._side_px)
        video = torch.from_numpy(rgb_thw3).permute(0, 3, 1, 2).float() / 255
        video = functional.interpolate(video, side, mode="bilinear", antialias=True)
        session = self._session(
            video=(video - self._mean) / self._std, video_height=height, video_width=width,
            dtype=torch.float32, inference_device="cpu", inference_state_device="cpu",
            video_storage_device="cpu",
        )  # fmt: skip
        scale = torch.tensor([self._side_px / width, self._side_px / height])
        for number, box in enumerate(boxes):
            corners = torch.tensor(box.xyxy_px).view(1, 1, 2, 2) * scale
            # A box is given as two points with the labels of its corners.
            prompt = {"point_coords": corners, "point_labels": torch.tensor([[[2, 3]]]).int()}
            session.add_point_inputs(session.obj_id_to_idx(number), 0, prompt)
        session.obj_with_new_inputs = list(range(len(boxes)))
        masks_kthw: np.ndarray = np.zeros((len(boxes), frames, height, width), dtype=bool)
        with torch.no_grad():
            for frame in range(frames):
                seen = self._model(session, frame_idx=frame)
                logits = functional.interpolate(
                    seen.pred_masks.float(), (height, width), mode="bilinear"
                )[:, 0]
                visible = seen.object_score_logits.reshape(-1, 1, 1) > 0
                for row, number in enumerate(seen.object_ids):
                    masks_kthw[number, frame] = ((logits > 0) & visible)[row].numpy()
        return masks_kthw


class CheckpointTracks:
    """Finds candidate regions of a clip without truth, with both networks."""

    def __init__(self, params: RegionsParams) -> None:
        """Load the checkpoints that `params` names."""
        self._params = params
        self._detector = Detector(params.detector, params.detector_threshold)
        self._segmenter = Segmenter(params.tracker)
        self.file_digests: Mapping[str, Mapping[str, str]] = {
            "detector": self._detector.file_digests,
            "tracker": self._segmenter.file_digests,
        }
        # Other weights under the same name give regions with other ids.
        identity = canonical_json([self.file_digests, params.detector_threshold])
        self._key = hashlib.sha256(identity.encode()).hexdigest()[:8]

    def __call__(self, rgb_thw3: np.ndarray, frame_ns: Sequence[int]) -> list[Track]:
        """Return every candidate; a rejected one has a reason and an empty mask.

        Args:
            rgb_thw3: frames of the clip.
            frame_ns: their times from the start of the clip.
        """
        found = self._detector.find(rgb_thw3[0], self._params.keywords)
        chosen, rejected = _choose(found, self._params.max_regions * CANDIDATES_PER_REGION)
        masks_kthw = list(self._segmenter.track(rgb_thw3, chosen)) if chosen else []
        empty_thw = np.zeros(rgb_thw3.shape[:3], dtype=bool)
        late = self._late({box.keyword for box in found}, rgb_thw3, frame_ns)
        rows = [
            *((box, mask_thw, None) for box, mask_thw in zip(chosen, masks_kthw, strict=True)),
            *((box, empty_thw, reason) for box, reason in [*rejected, *late]),
        ]
        return [
            Track(
                source="checkpoint",
                key=f"{self._key}/{number}",
                instance=None,
                name=box.keyword,
                mask_thw=mask_thw,
                reason=reason,
            )
            for number, (box, mask_thw, reason) in enumerate(rows)
        ]

    def _late(
        self, found: set[str], rgb_thw3: np.ndarray, frame_ns: Sequence[int]
    ) -> list[tuple[Box, str]]:
        """Return the objects that appear after the first frame, with the time of appearance."""
        missing = [keyword for keyword in self._params.keywords if keyword not in found]
        late = []
        for frame in range(1, len(rgb_thw3)):
            if not missing:
                break
            boxes = self._detector.find(rgb_thw3[frame], missing)
            for keyword in [k for k in missing if any(box.keyword == k for box in boxes)]:
                missing.remove(keyword)
                best = next(box for box in boxes if box.keyword == keyword)
                reason = (
                    f"not in the first frame; a clip trimmed to begin {frame_ns[frame]} ns later "
                    "shows it"
                )
                late.append((best, reason))
        return late


@contextmanager
def _named(which: str, where: str) -> Iterator[None]:
    """Name the parameter in an error of a folder.

    Raises:
        ConfigError: the folder cannot be used.
    """
    try:
        yield
    except ContractError as error:
        raise ConfigError(f"regions.{which} {where!r} cannot be loaded: {error}") from error


def _choose(found: Sequence[Box], limit: int) -> tuple[list[Box], list[tuple[Box, str]]]:
    """Return the boxes to track, best first, and the rejected ones with the reason."""
    chosen: list[Box] = []
    rejected: list[tuple[Box, str]] = []
    for box in found:
        twin = next((c for c in chosen if _iou(c.xyxy_px, box.xyxy_px) > SAME_PLACE_IOU), None)
        if twin is not None:
            rejected.append((box, f"in the same place as a likelier {twin.keyword}"))
        elif len(chosen) == limit:
            rejected.append((box, f"more than {limit} candidates; tracked the likeliest"))
        else:
            chosen.append(box)
    return chosen, rejected


def _inside(box: torch.Tensor, size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    height, width = map(float, size_hw)
    left, top, right, bottom = (float(value) for value in box)
    return (
        round(min(max(left, 0.0), width), 3),
        round(min(max(top, 0.0), height), 3),
        round(min(max(right, 0.0), width), 3),
        round(min(max(bottom, 0.0), height), 3),
    )


def _area_px(box: tuple[float, float, float, float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    common = _area_px((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return common / max(_area_px(a) + _area_px(b) - common, 1e-9)
