"""Interfaces of the segmentation models and the detectors, which the registry's builders return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.values import (
    Candidate,
    Detection,
    EmbeddingSpec,
    ImageEmbedding,
    Mask,
    Pixels,
    Prompt,
    ProposalParameters,
    ReviseLogits,
    Size,
)


class Segmenter(Protocol):
    """A promptable segmentation model on one device. It has no current image and is thread-safe."""

    @property
    def identity(self) -> str:
        """What an embedding depends on besides weights and pixels: preprocessing and dtypes. Part of cache keys."""
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
        """Whether a corrective click is best decoded together with the logits of the mask that it corrects.

        True for models that were trained on sequences of clicks.
        """
        ...

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        """Run the image encoder on uint8 RGB (H, W, 3)."""
        ...

    def embedding_spec(self, size: Size) -> EmbeddingSpec:
        """Return what `encode` returns for an image of this size, without running it.

        The cache refuses any other entry of such an image.
        """
        ...

    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]:
        """Predict candidate masks for one object, best first, at most `max_masks` of them.

        `revise` changes the logits of each before they become a mask. A model whose `refines_by_logits` is false is
        never asked to.

        Raises:
            BadPrompt: The prompt is empty or of a kind that the model does not handle.
        """
        ...

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        """Predict the best mask of each prompt, as `decode` with one mask does, in the order of the prompts.

        Args:
            prompts: Each is a single click or a box alone.
        """
        ...

    def propose(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, pixels: Pixels | None = None
    ) -> list[Candidate]:
        """Generate masks of everything in the image, best first.

        The image's `pixels` are given only if `parameters.crop_n_layers` asks for crops, which have to be encoded.
        """
        ...

    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]:
        """Convert a mask (H, W) to this model's `Prompt.mask_logits`; the same mask always gives the same logits."""
        ...


class Detector(Protocol):
    """A model that finds the boxes of what texts name. Thread-safe."""

    @property
    def device(self) -> str:
        """The device as torch spells it."""
        ...

    def check_texts(self, texts: Sequence[str]) -> None:
        """Raise `BadPrompt` for a text that is empty or longer than the model can read, naming it."""
        ...

    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]:
        """Find the boxes of everything that the texts name.

        Args:
            pixels: uint8 RGB (H, W, 3).
            texts: Names of classes or short descriptions; as many as wanted, the model splits them into passes.
            min_score: Score that a box must reach; None for the model's default.

        Returns:
            Best score first; `Detection.text` is one of `texts`.

        Raises:
            BadPrompt: As `check_texts`.
        """
        ...
