"""Ids that the two sides made by chance: equal by the order in which they appear, all the way through."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.comparing_answers.exchanges import Json

ID_KEYS = frozenset({"id", "region_id", "request_id"})
NUMBER_KEYS = frozenset({"task_id", "annotation_id"})
_HEX = re.compile(r"[0-9a-f]+")
_MADE = re.compile(r"\b[0-9a-f]{12,16}\b")


class Identities:
    """Pairs of ids, made as answers are gone through side by side in their order.

    Ids that a request brought, and that no answer has made before, must come back as they are.
    """

    def __init__(self) -> None:
        self._after_of: dict[Json, Json] = {}
        self._before_of: dict[Json, Json] = {}
        self._given: set[Json] = set()

    def give(self, before: Json, after: Json) -> None:
        """What the requests of the two sides brought."""
        self._given |= set(ids_in(before)) - self._after_of.keys()
        self._given |= set(ids_in(after)) - self._before_of.keys()

    def are_same(self, before: Json, after: Json) -> bool:
        """Whether the two are one id; a pair of new ones is from now on."""
        if before in self._given or after in self._given:
            return bool(before == after)
        if before in self._after_of or after in self._before_of:
            return self._after_of.get(before) == after and self._before_of.get(after) == before
        if _form(before) != _form(after):
            return False
        self._after_of[before], self._before_of[after] = after, before
        return True


def ids_in(document: Json) -> Iterator[str]:
    """Every text under a key for ids, at any depth."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ID_KEYS and isinstance(value, str):
                yield value
            yield from ids_in(value)
    elif isinstance(document, list) and not (document and isinstance(document[0], int)):
        for item in document:
            yield from ids_in(item)


def hide_ids(text: str) -> str:
    """A message without the ids that stand in it."""
    return _MADE.sub("#", text)


def _form(value: Json) -> tuple[object, ...]:
    """What new ids must have in common: numbers nothing, texts their length and whether they are hexadecimal."""
    return (str, len(value), bool(_HEX.fullmatch(value))) if isinstance(value, str) else (type(value),)
