"""Grounding DINO and its successors (MM-Grounding-DINO, LLMDet): an image and texts to boxes.

The image backbone runs once for an image and the text backbone once for a token sequence, however many passes the texts
take. The encoder and the decoder run in every pass: from their first layer on, they mix the image with its texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import batched_nms, box_convert, clip_boxes_to_image, remove_small_boxes

from backend.models.detectors.image_cache import CachedImageBackbone, DeviceImage
from backend.models.detectors.loading import LoadedFolder, load_folder
from backend.models.detectors.phrase_tokens import Pass, PhraseTokens
from backend.models.detectors.text_cache import CachedTextBackbone
from backend.models.devices import choose_device, choose_encoder_dtype
from backend.models.entries import DetectorEntry
from backend.models.out_of_memory import DeviceModel
from backend.values import Detection, Pixels

MAX_OVERLAP = 0.7  # IoU above which of two boxes of a text only the better one is kept
MIN_SIDE = 1.0  # pixels of the original image; smaller boxes are dropped
MAX_ASPECT = 20  # sides of a narrower image are padded: the resize would round the shorter one to 0


class GroundingDinoDetector:
    """Grounding DINO on one device.

    Args:
        loaded: The model, which is moved to the device and never trained, its image processor and its tokenizer.
        name: In the log.
        min_score: Default score that a box must reach.
        device: "auto", "cpu", "cuda" or "cuda:N". On CUDA it runs in bfloat16, or float16 on older cards.
    """

    def __init__(self, loaded: LoadedFolder, *, name: str, min_score: float, device: str = "auto") -> None:
        torch_device = choose_device(device)
        self._dtype = choose_encoder_dtype("auto", torch_device)
        self._min_score, self._image_processor = min_score, loaded.image_processor
        self._tokens = PhraseTokens(loaded.tokenizer, loaded.model.config.max_text_len)
        loaded.model.model.text_backbone = CachedTextBackbone(loaded.model.model.text_backbone)
        vision = loaded.model.model.backbone
        vision.conv_encoder = CachedImageBackbone(vision.conv_encoder)
        self._model = DeviceModel(loaded.model, torch_device, name)

    @property
    def device(self) -> str:
        return str(self._model.device)

    def check_texts(self, texts: Sequence[str]) -> None:
        """Raise `BadPrompt` for a text that is empty, has no known word, or is longer than the model can read."""
        self._tokens.check(texts)

    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]:
        """Find the boxes of everything that the texts name.

        A box has the text with the token of the highest score, and that score; transformers' own post-processing
        thresholds the same score, but returns the words of all tokens above a second threshold as one phrase.

        Args:
            pixels: uint8 RGB (H, W, 3).
            texts: As many as wanted; of the model, all but the image backbone runs once for as many as fit into its
                token limit.
            min_score: Score that a box must reach; None for the model's default.

        Returns:
            Best score first, in pixels of the image. Of boxes with the same text none overlaps another much.

        Raises:
            BadPrompt: As `check_texts`.

        Source: GroundingDinoProcessor.post_process_grounded_object_detection.
        """
        passes = self._tokens.split(texts)
        if not passes:
            return []
        padded = _pad_narrow(pixels)
        read = self._image_processor(images=padded, input_data_format="channels_last", return_tensors="pt")
        image = DeviceImage(read["pixel_values"], read["pixel_mask"])
        limit = self._min_score if min_score is None else min_score
        found = []
        for of_pass in passes:
            found += self._run_pass(image, of_pass, limit, padded.shape[:2], pixels.shape[:2])
        return sorted(found, key=lambda one: -one.score)

    def _run_pass(
        self, image: DeviceImage, of_pass: Pass, min_score: float, padded: tuple[int, ...], size: tuple[int, ...]
    ) -> list[Detection]:
        """Run the model once; `padded` and `size` are heights and widths with and without padding."""

        def run(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return self._predict(model, image, of_pass)

        logits, boxes = self._model.run(("an image", run))
        scores_of_texts = torch.stack([logits[:, start:stop].amax(1) for _, start, stop in of_pass.spans], 1)
        scores, places = scores_of_texts.sigmoid().max(dim=1)
        height, width = padded
        in_pixels = box_convert(boxes, "cxcywh", "xyxy") * torch.tensor([width, height, width, height])
        in_pixels = clip_boxes_to_image(in_pixels, (size[0], size[1]))
        kept = torch.nonzero((scores >= min_score) & in_pixels.isfinite().all(1))[:, 0]
        kept = kept[remove_small_boxes(in_pixels[kept], MIN_SIDE)]
        kept = kept[batched_nms(in_pixels[kept], scores[kept], places[kept], MAX_OVERLAP)]
        return [
            Detection((left, top, right, bottom), float(scores[place]), of_pass.spans[int(places[place])][0])
            for place in kept.tolist()
            for left, top, right, bottom in [in_pixels[place].tolist()]
        ]

    @torch.inference_mode()
    def _predict(self, model: Any, image: DeviceImage, of_pass: Pass) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits (Q, T) and boxes (Q, 4) of all queries, on the CPU; boxes as shares, by their centres."""
        device = next(model.parameters()).device
        token_ids, (pixel_values, pixel_mask) = torch.tensor([of_pass.token_ids], device=device), image.on(device)
        half = self._dtype != torch.float32 and device.type == self._model.device.type  # not in the copy on the CPU
        with torch.autocast(device.type, dtype=self._dtype if half else None, enabled=half):
            output = model(
                pixel_values=pixel_values,
                pixel_mask=pixel_mask,
                input_ids=token_ids,
                token_type_ids=torch.zeros_like(token_ids),
                attention_mask=torch.ones_like(token_ids),
            )
        return output.logits[0].float().cpu(), output.pred_boxes[0].float().cpu()


def _pad_narrow(pixels: Pixels) -> Pixels:
    """Return the image with black right of it or below it if its sides differ too much."""
    height, width = pixels.shape[:2]
    shorter = -(-max(height, width) // MAX_ASPECT)
    missing = [(0, max(shorter - side, 0)) for side in (height, width)]
    return np.pad(pixels, (*missing, (0, 0))) if any(after for _, after in missing) else pixels


def build(entry: DetectorEntry, folder: Path, *, device: str) -> GroundingDinoDetector:
    """Build the detector of a registry entry from a folder on disk.

    Raises:
        BadSettings: Unknown device, or transformers is missing or of another version.
        CheckpointError: The folder is incomplete, damaged, or of another model.
    """
    return GroundingDinoDetector(load_folder(entry, folder), name=entry.name, min_score=entry.min_score, device=device)
