"""Which masks a text names: "the red car" against whatever else they might be called. It knows no model and no pixels.

A mask is compared with several texts at once. Some of them speak for it, the others against it:

| text                                                                | speaks                            |
|---------------------------------------------------------------------|-----------------------------------|
| a class of the project that says all of the text: "red ring", "red" | for                               |
| a class of which only some of the words in its hint say it          | neither for nor against           |
| any other class                                                     | against                           |
| the text itself                                                     | for, if no class says it          |
| the text with one word left out                                     | against, if no class says it      |
| object, background, texture                                         | against                           |
| person, animal, plant, … (KINDS)                                    | against, if no class says it; all |
|                                                                     | 16 together weigh as three texts  |

The share of those that speak for it, in a softmax over all of them, is the probability that the text names the mask.
A mask stands out when that is at least 0.4 and its log-odds are within 3 of the best mask's. A word is said by the
same word, in singular or plural, or by one with (nearly) the same text features: "donut" is "ring" for the demo's CLIP.

The text with a word left out is what keeps a blue car from being "the red car": it is better called "car". The kinds
are what a thing can be called that no class of the project knows; they are wide, so that no text is narrower than they.
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

LONGEST_TEXT = 200  # characters; CLIP reads 77 tokens at most
LEAST_PROBABILITY = 0.4
MOST_BEHIND = 3.0  # log-odds behind the best mask
SAME_WORD = 0.97  # cosine of two words' text features; unrelated words reach 0.9 in large CLIPs
SAME_THING = 0.8  # of the smaller of two masks, inside the other
NEUTRAL: tuple[str, ...] = ("object", "background", "texture")
KINDS: tuple[str, ...] = (
    *("person", "animal", "plant", "vehicle", "building", "furniture", "food", "clothing", "tool"),
    *("sign", "ground", "sky", "water"),
)
REMEDY = 'Name what you look for in a few words, as "the red car".'
_GRID = 256  # masks are compared on about so many pixels a side

_DETERMINERS = {"a", "an", "the", "this", "that", "these", "those", "all", "any", "some", "every", "each"}
_SILENT = _DETERMINERS | {"of", "in", "on", "at", "with", "and", "or", "to", "thing", "object", "shape", "item"}

Features = NDArray[np.float32]  # (N, D), unit vectors


@dataclass(frozen=True)
class TextQuery:
    """What is asked: `spoken` is read by CLIP, `words` are compared with those of the classes."""

    spoken: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Sides:
    """Which classes speak for a mask and which against it, as places in the vocabulary."""

    known: tuple[int, ...]
    others: tuple[int, ...]


def parse_text(text: str) -> TextQuery:
    """What a person typed, without the article, its last word in the singular.

    Raises:
        BadPrompt: Empty, too long, with control characters, or nothing but words as "the" and "things".
    """
    if len(text) > LONGEST_TEXT:
        message = f"The text has {len(text)} characters, more than the {LONGEST_TEXT} that are read."
        raise BadPrompt(message, remedy=REMEDY)
    spoken = " ".join(text.split())
    for character in spoken:
        if unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn"):
            message = f"The text has the character U+{ord(character):04X}, which nobody can read."
            raise BadPrompt(message, remedy=f"Type it anew. {REMEDY}")
    words = content_words(spoken)
    if not words:
        shown = f'The text "{shorten(spoken)}" names nothing.' if spoken else "The text is empty."
        raise BadPrompt(shown, remedy=REMEDY)
    kept = spoken.strip(".,;:!?\"'").split()
    while kept[0].lower() in _DETERMINERS and len(kept) > 1:
        kept = kept[1:]
    return TextQuery(" ".join([*kept[:-1], singular(kept[-1])]), words)


def content_words(text: str) -> tuple[str, ...]:
    """The words that say something, in lower case and in the singular."""
    words = (singular(word) for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower()))
    return tuple(word for word in words if word not in _SILENT)


def singular(word: str) -> str:
    """An English word without the ending of its plural; "cross", "bus", "lens" and short words stay."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "as", "ens")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y" if len(word) > 4 else word[:-1]
    return word[:-2] if word.endswith(("xes", "ches", "shes", "sses", "zes")) else word[:-1]


