"""Objects of a renderer to correct, and the two engines that are compared."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from PIL import Image

from backend.engine import EncodedImage, ImageLabeler, segment_image
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.models.sam.segmenter import SamSegmenter
from backend.values import Mask
from scripts.demo_world.annotators import Site
from scripts.demo_world.corrections import EarlierLabeler, answer_chain, first_click, paint
from scripts.demo_world.evaluate import DEMO_PROPOSAL, DEMO_SAM, RENDERERS, load_demo_sam

MIN_START_IOU = 0.5  # of a pre-annotated mask with the object that it stands for


@dataclass(frozen=True)
class Item:
    """An object to correct: its image as either engine encodes it, its true mask, and the image's automatic masks."""

    image: EncodedImage
    earlier_image: EncodedImage
    truth: Mask
    found: Sequence[Mask]


class Bench:
    """Both engines, a backend with ours, and the objects of a renderer.

    Args:
        sam, earlier_sam: Weights of each engine; None for the same ones.
    """

    def __init__(self, renderer: str, first_seed: int, sam: Path = DEMO_SAM, earlier_sam: Path | None = None) -> None:
        self.segmenter = SamSegmenter(load_demo_sam(sam), device="cpu")
        self._earlier_segmenter = self.segmenter
        if earlier_sam is not None:
            self._earlier_segmenter = SamSegmenter(load_demo_sam(earlier_sam), device="cpu")
        self.ours, self.earlier = ImageLabeler(self.segmenter, None), EarlierLabeler(self._earlier_segmenter, None)
        self.site = Site(segmenter=self.segmenter)
        self._renderer, self._first_seed = renderer, first_seed

    def objects(self, start: int = 0) -> Iterator[Item]:
        """Yield objects without end, from the `start`-th on."""
        for number in count(self._first_seed):
            scene, file = RENDERERS[self._renderer](number), io.BytesIO()
            left_out, start = start, max(start - len(scene.objects), 0)
            if left_out >= len(scene.objects):
                continue
            Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
            source = SourceImage(file.getvalue())
            image = earlier_image = EncodedImage(source, self.segmenter.encode(source.pixels))
            if self._earlier_segmenter is not self.segmenter:
                earlier_image = EncodedImage(source, self._earlier_segmenter.encode(source.pixels))
            found = [region.mask for region in segment_image(self.ours, image, DEMO_PROPOSAL)] if self.automatic else []
            for item in scene.objects[left_out:]:
                yield Item(image, earlier_image, item.mask, found)

    automatic = True


def start_of(bench: Bench, course: str, item: Item, n: int) -> Mask:
    """Return the mask to correct."""
    truth = item.truth
    if course != "painted":
        return answer_chain(bench.ours)(item.image, truth, [first_click(truth)])
    if n % 2:
        return paint(truth, n)
    best = max(item.found, key=lambda mask: mask_iou(mask, truth), default=None)
    return best if best is not None and mask_iou(best, truth) >= MIN_START_IOU else paint(truth, n)
