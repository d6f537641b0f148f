"""What the engine needs of the models and of the cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.values import (
    Candidate,
    ClassName,
    ClassScore,
    Detection,
    EmbeddingSpec,
    ImageEmbedding,
    Lexicon,
    Mask,
    Pixels,
    Prompt,
    ProposalParameters,
    ReviseLogits,
    Size,
)


class Segmenter(Protocol):
    """A segmenter of one model family; `models.protocols.Segmenter` says what each member does."""

    @property
    def refines_by_logits(self) -> bool: ...
    def encode(self, pixels: Pixels) -> ImageEmbedding: ...
    def embedding_spec(self, size: Size) -> EmbeddingSpec: ...
    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]: ...
    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]: ...
    def propose(
        self, embedding: ImageEmbedding, parameters: ProposalParameters, pixels: Pixels | None = None
    ) -> list[Candidate]: ...
    def mask_to_logits(self, mask: Mask) -> NDArray[np.float32]: ...


class Detector(Protocol):
    """Finds boxes by text; `models.protocols.Detector` says what each member does."""

    def check_texts(self, texts: Sequence[str]) -> None: ...
    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]: ...


class PendingTexts(Protocol):
    """Text features of which some are not encoded yet; see `models.clip.text_features.VocabularyFeatures`."""

    @property
    def turn(self) -> threading.Lock: ...
    @property
    def is_done(self) -> bool: ...
    def encode_next(self) -> None: ...


class TextReader(Protocol):
    """What a search by text needs of CLIP."""

    @property
    def lexicon(self) -> Lexicon | None: ...
    @property
    def logit_scale(self) -> float: ...
    def embed_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> NDArray[np.float32]: ...
    def embed_texts(self, names: Sequence[ClassName], templates: Sequence[str] = ()) -> NDArray[np.float32]: ...
    def pending_texts(self, names: Sequence[ClassName], templates: Sequence[str] = ()) -> PendingTexts | None: ...


class Classifier(TextReader, Protocol):
    """CLIP; see `models.clip.classifier.ClipClassifier`."""

    def crop_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> Pixels: ...
    def classify_crops(
        self,
        crops: Pixels,
        vocabularies: Sequence[Sequence[ClassName]],
        *,
        top_k: int,
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]: ...
    def classify_image(
        self, pixels: Pixels, vocabulary: Sequence[ClassName], *, top_k: int, templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]: ...


class PendingEmbedding(Protocol):
    """An embedding that another thread or another worker computes now; see `cache.ComputedElsewhere`."""

    @property
    def is_pending(self) -> bool: ...
    def wait(self, seconds: float | None) -> ImageEmbedding | None: ...


class EmbeddingStore(Protocol):
    """The cache of embeddings; see `cache.EmbeddingCache`."""

    def find(
        self, key: str, expect: Callable[[], EmbeddingSpec], *, prefetch: bool = False
    ) -> ImageEmbedding | None: ...
    def try_compute(
        self,
        key: str,
        expect: Callable[[], EmbeddingSpec],
        compute: Callable[[], ImageEmbedding],
        *,
        prefetch: bool = False,
    ) -> ImageEmbedding | PendingEmbedding: ...
    def holds(self, key: str) -> bool: ...
