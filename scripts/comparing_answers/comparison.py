"""Two answers side by side: what must be equal, what may differ, and what is only counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from scripts.comparing_answers.exchanges import NO_ANSWER, Answer, Difference, Exchange, Json, Words
from scripts.comparing_answers.identities import ID_KEYS, NUMBER_KEYS, Identities, hide_ids
from scripts.comparing_answers.masks import ALPHA, decode_png, decode_rle, tell_apart

TOLERANCE = 1e-6
REFUSED = 400
MASKS = ("brush", "bitmask", "polygon")
SHAPES = (*MASKS, "rectangle", "ellipse")
MESSAGES = frozenset({"error", "remedy", "warning", "note", "problem", "printed"})
VERSIONS = frozenset({"model_version", "versions"})


class Comparison:
    """Goes through the exchanges of both sides in their order and remembers what it sees.

    Attributes:
        differences: What must be equal and is not.
        reworded: Messages for people that differ; they are differences too where `strict_messages` says so.
        notes: What is said once: another model version.
        shapes: How many regions were compared, by part and kind; `empty` of them have no pixel.
        largest_score: The largest difference of two scores, `largest_number` of any two numbers.
    """

    def __init__(self, *, strict_messages: bool = False) -> None:
        self.differences: list[Difference] = []
        self.reworded: list[Difference] = []
        self.notes: list[str] = []
        self.shapes: Counter[tuple[str, str]] = Counter()
        self.empty = 0
        self.largest_score = self.largest_number = 0.0
        self._strict_messages = strict_messages
        self._identities = Identities()
        self._part, self._number, self._kind = "", 0, ""

    def compare(self, part: str, before: Sequence[Exchange], after: Sequence[Exchange]) -> None:
        """Compare all exchanges of a part; one that only one side has is a difference."""
        self._part = part
        for one, other in zip(before, after, strict=False):
            self.compare_exchange(one, other)
        for extra in [*before[len(after) :], *after[len(before) :]][:1]:
            self._number, self._kind = extra.number, extra.kind
            self._differ("$", Words(f"{len(before)} in all"), Words(f"{len(after)} in all"))

    def compare_exchange(self, before: Exchange, after: Exchange) -> None:
        """Compare one exchange of each side."""
        self._number, self._kind = before.number, before.kind
        self._identities.give(before.sent, after.sent)
        for name in ("kind", "request", "warmed"):
            self._compare_equal(f"$.{name}", getattr(before, name), getattr(after, name))
        one, other = before.answer, after.answer
        self._compare_equal("$.status", one.status, other.status)
        if one.status == other.status == NO_ANSWER:  # two programs that broke are no two that agree
            self._differ("$.status", one.body, other.body)
        self._compare_equal("$.content_type", one.content_type, other.content_type)
        is_refused = one.status >= REFUSED and other.status >= REFUSED
        (self._compare_words if is_refused else self._compare_equal)("$.reason", one.reason, other.reason)
        self._compare_values("$.body", _without_times(one), _without_times(other))

    def _compare_values(self, path: str, before: Json, after: Json) -> None:
        if type(before) is not type(after):
            self._differ(path, before, after)
        elif isinstance(before, dict):
            self._compare_objects(path, before, after)
        elif isinstance(before, list):
            self._compare_lists(path, before, after)
        elif isinstance(before, float):
            self._compare_numbers(path, before, after)
        else:
            self._compare_equal(path, before, after)

    def _compare_objects(self, path: str, before: dict[str, Json], after: dict[str, Json]) -> None:
        for key in sorted(before.keys() | after.keys()):
            if key not in before or key not in after:
                missing = Words("(missing)")
                self._differ(f"{path}.{key}", before.get(key, missing), after.get(key, missing))
        for key in (key for key in before if key in after):
            self._find_rule(path, key)(f"{path}.{key}", before[key], after[key])
        self._count_shape(before)

    def _find_rule(self, path: str, key: str) -> Callable[[str, Json, Json], None]:
        """How the values under a key are compared."""
        if path == "$.body" and key in MESSAGES:
            return self._compare_words
        if key in ID_KEYS | NUMBER_KEYS:
            return self._compare_ids
        if key in VERSIONS:
            return self._compare_versions
        return {"rle": self._compare_rle, "imageDataURL": self._compare_png}.get(key, self._compare_values)

    def _compare_lists(self, path: str, before: list[Json], after: list[Json]) -> None:
        if len(before) != len(after):
            self._differ(path, Words(f"{len(before)} items"), Words(f"{len(after)} items"))
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            self._compare_values(f"{path}[{place}]", one, other)

    def _compare_numbers(self, path: str, before: float, after: float) -> None:
        apart = abs(before - after)
        self.largest_number = max(self.largest_number, apart)
        if path.endswith(".score"):
            self.largest_score = max(self.largest_score, apart)
        if not (apart <= TOLERANCE or (math.isnan(before) and math.isnan(after))):
            self._differ(path, before, after)

    def _compare_equal(self, path: str, before: Json, after: Json) -> None:
        if before != after:
            self._differ(path, before, after)

    def _compare_ids(self, path: str, before: Json, after: Json) -> None:
        key = path.rpartition(".")[2]
        if isinstance(before, str) and isinstance(after, str):
            is_same = self._identities.are_same(before, after)
        elif key in NUMBER_KEYS and isinstance(before, int) and isinstance(after, int):
            is_same = self._identities.are_same((key, before), (key, after))
        else:
            is_same = type(before) is type(after) and before == after
        if not is_same:
            self._differ(path, before, after)

    def _compare_versions(self, path: str, before: Json, after: Json) -> None:
        if type(before) is not type(after):
            self._differ(path, before, after)
        elif before != after:
            note = f"{path.rpartition('.')[2]} changed from {before} to {after}"
            self.notes += [note] if note not in self.notes else []

    def _compare_words(self, path: str, before: Json, after: Json) -> None:
        if not isinstance(before, str) or not isinstance(after, str):
            self._compare_values(path, before, after)
        elif hide_ids(before) != hide_ids(after):
            self.reworded.append(self._difference(path, before, after))
            if self._strict_messages:
                self._differ(path, before, after)

    def _compare_rle(self, path: str, before: Json, after: Json) -> None:
        """The lists must be equal; where only their masks are, that is said."""
        if before == after:
            return
        try:
            words = tell_apart(decode_rle(before), decode_rle(after)) or "other bytes for the same mask"
        except (ValueError, TypeError, IndexError) as error:
            words = f"one cannot be decoded: {error}"
        self._differ(path, Words(f"{len(before or ())} bytes"), Words(f"{len(after or ())} bytes: {words}"))

    def _compare_png(self, path: str, before: Json, after: Json) -> None:
        """The pixels must be equal, the file need not be."""
        if before == after:
            return
        try:
            words = tell_apart(decode_png(before), decode_png(after))
        except (ValueError, TypeError, AttributeError, OSError) as error:
            words = f"one cannot be decoded: {error}"
        if words:
            self._differ(path, Words("a PNG"), Words(f"a PNG: {words}"))

    def _count_shape(self, result: dict[str, Json]) -> None:
        kind, value = str(result.get("type")).removesuffix("labels"), result.get("value")
        if kind in SHAPES and isinstance(value, dict):
            self.shapes[self._part, kind] += 1
            self.empty += not _holds_pixels(value)

    def _differ(self, path: str, before: Json, after: Json) -> None:
        self.differences.append(self._difference(path, before, after))

    def _difference(self, path: str, before: Json, after: Json) -> Difference:
        return Difference(f"{self._part} {self._number}", self._kind, path, before, after)


def _holds_pixels(value: dict[str, Json]) -> bool:
    """Whether a shape has an area; of a brush and a bitmask that is looked for."""
    try:
        if "rle" in value:
            return bool(decode_rle(value["rle"]).any())
        if "imageDataURL" in value:
            return bool(decode_png(value["imageDataURL"])[..., ALPHA].any())
        return len(value.get("points", "xyz")) >= 3
    except (ValueError, TypeError, IndexError, OSError):
        return False


def _without_times(answer: Answer) -> Json:
    """The body; of metrics their names and types, of a page for people nothing but that there is one."""
    if answer.content_type.startswith("text/html"):
        return bool(answer.body)
    if answer.content_type.startswith("text/plain"):
        return sorted(line for line in str(answer.body).splitlines() if line.startswith("# TYPE"))
    return answer.body
