"""Which masks a text such as "the red car" names, decided from CLIP features alone.

A mask is compared with several texts at once. Each text counts for the mask, against it, or not at all:

| text                                                                | counts                            |
|---------------------------------------------------------------------|-----------------------------------|
| a class of the project that says all of the text: "red ring", "red" | for                               |
| a class of which only some of the words in its hint say it          | neither for nor against           |
| any other class                                                     | against                           |
| the text itself                                                     | for, if no class says it          |
| the text with one word left out                                     | against, if no class says it      |
| object, background, texture                                         | against                           |
| person, animal, plant, … (KINDS)                                    | against, if no class says it; all |
|                                                                     | 16 together weigh as three texts  |

The probability that the text names the mask is the share of the texts that count for it in a softmax over all of them.
A mask matches if that is at least 0.4 and its log-odds are within 3 of the best mask's. Two words are the same if they
are equal in singular or plural, or if their text features are (nearly) equal: "donut" is "ring" for the demo's CLIP.

The text with one word left out keeps a blue car from matching "the red car", because "car" describes it better. The
kinds are names for objects outside the project's classes; they are so general that every text is more specific.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadPrompt, shorten
from backend.values import ClassName, Mask

MAX_TEXT_CHARACTERS = 200  # characters; CLIP reads 77 tokens at most
MIN_PROBABILITY = 0.4
MAX_LOG_ODDS_BEHIND = 3.0  # of the best mask
SAME_WORD = 0.97  # cosine of two words' text features; unrelated words reach 0.9 in large CLIPs
SAME_OBJECT = 0.8  # share of the smaller of two masks that lies inside the other
NEUTRAL: tuple[str, ...] = ("object", "background", "texture")
KINDS: tuple[str, ...] = (
    *("person", "animal", "plant", "vehicle", "building", "furniture", "food", "clothing", "tool"),
    *("sign", "ground", "sky", "water"),
)
REMEDY = "Describe the object in a few words, such as its colour and its name."  # of any model, also one of few words
_GRID = 256  # masks are compared at about this many pixels a side

_DETERMINERS = {"a", "an", "the", "this", "that", "these", "those", "all", "any", "some", "every", "each"}
_SILENT = _DETERMINERS | {"of", "in", "on", "at", "with", "and", "or", "to", "thing", "object", "shape", "item"}

Features = NDArray[np.float32]  # (N, D), unit vectors


@dataclass(frozen=True)
class TextQuery:
    """A parsed text: CLIP reads `spoken`; `words` are compared with the words of the classes."""

    spoken: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """Indices in the vocabulary: `known` classes count for a mask, `others` against it."""

    known: tuple[int, ...]
    others: tuple[int, ...]


def parse_text(text: str) -> TextQuery:
    """Parse a typed text: drop the article and put the last word into the singular.

    Raises:
        BadPrompt: Empty, too long, with control characters, without a letter or digit, or only words such as "the" and
            "things".
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        message = f"The text has {len(text)} characters; the limit is {MAX_TEXT_CHARACTERS}."
        raise BadPrompt(message, remedy=REMEDY)
    spoken = " ".join(text.split())
    for character in spoken:
        if unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn"):
            message = f"The text contains the unprintable character U+{ord(character):04X}."
            raise BadPrompt(message, remedy=f"Type the text again. {REMEDY}")
    words = content_words(spoken)
    if not spoken:
        raise BadPrompt("The text is empty.", remedy=REMEDY)
    if not any(map(str.isalnum, spoken)):
        raise BadPrompt(f'The text "{shorten(spoken)}" has no words.', remedy=REMEDY)
    if not words:
        raise BadPrompt(f'The text "{shorten(spoken)}" names no object.', remedy=REMEDY)
    kept = spoken.strip(".,;:!?\"'").split()
    while kept[0].lower() in _DETERMINERS and len(kept) > 1:
        kept = kept[1:]
    return TextQuery(" ".join([*kept[:-1], singular(kept[-1])]), words)


def content_words(text: str) -> tuple[str, ...]:
    """The words that carry meaning, in lower case and in the singular."""
    words = (singular(word) for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower()))
    return tuple(word for word in words if word not in _SILENT)


