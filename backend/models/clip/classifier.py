"""Zero-shot classification of masks and images with an open_clip model and a project's class names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torchvision.transforms import Compose
from torchvision.transforms.functional import to_pil_image

from backend.errors import BadSettings, CheckpointError
from backend.models.clip.crop import central_part, crop_for_clip
from backend.models.clip.text_features import TextFeatures, VocabularyFeatures
from backend.models.devices import choose_device
from backend.models.out_of_memory import DeviceModel
from backend.models.registry import ClassifierEntry
from backend.values import ClassName, ClassScore, Lexicon, Mask, Pixels

Vocabulary = Sequence[ClassName]
Tokenizer = Callable[[list[str]], torch.Tensor]
_BATCH_SIZE = 32


class ClipClassifier:
    """Zero-shot classifier of masks and of whole images.

    Args:
        model: An open_clip model with its weights; it is moved to the device.
        preprocess: The model's evaluation transform: PIL image to (3, S, S).
        tokenizer: The model's tokenizer.
        templates: Sentences with a `{}` for the class name; their text features are averaged.
        device: As for `SamSegmenter`.
        lexicon: The only words that the weights know; None if they know any.
    """

    def __init__(
        self,
        model: open_clip.CLIP,
        preprocess: Compose,
        tokenizer: Tokenizer,
        *,
        templates: Sequence[str],
        device: str,
        lexicon: Lexicon | None = None,
    ) -> None:
        self.lexicon = lexicon
        self._clip = DeviceModel(model, choose_device(device), "CLIP")
        self._preprocess, self._tokenizer, self._templates = preprocess, tokenizer, tuple(templates)
        side = model.visual.image_size
        self._side: int = side[0] if isinstance(side, tuple | list) else side
        self._texts = TextFeatures(self._encode_text)

    def classify(
        self,
        pixels: Pixels,
        masks: Sequence[Mask],
        vocabularies: Sequence[Vocabulary],
        *,
        top_k: int,
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Classify the object under each mask; its image features are computed once for all vocabularies.

        Args:
            pixels: uint8 RGB (H, W, 3).
            masks: bool (H, W) each, none of them empty.
            vocabularies: Lists of classes, each with at least one class.
            top_k: Number of scores to return.
            templates: Sentences with a `{}` that replace the classifier's own.

        Returns:
            For each vocabulary, for each mask: the classes, best first; the scores are a softmax over the vocabulary.
        """
        crops = [crop_for_clip(pixels, mask, self._side) for mask in masks]
        return self._score(crops, vocabularies, top_k, tuple(templates))

    def classify_image(
        self, pixels: Pixels, vocabulary: Vocabulary, *, top_k: int, templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        """Classify the whole image with open_clip's own transform; best class first."""
        return self._score([central_part(pixels)], [vocabulary], top_k, tuple(templates))[0][0]

    @property
    def logit_scale(self) -> float:
        """Factor that cosine similarities are multiplied by before the softmax."""
        return float(self._clip.model.logit_scale.exp())

    def embed_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> NDArray[np.float32]:
        """Return the image features of each mask, (N, D) unit vectors; the arguments are those of `classify`."""
        return self._embed([crop_for_clip(pixels, mask, self._side) for mask in masks]).numpy()

    def embed_texts(self, names: Vocabulary, templates: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return the text features of each class name, of at least one: (T, D) unit vectors. Recent ones are cached.

        Args:
            templates: As for `classify`.
        """
        return self._vocabulary_features(names, templates).numpy()

    def pending_texts(self, names: Vocabulary, templates: Sequence[str] = ()) -> VocabularyFeatures | None:
        """Return the text features of class names if some of them are not encoded yet; arguments as `embed_texts`."""
        features = self._texts.of(names, templates or self._templates)
        return None if features.is_done else features

    @torch.inference_mode()
    def _embed(self, images: list[Pixels]) -> torch.Tensor:
        batches = [images[i : i + _BATCH_SIZE] for i in range(0, len(images), _BATCH_SIZE)]
        return torch.cat([self._encode_images(self._to_batch(batch)) for batch in batches])

    @torch.inference_mode()
    def _score(
        self, images: list[Pixels], vocabularies: Sequence[Vocabulary], top_k: int, templates: tuple[str, ...]
    ) -> list[list[tuple[ClassScore, ...]]]:
        image_features = self._embed(images)
        scale = self._clip.model.logit_scale.exp().cpu()
        scored = []
        for vocabulary in vocabularies:
            logits = scale * image_features @ self._vocabulary_features(vocabulary, templates).T
            probabilities = logits.softmax(dim=-1).numpy()
            scored.append([_top_scores(row, vocabulary, top_k) for row in probabilities])
        return scored

    def _to_batch(self, images: list[Pixels]) -> torch.Tensor:
        return torch.stack([self._preprocess(to_pil_image(image)) for image in images])

    def _encode_images(self, batch: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, D) on the CPU."""

        def encode(model: open_clip.CLIP, images: torch.Tensor) -> torch.Tensor:
            return model.encode_image(images.to(model.logit_scale.device), normalize=True).float().cpu()

        return self._clip.run_batch(batch, encode)

    def _encode_text(self, sentences: list[str]) -> torch.Tensor:
        """Return unit vectors (N, D) on the CPU."""

        def encode(model: open_clip.CLIP, tokens: torch.Tensor) -> torch.Tensor:
            return model.encode_text(tokens.to(model.logit_scale.device), normalize=True).float().cpu()

        return self._clip.run_batch(self._tokenizer(sentences), encode)

    def _vocabulary_features(self, vocabulary: Vocabulary, templates: Sequence[str] = ()) -> torch.Tensor:
        return self._texts.of(vocabulary, templates or self._templates).all()


def _top_scores(probabilities: NDArray[np.float32], vocabulary: Vocabulary, top_k: int) -> tuple[ClassScore, ...]:
    order = np.argsort(-probabilities)[:top_k]
    return tuple(ClassScore(vocabulary[index].name, float(probabilities[index])) for index in order)


def load_clip(entry: ClassifierEntry, checkpoint: Path, *, device: str) -> ClipClassifier:
    """Build an open_clip model and load its weights from a checkpoint on disk.

    Raises:
        BadSettings: open_clip does not have this model.
        CheckpointError: Damaged, or the weights of another model.
    """
    if entry.configs is not None:
        open_clip.add_model_config(entry.configs)
    name = entry.name
    if name not in open_clip.list_models():
        raise BadSettings(
            f"CLIP_MODEL is {name!r}, which open_clip does not know.",
            remedy="Choose one of open_clip.list_models().",
        )
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=str(checkpoint))
    except Exception as error:  # open_clip, torch and safetensors each raise their own family
        raise CheckpointError(
            f"The checkpoint {checkpoint} cannot be loaded into CLIP model {name!r}: {str(error)[:300]}",
            remedy="Set CLIP_MODEL and CLIP_PRETRAINED to a model and its weights, or download the file again.",
        ) from error
    tokenizer = open_clip.get_tokenizer(name)
    return ClipClassifier(model, preprocess, tokenizer, templates=entry.templates, device=device, lexicon=entry.lexicon)
