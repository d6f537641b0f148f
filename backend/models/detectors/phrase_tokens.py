"""Texts to the token sequences that Grounding DINO reads, and back: which tokens belong to which text.

All texts of a pass stand in one sequence, each closed by a full stop. Example for "A cat" and "a dog":

    place   0      1    2    3     4    5    6     7
    token   [CLS]  a    cat  .     a    dog  .     [SEP]
    span           "A cat": 1 to 3      "a dog": 4 to 6

The model compares each of its boxes with each token, so a box belongs to the text whose span has the token with the
highest score. Tokens that the model takes for the border of a text ("." and "?") are left out inside of one.

Source: transformers' GroundingDinoProcessor and generate_masks_with_special_tokens_and_transfer_map.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BadPrompt, shorten
from backend.runtime import LeastRecentlyUsed

CLS, SEP, FULL_STOP, QUESTION_MARK = 101, 102, 1012, 1029  # BERT's ids, which the model's code compares with
BORDERS = frozenset({CLS, SEP, FULL_STOP, QUESTION_MARK})
MAX_KEPT = 10_000  # tokenized texts
TOKENS_BESIDES = 3  # [CLS], the full stop and [SEP] around a single text

TokenIds = tuple[int, ...]


@dataclass(frozen=True)
class Pass:
    """A token sequence with one or more texts.

    Attributes:
        token_ids: At most as many as the model reads.
        spans: Each text with the places of its first token and of the one after its last.
    """

    token_ids: TokenIds
    spans: tuple[tuple[str, int, int], ...]


class PhraseTokens:
    """Tokenizer of texts for Grounding DINO. Thread-safe.

    Args:
        tokenizer: BERT's, of transformers.
        max_tokens: How many the model reads at once.
    """

    def __init__(self, tokenizer: Callable[..., Any], max_tokens: int) -> None:
        self._tokenizer, self._max_tokens = tokenizer, max_tokens
        self._unknown: int = tokenizer.unk_token_id  # type: ignore[attr-defined]
        special: list[int] = tokenizer.all_special_ids  # type: ignore[attr-defined]
        self._dropped = BORDERS | set(special) - {self._unknown}
        self._kept = LeastRecentlyUsed[str, TokenIds](MAX_KEPT)
        self._lock = threading.Lock()  # transformers' tokenizers are not safe for threads

    def check(self, texts: Sequence[str]) -> None:
        """Raise `BadPrompt` for a text that is empty, has no known word, or is longer than the model can read."""
        for text in texts:
            self._tokenize(text)

    def split(self, texts: Sequence[str]) -> list[Pass]:
        """Put the texts into as few passes as their order allows.

        Of several texts with the same tokens ("Car" and "car") only the first is used.

        Raises:
            BadPrompt: As for `check`.
        """
        tokenized: dict[TokenIds, str] = {}
        for text in texts:
            tokenized.setdefault(self._tokenize(text), text)
        return list(self._fill(tokenized))

    def _fill(self, tokenized: dict[TokenIds, str]) -> Iterator[Pass]:
        token_ids: list[int] = [CLS]
        spans: list[tuple[str, int, int]] = []
        for own, text in tokenized.items():
            if len(token_ids) + len(own) + TOKENS_BESIDES - 1 > self._max_tokens:
                yield Pass((*token_ids, SEP), tuple(spans))
                token_ids, spans = [CLS], []
            spans.append((text, len(token_ids), len(token_ids) + len(own)))
            token_ids += [*own, FULL_STOP]
        if spans:
            yield Pass((*token_ids, SEP), tuple(spans))

    def _tokenize(self, text: str) -> TokenIds:
        kept = self._kept.get(text)
        if kept is not None:
            return kept
        with self._lock:
            read: list[int] = self._tokenizer(text.lower(), add_special_tokens=False, verbose=False)["input_ids"]
        token_ids = tuple(token for token in read if token not in self._dropped)
        if all(token == self._unknown for token in token_ids):
            what = "has no word that the detector knows" if token_ids else "is empty"
            raise BadPrompt(f'The text "{shorten(text)}" {what}.', remedy='Name an object, for example "the red car".')
        if len(token_ids) + TOKENS_BESIDES > self._max_tokens:
            raise BadPrompt(
                f'The text "{shorten(text)}" has {len(token_ids)} tokens, but the detector reads at most '
                f"{self._max_tokens - TOKENS_BESIDES} of a text.",
                remedy="Describe the object in fewer words.",
            )
        self._kept.put(text, token_ids)
        return token_ids
