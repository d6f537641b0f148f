"""Text features of vocabularies, encoded batch by batch and cached.

A vocabulary can have thousands of classes, so it is not one piece of work but many: a request that needs it encodes the
next batch, others can use the model in between, and what was encoded is kept if a request gives up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch

from backend.runtime import LeastRecentlyUsed
from backend.values import ClassName

BATCH_SIZE = 64  # sentences; about 0.2 s for ViT-B-32 on a CPU
MAX_CACHED_CLASSES = 100_000  # 200 MB with 512 float32 features a class
MAX_WORD_CHARACTERS = 100  # the tokenizer's time grows with the square of a word's length
MAX_NAME_CHARACTERS = 600  # CLIP reads 77 tokens at most
_LONG_WORD = re.compile(rf"\S{{{MAX_WORD_CHARACTERS},}}")

Encode = Callable[[list[str]], torch.Tensor]
Key = tuple[tuple[ClassName, ...], tuple[str, ...]]


class VocabularyFeatures:
    """Text features of one vocabulary, some of which may not be encoded yet. Thread-safe.

    Attributes:
        turn: Held by the request whose batch is being encoded; others wait for it without a thread of the models.
    """

    def __init__(self, vocabulary: Sequence[ClassName], templates: Sequence[str], encode: Encode) -> None:
        self.turn = threading.Lock()
        self.count = len(vocabulary)
        self._encode, self._lock = encode, threading.Lock()
        self._batches = _batches(vocabulary, templates)
        self._batch = next(self._batches, None)
        self._sums: torch.Tensor | None = None
        self._features: torch.Tensor | None = None

    @property
    def is_done(self) -> bool:
        """Whether all classes are encoded."""
        return self._features is not None

    @torch.inference_mode()
    def encode_next(self) -> None:
        """Encode the next batch of sentences, if there is one."""
        with self._lock:
            if self._batch is None:
                return
            classes, sentences = self._batch
            features = self._encode(sentences)
            if self._sums is None:
                self._sums = torch.zeros(self.count, features.shape[1])
            self._sums.index_add_(0, torch.tensor(classes), features)
            self._batch = next(self._batches, None)
            if self._batch is None:
                self._features = torch.nn.functional.normalize(self._sums, dim=1)

    def all(self) -> torch.Tensor:
        """Encode what is missing and return one unit vector per class, (C, D): the mean over its names and templates.

        Source: open_clip.build_zero_shot_classifier.
        """
        while self._features is None:
            self.encode_next()
        return self._features


class TextFeatures:
    """LRU cache of the features of vocabularies, finished or not.

    Args:
        encode: Returns the unit vectors (N, D) of N sentences on the CPU.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode, self._lock = encode, threading.Lock()
        self._cached = LeastRecentlyUsed[Key, VocabularyFeatures](
            MAX_CACHED_CLASSES, lambda features: min(features.count, MAX_CACHED_CLASSES)
        )

    def of(self, vocabulary: Sequence[ClassName], templates: Sequence[str]) -> VocabularyFeatures:
        """Return the features of at least one class; the same object for the same classes and templates."""
        key = tuple(vocabulary), tuple(templates)
        with self._lock:
            features = self._cached.get(key)
            if features is None:
                features = VocabularyFeatures(*key, self._encode)
                self._cached.put(key, features)
            return features


def _batches(vocabulary: Sequence[ClassName], templates: Sequence[str]) -> Iterator[tuple[list[int], list[str]]]:
    """Yield batches of sentences, each with the places of their classes."""
    sentences = (
        (place, template.format(_shortened(name)))
        for place, class_name in enumerate(vocabulary)
        for name in class_name.synonyms or (class_name.name,)
        for template in templates
    )
    while batch := list(islice(sentences, BATCH_SIZE)):
        yield [place for place, _ in batch], [sentence for _, sentence in batch]


def _shortened(name: str) -> str:
    """Return a name without what CLIP would not read."""
    return _LONG_WORD.sub(lambda word: word[0][:MAX_WORD_CHARACTERS], name)[:MAX_NAME_CHARACTERS]
