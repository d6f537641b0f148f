"""What the segmenters of all families have in common: a model on one device, and decoders for each copy of it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch

from backend.errors import BadPrompt
from backend.models.devices import choose_device, choose_encoder_dtype
from backend.models.out_of_memory import DeviceModel
from backend.values import Candidate, ImageEmbedding, Prompt, ReviseLogits

ModelT = TypeVar("ModelT", bound=torch.nn.Module)
DecodersT = TypeVar("DecodersT")


class DeviceSegmenter(ABC, Generic[ModelT, DecodersT]):
    """Base of the segmenters.

    Args:
        model: The model with its weights; it is moved to the device and never trained.
        build_decoders: Builds what decodes embeddings with one copy of the model.
        preprocessing: Names the steps before the encoder and their version; part of every cache key.
        family: Family name in the embeddings; those of another family are refused.
        device: "auto", "cpu", "cuda" or "cuda:N".
        encoder_dtype: "auto" (bfloat16 or float16 on CUDA, float32 on a CPU) or a torch dtype's name.
        name: The model's name in the registry, for the log and for errors.
    """

    refines_by_logits = True  # SAM was trained on sequences of clicks, each with the logits of the previous mask
    embedding_dtype: ClassVar[np.dtype[np.floating]] = np.dtype(np.float16)  # half the cache size of float32

    def __init__(
        self,
        model: ModelT,
        build_decoders: Callable[[ModelT], DecodersT],
        *,
        preprocessing: str,
        family: str,
        device: str,
        encoder_dtype: str,
        name: str,
    ) -> None:
        torch_device = choose_device(device)
        self._encoder_dtype = choose_encoder_dtype(encoder_dtype, torch_device)
        self._preprocessing, self._family = preprocessing, family
        self._sam = DeviceModel(model, torch_device, name)
        self._build_decoders = build_decoders
        self._decoders = {_device_of(self._sam.model): build_decoders(self._sam.model)}
        self._decoders_lock = threading.Lock()

    @property
    def device(self) -> str:
        return str(self._sam.device)

    @property
    def encoder_dtype(self) -> str:
        return str(self._encoder_dtype).removeprefix("torch.")

    @property
    def identity(self) -> str:
        """What an embedding depends on besides weights and pixels; part of the cache key."""
        return f"{self._preprocessing}-enc-{self.encoder_dtype}-{self.embedding_dtype}"

    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]:
        """Predict candidate masks for one object.

        A single foreground point is ambiguous, so SAM returns three candidates for it and one for anything else.

        Args:
            embedding: Of the image that `prompt` was drawn on.
            prompt: In pixels of the original image, XY.
            max_masks: Number of the best masks to upscale to the original size, which is most of the work.
            revise: Changes the low-resolution logits of each mask before it is upscaled.

        Returns:
            Best first: a (H, W) bool mask at original size and SAM's predicted IoU.

        Raises:
            BadPrompt: Neither a point, a box nor a mask.
        """
        if not prompt.point_coords and prompt.box_xyxy is None and prompt.mask_logits is None:
            raise BadPrompt("The prompt is empty.", remedy="Click a point or draw a box.")
        return self._sam.run(("a prompt", lambda model: self._decode(model, embedding, prompt, max_masks, revise)))

    @abstractmethod
    def _decode(
        self,
        model: ModelT,
        embedding: ImageEmbedding,
        prompt: Prompt,
        max_masks: int | None,
        revise: ReviseLogits | None,
    ) -> list[Candidate]:
        """Decode with one copy of the model; see `decode`."""

    def _decoders_of(self, model: ModelT, embedding: ImageEmbedding) -> DecodersT:
        """Return the decoders of this model or of its copy on the CPU; refuse an embedding of another family."""
        if embedding.family != self._family:
            raise ValueError(f"This embedding is of {embedding.family!r}, but the model of {self._family!r}.")
        device = _device_of(model)
        with self._decoders_lock:
            if device not in self._decoders:
                self._decoders[device] = self._build_decoders(model)
            return self._decoders[device]


def _device_of(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device
