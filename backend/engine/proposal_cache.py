"""The automatic masks of an image with their CLIP features, made once and kept for the next request on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from backend.engine.encoded_image import EncodedImage
from backend.engine.packed_masks import MAX_BYTES, ProposedMasks, pack
from backend.engine.ports import TextReader
from backend.runtime import LeastRecentlyUsed
from backend.values import Candidate, ProposalParameters

Propose = Callable[[EncodedImage, ProposalParameters], list[Candidate]]  # none of the masks is empty


class ProposalCache:
    """Automatic masks with CLIP features; whatever compares masks by their looks shares it. Thread-safe.

    Args:
        propose: Makes an image's automatic masks, always with the same SAM.
    """

    def __init__(self, propose: Propose) -> None:
        self._propose = propose
        self._proposed = LeastRecentlyUsed[tuple[object, ...], ProposedMasks](MAX_BYTES, lambda kept: kept.nbytes)

    def propose(self, encoded: EncodedImage, parameters: ProposalParameters, classifier: TextReader) -> ProposedMasks:
        """Return the image's automatic masks with the features that CLIP sees in them.

        The models never change, so the image and the parameters identify an entry.
        """
        image = encoded.image
        key = (image.digest, *(getattr(parameters, field.name) for field in fields(ProposalParameters)))
        kept = self._proposed.get(key)
        if kept is None:
            candidates = self._propose(encoded, parameters)
            masks = [candidate.mask for candidate in candidates]
            features = classifier.embed_masks(image.pixels, masks) if masks else np.zeros((0, 1), np.float32)
            kept = pack(candidates, (image.size.height, image.size.width), features)
            self._proposed.put(key, kept)
        return kept
