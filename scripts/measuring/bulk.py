"""Pre-annotation: all masks of an image and their classes, against SamAutomaticMaskGenerator and a loop over CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import open_clip
import torch
from PIL import Image

from backend.geometry import mask_to_box
from backend.label_studio.config import parse_labeling_config
from backend.models import checkpoints, registry
from backend.models.clip.classifier import ClipClassifier, load_clip
from backend.settings import Settings
from backend.values import ClassName, Mask, Pixels
from scripts.measuring.place import CLASSES_AND_MASKS, Picture
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, compare

TEMPLATE = "a photo of a {}."
MASKS_OF_AN_IMAGE = 32


class ClipLoop:
    """Simple use of open_clip: crop to the box, black out the background, one crop per forward pass."""

    def __init__(self, subject: Subject, class_names: Sequence[str]) -> None:
        settings = subject.settings
        open_clip.add_model_config(registry.DEMO_CONFIGS)
        entry = registry.find_classifier(settings.clip_model)
        path = checkpoints.find_classifier_checkpoint(entry, settings.clip_pretrained, settings.weights_path)
        made = open_clip.create_model_and_transforms(settings.clip_model, pretrained=str(path))
        self._model, self._preprocess = made[0].eval().to(subject.segmenter.device), made[2]
        self._device, self._class_names = subject.segmenter.device, list(class_names)
        tokens = open_clip.get_tokenizer(settings.clip_model)([TEMPLATE.format(name) for name in class_names])
        with torch.inference_mode():
            self._text = self._model.encode_text(tokens.to(self._device), normalize=True)

    @torch.inference_mode()
    def classify(self, pixels: Pixels, masks: Sequence[Mask]) -> list[str]:
        """Return the best class of each mask."""
        return [self._class_names[self._best(pixels, mask)] for mask in masks]

    def _best(self, pixels: Pixels, mask: Mask) -> int:
        edges = mask_to_box(mask)
        if edges is None:
            raise ValueError("The mask is empty.")
        left, top, right, bottom = edges
        box = slice(top, bottom), slice(left, right)
        crop = Image.fromarray(np.where(mask[box][..., None], pixels[box], 0).astype(np.uint8))
        image = self._preprocess(crop)[None].to(self._device)
        return int((self._model.encode_image(image, normalize=True) @ self._text.T).argmax())


def class_vocabulary() -> tuple[ClassName, ...]:
    """Return the per-region classes of the measured config."""
    return parse_labeling_config(CLASSES_AND_MASKS).images[0].region_choices[0].labels


def measure_clip(subject: Subject, pictures: Sequence[Picture], *, repeats: int, aim: float | None = None) -> Row:
    """Measure the classification of 32 masks of one picture, their crops and CLIP's preprocessing included.

    Args:
        pictures: Of one size; their objects' masks are put on the first one.
    """
    classes, pixels = class_vocabulary(), pictures[0].scene.pixels
    masks = [scene_object.mask for picture in pictures for scene_object in picture.scene.objects][:MASKS_OF_AN_IMAGE]
    classifier, loop = load_classifier(subject.settings), ClipLoop(subject, [c.name for c in classes])
    return compare(
        "Classes",
        f"{len(masks)} masks of {pictures[0].scene.size} among {len(classes)} classes, {subject.settings.clip_model}",
        lambda: classifier.classify(pixels, masks, [classes], top_k=5),
        "open_clip, one call per mask",
        lambda: loop.classify(pixels, masks),
        repeats=repeats,
        aim=aim,
        remark="preprocessing included; here each crop keeps blurred context",
    )


def load_classifier(settings: Settings) -> ClipClassifier:
    """Load the CLIP of the settings with a single template, as the peers use it."""
    entry = replace(registry.find_classifier(settings.clip_model), templates=(TEMPLATE,))
    path = checkpoints.find_classifier_checkpoint(entry, settings.clip_pretrained, settings.weights_path)
    return load_clip(entry, path, device=settings.device)
