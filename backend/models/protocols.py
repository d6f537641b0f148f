"""What a family of segmenters offers: the interface that the registry's builders return."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.values import Candidate, ImageEmbedding, Mask, Pixels, Prompt, ProposalParameters


class Segmenter(Protocol):
    """A promptable segmentation model on one device. It remembers no image and is safe to share between threads."""

    @property
    def identity(self) -> str:
        """What makes an embedding besides the weights and the pixels: preprocessing and dtypes. Part of cache keys."""
        ...

    @property
    def device(self) -> str:
        """The device as torch spells it: "cpu", "cuda", "cuda:1"."""
        ...

    @property
    def encoder_dtype(self) -> str:
        """The encoder's precision: "float32", "bfloat16" or "float16"."""
        ...

    @property
    def refines_by_logits(self) -> bool:
        """Whether a correcting click is decoded best with the logits of the answer that it corrects.

        So it is with models that were trained on clicks which follow each other.
        """
        ...

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Run the image encoder on uint8 RGB (H, W, 3)."""
        ...

    def decode(self, embedding: ImageEmbedding, prompt: Prompt, *, max_masks: int | None = None) -> list[Candidate]:
        """Predict candidate masks for one object, best first, at most `max_masks` of them.

        Raises:
            BadPrompt: The prompt is empty or of a kind that the model does not handle.
        """
        ...

    def propose(self, embedding: ImageEmbedding, parameters: ProposalParameters) -> list[Candidate]:
        """Find everything in the image, best first."""
        ...

    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]:
        """Turn a mask (H, W) into `Prompt.mask_logits` of this model."""
        ...