def named_class(query: TextQuery, vocabulary: Sequence[ClassName]) -> str | None:
    """The class that the text is the name of, in any order of its words; None if it is none's."""
    wanted = sorted(query.words)
    return next((c.name for c in vocabulary if any(sorted(content_words(n)) == wanted for n in _names(c))), None)


def text_log_odds(
    query: TextQuery,
    vocabulary: Sequence[ClassName],
    image_features: Features,
    embed_texts: Callable[[Sequence[ClassName]], Features],
    scale: float,
) -> NDArray[np.float64]:
    """For each mask the log-odds that the text names it, (N,).

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

    words = distinct_words(vocabulary)
    says = embed(_as_names(words)) @ embed(_as_names(query.words)).T >= SAME_WORD
    sides, classes = take_sides(query, vocabulary, dict(zip(words, says, strict=True))), embed(vocabulary)
    own = () if sides.known else (query.spoken, *_with_one_left_out(query.words))
    wide = NEUTRAL if sides.known else NEUTRAL + KINDS
    own_features = embed(_as_names(own))
    wide_features = embed(_as_names(wide))[[word not in query.words for word in wide]]
    speaks_for = classes[list(sides.known)] if sides.known else own_features[:1]
    against = np.concatenate([classes[list(sides.others)], own_features[1:]])
    weight = np.log(len(NEUTRAL) / len(wide_features))
    return np.asarray(mass(speaks_for) - np.logaddexp(mass(against), mass(wide_features) + weight))


def _as_names(texts: Sequence[str]) -> list[ClassName]:
    return [ClassName(text) for text in texts]


def distinct_words(vocabulary: Sequence[ClassName]) -> list[str]:
    """All words of the classes that `take_sides` compares with those of the text."""
    texts = (content_words(name) for class_name in vocabulary for name in _names(class_name))
    return list(dict.fromkeys(word for words in texts for word in words))


def take_sides(query: TextQuery, vocabulary: Sequence[ClassName], says: Mapping[str, NDArray[np.bool_]]) -> Sides:
    """Sort the texts that a mask is compared with; the table above says how.

    Args:
        says: For each word of the classes, which of the text's words it says: bool (len(query.words),).
    """

    def says_all(text: str) -> bool:
        own = [says[word] for word in content_words(text)]
        return bool(own) and bool(np.logical_or.reduce(own).all())

    spoken = [[says_all(word) for word in class_name.synonyms] for class_name in vocabulary]
    named = [says_all(class_name.name) for class_name in vocabulary]
    known = tuple(i for i in range(len(vocabulary)) if named[i] or (spoken[i] and all(spoken[i])))
    return Sides(known, tuple(i for i in range(len(vocabulary)) if i not in known and not any(spoken[i])))


def probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds to probabilities."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))


def standing_out(odds: NDArray[np.float64], masks: Sequence[Mask]) -> list[int]:
    """The places of the masks that the text names, the most probable first, each thing once.

    SAM's automatic masks show a thing twice now and then, or a part of it: of two that lie in one another the more
    probable one is taken.
    """
    if not len(odds):
        return []
    least = max(np.log(LEAST_PROBABILITY / (1 - LEAST_PROBABILITY)), float(odds.max()) - MOST_BEHIND)
    step = max(1, max(masks[0].shape) // _GRID)
    kept: list[int] = []
    for place in np.argsort(-odds, kind="stable"):
        small = masks[place][::step, ::step]
        if odds[place] >= least and not any(_is_one(small, masks[other][::step, ::step]) for other in kept):
            kept.append(int(place))
    return kept


def _is_one(one: Mask, other: Mask) -> bool:
    smaller = min(np.count_nonzero(one), np.count_nonzero(other))
    return bool(np.count_nonzero(one & other) >= SAME_THING * smaller > 0)


def _with_one_left_out(words: Sequence[str]) -> list[str]:
    if len(words) < 2:
        return []
    return [" ".join([*words[:place], *words[place + 1 :]]) for place in range(len(words))]


def _names(class_name: ClassName) -> tuple[str, ...]:
    return class_name.name, *class_name.synonyms
