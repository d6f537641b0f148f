"""Search by text with a detector: its boxes become masks of the segmenter that is loaded, in one batch."""

from __future__ import annotations

from collections.abc import Sequence

from backend.engine.box_masks import segment_boxes
from backend.engine.encoded_image import EncodedImage
from backend.engine.found_mask import FoundMask
from backend.engine.ports import Detector, Segmenter
from backend.engine.text_matching import parse_text
from backend.images import SourceImage
from backend.runtime import LeastRecentlyUsed, stage
from backend.values import Detection

MAX_KEPT = 100  # answers of the detector


class BoxSearch:
    """Search by text with a detector. Thread-safe.

    Args:
        detector: Finds boxes.
        segmenter: Makes masks of them.
    """

    def __init__(self, detector: Detector, segmenter: Segmenter) -> None:
        self._detector, self._segmenter = detector, segmenter
        self._detected = LeastRecentlyUsed[tuple[str, tuple[str, ...]], list[Detection]](MAX_KEPT)

    def check(self, texts: Sequence[str]) -> None:
        """Raise `BadPrompt` for a text that names nothing, or that the detector cannot read."""
        self._detector.check_texts([parse_text(text).spoken for text in texts])

    def detect(self, image: SourceImage, texts: Sequence[str]) -> list[Detection]:
        """Find the boxes of what the texts name, all at once, and keep them for `search`.

        Args:
            texts: As typed; their articles and plurals are dropped. Of two that say the same the first counts.

        Returns:
            Best score first; `Detection.text` is the text as the detector read it.

        Raises:
            BadPrompt: As `check`.
        """
        spoken = tuple(self._by_spoken(texts))
        key = image.digest, spoken
        detections = self._detected.get(key)
        if detections is None:
            with stage("detector"):
                detections = self._detector.detect(image.pixels, spoken)
            self._detected.put(key, detections)
        return detections

    def search(self, encoded: EncodedImage, texts: Sequence[str]) -> list[FoundMask]:
        """Find the masks of what the texts name.

        Returns:
            Best score of the detector first, without empty masks.

        Raises:
            BadPrompt: As `check`.
        """
        detections, typed = self.detect(encoded.image, texts), self._by_spoken(texts)
        candidates = segment_boxes(self._segmenter, encoded, [one.box_xyxy for one in detections])
        return [
            FoundMask(candidate, one.score, typed[one.text])
            for candidate, one in zip(candidates, detections, strict=True)
            if candidate.mask.any()
        ]

    @staticmethod
    def _by_spoken(texts: Sequence[str]) -> dict[str, str]:
        typed: dict[str, str] = {}
        for text in texts:
            typed.setdefault(parse_text(text).spoken, text)
        return typed
