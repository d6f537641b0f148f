"""Zero-shot classification of masks and images with an open_clip model and a project's class names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torchvision.transforms import Compose, Normalize
from torchvision.transforms.functional import to_pil_image

from backend.errors import BadSettings, CheckpointError
from backend.models.clip.crop import central_part, crop_masks
from backend.models.clip.text_features import TextFeatures, VocabularyFeatures
from backend.models.devices import choose_device
from backend.models.entries import ClassifierEntry
from backend.models.out_of_memory import DeviceModel, is_out_of_memory
from backend.models.smaller import CLIP
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
        self._clip = DeviceModel(model, choose_device(device), CLIP)
        self._preprocess, self._tokenizer, self._templates = preprocess, tokenizer, tuple(templates)
        side = model.visual.image_size
        self._side: int = side[0] if isinstance(side, tuple | list) else side
        (normalize,) = (step for step in preprocess.transforms if isinstance(step, Normalize))
        self._mean, self._std = (torch.tensor(values).view(3, 1, 1) for values in (normalize.mean, normalize.std))
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
        return self.classify_crops(self.crop_masks(pixels, masks), vocabularies, top_k=top_k, templates=templates)

    def crop_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> Pixels:
        """Return what CLIP looks at for each mask, uint8 RGB (N, S, S, 3); the arguments are those of `classify`."""
        return crop_masks(pixels, masks, self._side)

    def classify_crops(
        self, crops: Pixels, vocabularies: Sequence[Vocabulary], *, top_k: int, templates: Sequence[str] = ()
    ) -> list[list[tuple[ClassScore, ...]]]:
        """Classify what `crop_masks` returned, of one image or of several.

        Args:
            crops: uint8 RGB (N, S, S, 3), at least one.
            vocabularies, top_k, templates: As for `classify`.
        """
        return self._score(self._embed_crops(crops), vocabularies, top_k, tuple(templates))

    def classify_image(
        self, pixels: Pixels, vocabulary: Vocabulary, *, top_k: int, templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        """Classify the whole image with open_clip's own transform; best class first."""
        with torch.inference_mode():
            features = self._encode_images(self._preprocess(to_pil_image(central_part(pixels)))[None])
        return self._score(features, [vocabulary], top_k, tuple(templates))[0][0]

    @property
    def logit_scale(self) -> float:
        """Factor that cosine similarities are multiplied by before the softmax."""
        return float(self._clip.model.logit_scale.exp())

    def embed_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> NDArray[np.float32]:
        """Return the image features of each mask, (N, D) unit vectors; the arguments are those of `classify`."""
        return self._embed_crops(self.crop_masks(pixels, masks)).numpy()

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
    def _embed_crops(self, crops: Pixels) -> torch.Tensor:
        """Return the unit vectors (N, D) of crops, batch by batch.

        They have the model's image size, so of its transform they need the last step only, the normalization; it runs
        on the model's device.
        """
        images = torch.from_numpy(crops).permute(0, 3, 1, 2)
        return torch.cat([self._encode_images(batch.contiguous()) for batch in images.split(_BATCH_SIZE)])

    @torch.inference_mode()
    def _score(
        self,
        image_features: torch.Tensor,
        vocabularies: Sequence[Vocabulary],
        top_k: int,
        templates: tuple[str, ...],
    ) -> list[list[tuple[ClassScore, ...]]]:
        scale = self._clip.model.logit_scale.exp().cpu()
        scored = []
        for vocabulary in vocabularies:
            logits = scale * image_features @ self._vocabulary_features(vocabulary, templates).T
            probabilities = logits.softmax(dim=-1).numpy()
            scored.append([_top_scores(row, vocabulary, top_k) for row in probabilities])
        return scored

    def _encode_images(self, batch: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, D) on the CPU.

        Args:
            batch: (B, 3, S, S): uint8, or float32 that is normalized already.
        """

        def encode(model: open_clip.CLIP, images: torch.Tensor) -> torch.Tensor:
            images = images.to(model.logit_scale.device)
            if images.dtype == torch.uint8:
                images = images.float().div_(255).sub_(self._mean.to(images.device)).div_(self._std.to(images.device))
            return model.encode_image(images, normalize=True).float().cpu()

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
        Whatever torch raises when memory runs out.
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
        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"The checkpoint {checkpoint} cannot be loaded into CLIP model {name!r}: {str(error)[:300]}",
            remedy="Set CLIP_MODEL and CLIP_PRETRAINED to a model and its weights, or download the file again.",
        ) from error
    tokenizer = open_clip.get_tokenizer(name)
    return ClipClassifier(model, preprocess, tokenizer, templates=entry.templates, device=device, lexicon=entry.lexicon)
