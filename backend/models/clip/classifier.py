"""ClipClassifier: what is under this mask, in the words of the project's own vocabulary."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torchvision.transforms import Compose
from torchvision.transforms.functional import to_pil_image

from backend.errors import BadSettings, CheckpointError
from backend.models.clip.crop import crop_for_clip
from backend.models.devices import choose_device
from backend.models.out_of_memory import DeviceModel
from backend.models.registry import ClassifierEntry
from backend.runtime import LeastRecentlyUsed
from backend.values import ClassName, ClassScore, Mask, Pixels

Vocabulary = Sequence[ClassName]
Tokenizer = Callable[[list[str]], torch.Tensor]
_VOCABULARIES_KEPT = 64
_BATCH = 32


class ClipClassifier:
    """Zero-shot classes of masks and of whole images.

    Args:
        model: An open_clip model with its weights; moved to the device.
        preprocess: open_clip's evaluation transform for it: PIL image to (3, S, S).
        tokenizer: open_clip's tokenizer for it.
        templates: Sentences with a `{}` for the class name; their text features are averaged.
        device: As for `SamSegmenter`.
    """

    def __init__(
        self,
        model: open_clip.CLIP,
        preprocess: Compose,
        tokenizer: Tokenizer,
        *,
        templates: Sequence[str],
        device: str,
    ) -> None:
        self._clip = DeviceModel(model, choose_device(device), "CLIP")
        self._preprocess, self._tokenizer, self._templates = preprocess, tokenizer, tuple(templates)
        side = model.visual.image_size
        self._side: int = side[0] if isinstance(side, tuple | list) else side
        self._text_features = LeastRecentlyUsed[tuple[tuple[ClassName, ...], tuple[str, ...]], torch.Tensor](
            _VOCABULARIES_KEPT
        )
        self._lock = threading.Lock()

    def classify(
        self,
        pixels: Pixels,
        masks: Sequence[Mask],
        vocabularies: Sequence[Vocabulary],
        *,
        top_k: int,
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Name what is under each mask, looking at it once however many vocabularies there are.

        Args:
            pixels: uint8 RGB (H, W, 3).
            masks: bool (H, W) each, none of them empty.
            vocabularies: Each the classes there are, at least one.
            top_k: How many scores are kept.
            templates: Sentences with a `{}`, instead of the classifier's own.

        Returns:
            For each vocabulary, for each mask: its classes, best first; the scores are a softmax over the vocabulary.
        """
        crops = [crop_for_clip(pixels, mask, self._side) for mask in masks]
        return self._score(crops, vocabularies, top_k, tuple(templates))

    def classify_image(
        self, pixels: Pixels, vocabulary: Vocabulary, *, top_k: int, templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        """Name the whole image, through open_clip's own transform; best first."""
        return self._score([pixels], [vocabulary], top_k, tuple(templates))[0][0]

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before a softmax."""
        return float(self._clip.model.logit_scale.exp())

    def embed_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> NDArray[np.float32]:
        """What CLIP sees under each mask, (N, D) unit vectors; the arguments are those of `classify`."""
        return self._embed([crop_for_clip(pixels, mask, self._side) for mask in masks]).numpy()

    def embed_texts(self, names: Vocabulary, templates: Sequence[str] = ()) -> NDArray[np.float32]:
        """What CLIP reads in each name, of at least one: (T, D) unit vectors; the last are kept.

        Args:
            templates: As for `classify`.
        """
        return self._vocabulary_features(tuple(names), tuple(templates)).numpy()

    @torch.inference_mode()
    def _embed(self, images: list[Pixels]) -> torch.Tensor:
        batches = [images[i : i + _BATCH] for i in range(0, len(images), _BATCH)]
        return torch.cat([self._encode_images(self._to_batch(batch)) for batch in batches])

    @torch.inference_mode()
    def _score(
        self, images: list[Pixels], vocabularies: Sequence[Vocabulary], top_k: int, templates: tuple[str, ...]
    ) -> list[list[tuple[ClassScore, ...]]]:
        image_features = self._embed(images)
        scale = self._clip.model.logit_scale.exp().cpu()
        scored = []
        for vocabulary in vocabularies:
            logits = scale * image_features @ self._vocabulary_features(tuple(vocabulary), templates).T
            probabilities = logits.softmax(dim=-1).numpy()
            scored.append([_best(row, vocabulary, top_k) for row in probabilities])
        return scored

    def _to_batch(self, images: list[Pixels]) -> torch.Tensor:
        return torch.stack([self._preprocess(to_pil_image(image)) for image in images])

    def _encode_images(self, batch: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, D) on the CPU."""

        def encode(model: open_clip.CLIP, images: torch.Tensor) -> torch.Tensor:
            return model.encode_image(images.to(model.logit_scale.device), normalize=True).float().cpu()

        return self._clip.run_batch(batch, encode)

    def _encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unit vectors (T, D) on the CPU."""

        def encode(model: open_clip.CLIP) -> torch.Tensor:
            return model.encode_text(tokens.to(model.logit_scale.device), normalize=True).float().cpu()

        return self._clip.run((f"{len(tokens)} texts", encode))

    def _vocabulary_features(self, vocabulary: tuple[ClassName, ...], templates: tuple[str, ...] = ()) -> torch.Tensor:
        templates = templates or self._templates
        key = (vocabulary, templates)
        with self._lock:  # a second thread waits for the features rather than compute them too
            features = self._text_features.get(key)
            if features is None:
                features = self._encode_vocabulary(vocabulary, templates)
                self._text_features.put(key, features)
            return features

    @torch.inference_mode()
    def _encode_vocabulary(self, vocabulary: tuple[ClassName, ...], templates: tuple[str, ...]) -> torch.Tensor:
        """One unit vector (D,) a class: the mean over names and templates. See open_clip.build_zero_shot_classifier."""
        rows = []
        for class_name in vocabulary:
            names = class_name.synonyms or (class_name.name,)
            sentences = [template.format(name) for name in names for template in templates]
            features = self._encode_text(self._tokenizer(sentences))
            rows.append(torch.nn.functional.normalize(features.mean(dim=0), dim=0))
        return torch.stack(rows)


def _best(probabilities: NDArray[np.float32], vocabulary: Vocabulary, top_k: int) -> tuple[ClassScore, ...]:
    order = np.argsort(-probabilities)[:top_k]
    return tuple(ClassScore(vocabulary[index].name, float(probabilities[index])) for index in order)


def load_clip(entry: ClassifierEntry, checkpoint: Path, *, device: str) -> ClipClassifier:
    """Build an open_clip model and fill it from a checkpoint on this disk.

    Raises:
        BadSettings: open_clip knows no such model.
        CheckpointError: Damaged, or of another model.
    """
    if entry.configs is not None:
        open_clip.add_model_config(entry.configs)
    name = entry.name
    if name not in open_clip.list_models():
        raise BadSettings(
            f"CLIP_MODEL is {name!r}, which open_clip does not know.",
            remedy="Choose one that open_clip.list_models() names.",
        )
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=str(checkpoint))
    except Exception as error:  # open_clip, torch and safetensors each raise their own family
        raise CheckpointError(
            f"The checkpoint {checkpoint} cannot be loaded into CLIP model {name!r}: {str(error)[:300]}",
            remedy="Choose CLIP_MODEL and CLIP_PRETRAINED that belong together, or fetch the file again.",
        ) from error
    return ClipClassifier(model, preprocess, open_clip.get_tokenizer(name), templates=entry.templates, device=device)
