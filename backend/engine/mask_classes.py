"""Classes of masks by CLIP, of one image or of several in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.engine.known_words import KnownWords
from backend.engine.ports import Classifier
from backend.images import SourceImage
from backend.values import ClassName, ClassScore, Mask, Pixels

Vocabulary = Sequence[ClassName]
Scores = tuple[ClassScore, ...]


class MaskClasses:
    """Classes of masks in the vocabularies that CLIP can read.

    Args:
        classifier: CLIP; with None masks have no classes.
        known: The words that CLIP knows.
    """

    def __init__(self, classifier: Classifier | None, known: KnownWords) -> None:
        self._classifier, self._known = classifier, known

    def crop(self, image: SourceImage, masks: Sequence[Mask], vocabularies: Sequence[Vocabulary]) -> Pixels:
        """Return what CLIP looks at for each mask; see `ImageLabeler.crop_masks`."""
        if self._classifier is None or not masks or not any(map(self._known.knows, vocabularies)):
            return np.empty((len(masks), 0, 0, 3), np.uint8)  # without decoding the image
        return self._classifier.crop_masks(image.pixels, masks)

    def classify(
        self, crops: Pixels, vocabularies: Sequence[Vocabulary], templates: Sequence[str], top_k: int
    ) -> list[list[Scores]]:
        """Classify crops; see `ImageLabeler.classify_crops`."""
        nothing: list[Scores] = [() for _ in crops]
        known = [vocabulary for vocabulary in vocabularies if self._known.knows(vocabulary)]
        if self._classifier is None or not len(crops) or not known:
            return [nothing for _ in vocabularies]
        scores = iter(self._classifier.classify_crops(crops, known, top_k=top_k, templates=templates))
        return [next(scores) if self._known.knows(vocabulary) else nothing for vocabulary in vocabularies]

    def classify_image(
        self, image: SourceImage, vocabulary: Vocabulary, templates: Sequence[str], top_k: int
    ) -> Scores:
        """Classify a whole image; see `ImageLabeler.classify_image`."""
        if self._classifier is None or not self._known.knows(vocabulary):
            return ()
        return self._classifier.classify_image(image.pixels, vocabulary, top_k=top_k, templates=templates)
