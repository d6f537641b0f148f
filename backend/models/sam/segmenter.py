"""SamSegmenter: image pixels to an embedding, an embedding and a prompt to masks. It remembers no image.

Equal to `segment_anything.SamPredictor` and `SamAutomaticMaskGenerator` on the same weights; the tests prove it. What
differs is that the embedding is an argument, that a click is decoded with less work (see `sam_decoder`), that only the
masks which are used are brought to the original size, and that a device without memory costs time and not the answer.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide

from backend.errors import BadPrompt
from backend.models.devices import choose_device, choose_encoder_dtype, free_memory, is_out_of_memory
from backend.models.sam.automatic_masks import EmbeddedMaskGenerator
from backend.models.sam.prompt_decoder import PromptDecoder
from backend.models.sam.steps import FAMILY, IMAGE_EMBED, enlarge
from backend.values import Candidate, ImageEmbedding, Mask, Pixels, Prompt, ProposalParameters, Size

log = logging.getLogger(__name__)

PREPROCESSING_VERSION = 1  # of what happens to pixels before the encoder; part of every cache key
T = TypeVar("T")


class SamSegmenter:
    """SAM on one device.

    Args:
        model: With its weights; it is moved to the device and never trained.
        device: "auto", "cpu", "cuda" or "cuda:N".
        encoder_dtype: "auto" (bfloat16 or float16 on cuda, float32 on a CPU) or a torch dtype's name.
        embedding_dtype: What `encode` answers in; float16 halves the cache.
    """

    def __init__(
        self,
        model: Sam,
        *,
        device: str = "auto",
        encoder_dtype: str = "auto",
        embedding_dtype: type[np.floating[Any]] = np.float16,
    ) -> None:
        self.device = choose_device(device)
        self.encoder_dtype = choose_encoder_dtype(encoder_dtype, self.device)
        self.embedding_dtype = np.dtype(embedding_dtype)
        self._model = model.eval().requires_grad_(False).to(self.device)
        self._decoders = {self.device: PromptDecoder(self._model)}
        self._on_cpu: Sam | None = None
        self._falling_back = threading.Lock()
        self._transform = ResizeLongestSide(model.image_encoder.img_size)

    @property
    def identity(self) -> str:
        """What made the embedding besides the weights and the pixels; part of the cache key."""
        return f"pre{PREPROCESSING_VERSION}-enc-{str(self.encoder_dtype).removeprefix('torch.')}-{self.embedding_dtype}"

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Run the image encoder, the expensive half of SAM.

        Args:
            pixels: uint8 RGB (H, W, 3).

        Returns:
            One array, "image_embed", in `embedding_dtype`; (256, 64, 64) for SAM's own models.

        Source: segment_anything.SamPredictor.set_image.
        """
        resized = self._transform.apply_image(pixels)
        features = self._with_fallback(lambda model: self._encode(model, resized))
        size, input_size = (Size(a.shape[1], a.shape[0]) for a in (pixels, resized))
        arrays = {IMAGE_EMBED: features.astype(self.embedding_dtype, copy=False)}
        return ImageEmbedding(arrays, size, input_size, FAMILY)

    def decode(self, embedding: ImageEmbedding, prompt: Prompt, *, most: int | None = None) -> list[Candidate]:
        """Predict candidate masks for one object.

        A single foreground point is ambiguous, so SAM answers three candidates for it and one for anything else.

        Args:
            embedding: Of the image that `prompt` was drawn on.
            prompt: In pixels of the original image, XY.
            most: Only the best so many are brought to the original size, which is most of the work.

        Returns:
            Best first: a (H, W) bool mask at original size and SAM's predicted IoU.

        Raises:
            BadPrompt: Neither a point, a box nor a mask.

        Source: segment_anything.SamPredictor.predict_torch.
        """
        if not prompt.point_coords and prompt.box_xyxy is None and prompt.mask_logits is None:
            raise BadPrompt("The prompt is empty.", remedy="Click a point or draw a box.")
        return self._with_fallback(lambda model: self._decode(model, embedding, prompt, most))

    def propose(self, embedding: ImageEmbedding, parameters: ProposalParameters) -> list[Candidate]:
        """Find everything in the image: `SamAutomaticMaskGenerator` over an embedding that exists already.

        Returns:
            Best predicted IoU first.
        """
        attempts = [(points, self.device) for points in (64, 8)] + [(8, torch.device("cpu"))]
        for points_per_batch, device in attempts:
            try:
                return self._propose(self._model_on(device), embedding, parameters, points_per_batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or (points_per_batch, device) == attempts[-1]:
                    raise
                log.warning("%s has no memory for %d points at once; trying with less.", device, points_per_batch)
                free_memory(self.device)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def mask_to_logits(self, mask: Mask, *, magnitude: float = 10.0) -> NDArray[np.float32]:
        """Turn a mask that exists (painted, or accepted earlier) into SAM's mask prompt.

        Returns:
            float32 (1, M, M), `magnitude` inside and -`magnitude` outside, soft along the border.
        """
        side = self._model.prompt_encoder.mask_input_size[0]
        length = self._transform.target_length
        height, width = self._transform.get_preprocess_shape(*mask.shape, length)
        cover = torch.from_numpy(mask.astype(np.float32))[None, None]
        cover = torch.nn.functional.interpolate(cover, (height, width), mode="bilinear", antialias=True)
        canvas = torch.zeros(1, 1, length, length)
        canvas[..., :height, :width] = cover
        small = torch.nn.functional.interpolate(canvas, (side, side), mode="bilinear", antialias=True)
        return ((small[0] * 2 - 1) * magnitude).numpy()

    @torch.inference_mode()
    def _encode(self, model: Sam, resized: Pixels) -> NDArray[Any]:
        image = torch.as_tensor(resized, device=model.device).permute(2, 0, 1).contiguous()[None]
        half = self.encoder_dtype != torch.float32 and model.device.type == "cuda"
        with torch.autocast(model.device.type, dtype=self.encoder_dtype, enabled=half):
            features = model.image_encoder(model.preprocess(image))
        array: NDArray[Any] = features[0].float().cpu().numpy()
        return array

    @torch.inference_mode()
    def _decode(self, model: Sam, embedding: ImageEmbedding, prompt: Prompt, most: int | None) -> list[Candidate]:
        points, boxes, masks = self._torch_prompt(model, embedding, prompt)
        sparse, dense = model.prompt_encoder(points=points, boxes=boxes, masks=masks)
        low_res_masks, scores = self._decoder_of(model).decode(
            embedding, sparse[0], None if masks is None else dense, multimask=prompt.is_single_click, most=most
        )
        enlarged = enlarge(model, low_res_masks[None], embedding)[0] > model.mask_threshold
        arrays = (t.cpu().numpy() for t in (enlarged, scores, low_res_masks))
        return [Candidate(m, float(s), logits[None]) for m, s, logits in zip(*arrays, strict=True)]

    def _torch_prompt(self, model: Sam, embedding: ImageEmbedding, prompt: Prompt) -> tuple[Any, Any, Any]:
        original = (embedding.original_size.height, embedding.original_size.width)
        points = boxes = masks = None
        if prompt.point_coords:
            coords = self._transform.apply_coords(np.array(prompt.point_coords), original)
            labels = torch.as_tensor(prompt.point_labels, dtype=torch.int, device=model.device)
            points = torch.as_tensor(coords, dtype=torch.float, device=model.device)[None], labels[None]
        if prompt.box_xyxy is not None:
            box = self._transform.apply_boxes(np.array(prompt.box_xyxy), original)
            boxes = torch.as_tensor(box, dtype=torch.float, device=model.device)
        if prompt.mask_logits is not None:
            masks = torch.as_tensor(prompt.mask_logits, dtype=torch.float, device=model.device)[None]
        return points, boxes, masks

    @staticmethod
    @torch.inference_mode()
    def _propose(
        model: Sam, embedding: ImageEmbedding, parameters: ProposalParameters, points_per_batch: int
    ) -> list[Candidate]:
        generator = EmbeddedMaskGenerator(model, embedding, parameters, points_per_batch)
        size = embedding.original_size
        records = generator.generate(np.empty((size.height, size.width, 0), np.uint8))
        records.sort(key=lambda record: -record["predicted_iou"])
        return [Candidate(record["segmentation"], float(record["predicted_iou"])) for record in records]

    def _with_fallback(self, work: Callable[[Sam], T]) -> T:
        try:
            return work(self._model)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
            log.warning("%s is out of memory (%s); this request is answered on the CPU.", self.device, error)
        free_memory(self.device)
        return work(self._model_on(torch.device("cpu")))

    def _model_on(self, device: torch.device) -> Sam:
        if device == self.device:
            return self._model
        with self._falling_back:
            if self._on_cpu is None:
                self._on_cpu = copy.deepcopy(self._model).to("cpu")
            return self._on_cpu

    def _decoder_of(self, model: Sam) -> PromptDecoder:
        """The decoder of this model or of its copy on the CPU."""
        with self._falling_back:
            if model.device not in self._decoders:
                self._decoders[model.device] = PromptDecoder(model)
            return self._decoders[model.device]