def singular(word: str) -> str:
    """An English word without its plural ending; "cross", "bus", "lens" and short words stay."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "as", "ens")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y" if len(word) > 4 else word[:-1]
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zes")) else word[:-1]


def named_class(query: TextQuery, vocabulary: Sequence[ClassName]) -> str | None:
    """The class whose name or synonym has the words of the text, in any order; None if there is no such class."""
    wanted = sorted(query.words)
    return next((c.name for c in vocabulary if any(sorted(content_words(n)) == wanted for n in _names(c))), None)


def text_log_odds(
    query: TextQuery,
    vocabulary: Sequence[ClassName],
    image_features: Features,
    embed_texts: Callable[[Sequence[ClassName]], Features],
    scale: float,
) -> NDArray[np.float64]:
    """Compute for each mask the log-odds that the text names it, (N,).

    Args:
        vocabulary: The project's classes; may be empty.
        image_features: Of the masks, (N, D).
        embed_texts: CLIP's text features, (T, D) for T names.
        scale: CLIP's logit scale.
    """

    def embed(names: Sequence[ClassName]) -> Features:
        return embed_texts(names) if names else image_features[:0]

    def mass(texts: Features) -> NDArray[np.float64]:
        return np.asarray(np.logaddexp.reduce(scale * (image_features @ texts.T).astype(np.float64), axis=1))

    names = words_to_encode(vocabulary)
    words = [name.name for name in names]
    says = embed(names) @ embed(_as_names(query.words)).T >= SAME_WORD
    sides, classes = take_sides(query, vocabulary, dict(zip(words, says, strict=True))), embed(vocabulary)
    own = () if sides.known else (query.spoken, *_with_one_left_out(query.words))
    wide = NEUTRAL if sides.known else NEUTRAL + KINDS
    own_features = embed(_as_names(own))
    wide_features = embed(_as_names(wide))[[word not in query.words for word in wide]]
    speaks_for = classes[list(sides.known)] if sides.known else own_features[:1]
    against = np.concatenate([classes[list(sides.others)], own_features[1:]])
    weight = np.log(len(NEUTRAL) / len(wide_features))
    return np.asarray(mass(speaks_for) - np.logaddexp(mass(against), mass(wide_features) + weight))


def words_to_encode(vocabulary: Sequence[ClassName]) -> list[ClassName]:
    """The words of the classes, as the names that `text_log_odds` embeds."""
    return _as_names(distinct_words(vocabulary))


def _as_names(texts: Sequence[str]) -> list[ClassName]:
    return [ClassName(text) for text in texts]


def distinct_words(vocabulary: Sequence[ClassName]) -> list[str]:
    """All words of the classes that `take_sides` compares with the text."""
    texts = (content_words(name) for class_name in vocabulary for name in _names(class_name))
    return list(dict.fromkeys(word for words in texts for word in words))


def take_sides(query: TextQuery, vocabulary: Sequence[ClassName], says: Mapping[str, NDArray[np.bool_]]) -> Sides:
    """Sort the classes by whether they count for or against a mask; see the table above.

    Args:
        says: For each word of the classes, which words of the text it equals: bool (len(query.words),).
    """

    def says_all(text: str) -> bool:
        own = [says[word] for word in content_words(text)]
        return bool(own) and bool(np.logical_or.reduce(own).all())

    spoken = [[says_all(word) for word in class_name.synonyms] for class_name in vocabulary]
    named = [says_all(class_name.name) for class_name in vocabulary]
    known = tuple(i for i in range(len(vocabulary)) if named[i] or (spoken[i] and all(spoken[i])))
    is_known = set(known)
    return Sides(known, tuple(i for i in range(len(vocabulary)) if i not in is_known and not any(spoken[i])))


def probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert log-odds to probabilities."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))


def matching_masks(odds: NDArray[np.float64], masks: Sequence[Mask]) -> list[int]:
    """Indices of the masks that the text names, the most probable first, each object once.

    SAM's automatic masks sometimes contain an object twice, or a part of it: of two nested masks the more probable one
    is taken.
    """
    if not len(odds):
        return []
    min_odds = max(np.log(MIN_PROBABILITY / (1 - MIN_PROBABILITY)), float(odds.max()) - MAX_LOG_ODDS_BEHIND)
    step = max(1, max(masks[0].shape) // _GRID)
    kept: list[int] = []
    for place in np.argsort(-odds, kind="stable"):
        small = masks[place][::step, ::step]
        if odds[place] >= min_odds and not any(_is_same_object(small, masks[other][::step, ::step]) for other in kept):
            kept.append(int(place))
    return kept


def _is_same_object(one: Mask, other: Mask) -> bool:
    smaller = min(np.count_nonzero(one), np.count_nonzero(other))
    return bool(np.count_nonzero(one & other) >= SAME_OBJECT * smaller > 0)


def _with_one_left_out(words: Sequence[str]) -> list[str]:
    if len(words) < 2:
        return []
    return [" ".join([*words[:place], *words[place + 1 :]]) for place in range(len(words))]


def _names(class_name: ClassName) -> tuple[str, ...]:
    return class_name.name, *class_name.synonyms
