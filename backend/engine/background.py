"""Words for what is none of the classes: they compete with the classes for each mask.

The probabilities of the classes are those of a vocabulary that has the words too. In a vocabulary with a class for the
background the words speak for this class: the best of them and its own name counts. In any other a mask that a word
wins is background.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.values import ClassName, ClassScore

Scores = tuple[ClassScore, ...]
_MARK = "\0"  # in front of a word, so that it is no class of the same name


def with_background(vocabulary: Sequence[ClassName], words: Sequence[str]) -> Sequence[ClassName]:
    """Return a vocabulary with the words that compete with its classes."""
    return (*vocabulary, *(ClassName(_MARK + word, (word,)) for word in words)) if words else vocabulary


def take_background(scores: Scores, vocabulary: Sequence[ClassName], label: str) -> tuple[Scores, bool]:
    """Separate the classes of a mask from the words that compete with them.

    Args:
        scores: In `with_background(vocabulary, …)`, best first.
        label: The class for the background, if the vocabulary has it.

    Returns:
        The classes, best first, and whether a word without a class is more probable than all of them.
    """
    words = [score for score in scores if score.name.startswith(_MARK)]
    classes = tuple(score for score in scores if not score.name.startswith(_MARK))
    if not words:
        return classes, False
    if label and any(class_name.name == label for class_name in vocabulary):
        own = next((score.score for score in classes if score.name == label), 0.0)
        others = (score for score in classes if score.name != label)
        best_first = sorted((*others, ClassScore(label, max(own, words[0].score))), key=lambda score: -score.score)
        return tuple(best_first), False
    return classes, not classes or words[0].score > classes[0].score
