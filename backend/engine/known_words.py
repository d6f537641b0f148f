"""Which classes and texts a classifier can read: one that was trained on a few words answers others with nonsense."""

from __future__ import annotations

from collections.abc import Sequence

from backend.engine.text_matching import TextQuery, content_words, named_class
from backend.runtime import LeastRecentlyUsed
from backend.values import ClassName, Lexicon

MAX_VOCABULARIES = 200  # whose answer is kept


class KnownWords:
    """The words of one classifier.

    Args:
        lexicon: The classifier's; None if it reads any words.
    """

    def __init__(self, lexicon: Lexicon | None) -> None:
        self.lexicon = lexicon
        words = lexicon.words if lexicon is not None else ()
        self._words = {word for text in words for word in content_words(text)}
        self._answers = LeastRecentlyUsed[int, tuple[Sequence[ClassName], bool]](MAX_VOCABULARIES)

    def knows(self, vocabulary: Sequence[ClassName]) -> bool:
        """Whether the classifier can read every class of a vocabulary.

        A tuple is looked up by its identity: it belongs to a labeling config, which is parsed once, and to hash its
        classes would take as long as to read them.
        """
        if self.lexicon is None:
            return True
        kept = self._answers.get(id(vocabulary))
        if kept is not None and kept[0] is vocabulary:
            return kept[1]
        answer = all(map(self.knows_class, vocabulary))
        if isinstance(vocabulary, tuple):
            self._answers.put(id(vocabulary), (vocabulary, answer))
        return answer

    def known_classes(self, vocabulary: Sequence[ClassName]) -> list[ClassName]:
        """Return the classes of a vocabulary that the classifier can read."""
        return [one for one in vocabulary if self.lexicon is None or self.knows_class(one)]

    def knows_class(self, class_name: ClassName) -> bool:
        """Whether the classifier can read a class: all its synonyms, which are read instead of the name."""
        return all(map(self._knows_text, class_name.synonyms or (class_name.name,)))

    def unknown_words(self, query: TextQuery, vocabulary: Sequence[ClassName]) -> tuple[str, ...]:
        """Return the words of a typed text that the classifier cannot read, unless they name a class that it can."""
        if self.lexicon is None or self._names_known_class(query, vocabulary):
            return ()
        return tuple(word for word in query.words if word not in self._words)

    def _knows_text(self, text: str) -> bool:
        words = content_words(text)
        return self.lexicon is None or (bool(words) and self._words.issuperset(words))

    def _names_known_class(self, query: TextQuery, vocabulary: Sequence[ClassName]) -> bool:
        name = named_class(query, vocabulary)
        return any(self.knows_class(class_name) for class_name in vocabulary if class_name.name == name)
