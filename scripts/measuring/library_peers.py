"""The libraries' own ways from an image and a click to masks, around the model that a segmenter holds."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor

from backend.models.entries import SegmenterEntry
from backend.models.protocols import Segmenter
from backend.values import Pixels


class LibraryPeer(Protocol):
    """A library's model with one encoded image; `encode_name` and `click_name` are its calls, for the report."""

    encode_name: str
    click_name: str

    def encode(self, pixels: Pixels) -> None:
        """Encode the image of the clicks that follow."""
        ...

    def click(self, x: float, y: float) -> NDArray[np.float32]:
        """Predict the three masks of a foreground point at original size; return the best one's low-resolution logits.

        The best one is that of the highest score; the logits are (M, M).
        """
        ...


def build_peer(entry: SegmenterEntry, segmenter: Segmenter) -> LibraryPeer:
    """Build the peer of a segmenter; both share one copy of the weights."""
    model = segmenter._sam.model  # type: ignore[attr-defined]
    return SamPeer(model) if entry.family in ("sam1", "mobile_sam") else TransformersPeer(model)


class SamPeer:
    """segment_anything's SamPredictor."""

    encode_name = "SamPredictor.set_image"
    click_name = "SamPredictor.predict(multimask_output=True)"

    def __init__(self, model: Any) -> None:
        self._predictor = SamPredictor(model)

    def encode(self, pixels: Pixels) -> None:
        self._predictor.set_image(pixels)
        _finish(self._predictor.device)

    def click(self, x: float, y: float) -> NDArray[np.float32]:
        _, scores, low_res = self._predictor.predict(np.array([[x, y]]), np.array([1]), multimask_output=True)
        best: NDArray[np.float32] = low_res[scores.argmax()]
        return best


class TransformersPeer:
    """transformers' Sam2Model or EdgeTamModel with its processor."""

    encode_name = "Sam2Processor(images), get_image_embeddings"
    click_name = "model(image_embeddings=…), post_process_masks"

    def __init__(self, model: Any) -> None:
        import transformers

        self._model, self._side = model, int(model.prompt_encoder.input_image_size)
        images = transformers.Sam2ImageProcessor(size={"height": self._side, "width": self._side})
        self._processor = transformers.Sam2Processor(images, target_size=self._side)
        self._embeddings: Any = None
        self._sizes: list[list[int]] = []

    @torch.inference_mode()
    def encode(self, pixels: Pixels) -> None:
        self._sizes = [list(pixels.shape[:2])]
        inputs = self._processor(images=pixels, return_tensors="pt")
        self._embeddings = self._model.get_image_embeddings(inputs["pixel_values"].to(self._model.device))
        _finish(self._model.device)

    @torch.inference_mode()
    def click(self, x: float, y: float) -> NDArray[np.float32]:
        height, width = self._sizes[0]
        point = torch.tensor([[[[x * self._side / width, y * self._side / height]]]], device=self._model.device)
        labels = torch.ones(1, 1, 1, dtype=torch.int, device=self._model.device)
        output = self._model(
            image_embeddings=self._embeddings, input_points=point, input_labels=labels, multimask_output=True
        )
        self._processor.post_process_masks(output.pred_masks.cpu(), self._sizes)
        best: NDArray[np.float32] = output.pred_masks[0, 0, output.iou_scores[0, 0].argmax()].cpu().numpy()
        return best


def _finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was asked: its calls return before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
