"""Damage to JSON documents: values of other types, keys that are gone or doubled, and text that is no JSON at all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson

Place = tuple[Any, Any]  # a dict or list, and a key or index in it

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, -1e308, 5e-324, 1e-300, 101, 100.05, 640.0),
    *(2**31, 2**53, 2**63 - 1, 2**64 - 1, -(2**63), 1e22),
    *("", " ", "x", "0", "7", "3.1", "-1", "NaN", "1e309", "null", "[", "[1]", "[[0]]", "[256]", "[null]", "{}"),
    *("a" * 5000, "\x00", "\x1b[31m\n"),
    *("\u2028", "\U0001f600", "\ufffe", "é" * 300, "<b>", "$photo", "../../etc/passwd"),
    *("http://example.org/a.png", "http://[::1", "http://a:99999999/", "data:image/png;base64,AAAA", "//x", "file:///a"),
    *("labels", "keypointlabels", "brushlabels", "rectangle", "choices", "textarea", "cat", "AUTO", "0123456789abcdef"),
    *([], {}, [[]], [{}], [None], [True], [1, 2], [1e308], ["a"], ["cat"], [["cat"]], [[["x"]]], ["cat", 1, None]),
    *({"a": 1}, {"id": [1]}, {"": ""}, {"result": []}, {"result": [{}]}, {"result": {"0": {}}}, {"rle": [0, 0]}),
    *([[0, 0], [50, 0], [50, 50]], [[1e308, -1e308]] * 3, [[1, 2, 3]] * 4, [[50, 50]] * 5, [0] * 50, ["x"] * 100),
)  # fmt: skip
RAW_VALUES: tuple[bytes, ...] = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"5e-324", b"01", b"+1", b".5", b"1.", b"-0"),
    *(b"True", b"None"),
    *(b"undefined", b"'x'", b"", b"//x", b"/**/1", b"0x10", b"9" * 100, b"9" * 5000, b"-" + b"9" * 400),
    *(rb'"\ud800"',),
    *(rb'"\udc00\ud800"', rb'"\ud83d\ude00"', rb'"\u0000"', rb'"\x"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\n"'),
    *(b"[1,\n2]", b"[0 ,\t0]", b'"[0,0"', b"[1,,2]", b"{'a': 1}", b"{1: 2}", b"[}", b'"', b"1 2"),
)  # fmt: skip
DEPTHS = (3, 10, 50, 85, 90, 95, 100, 101, 150, 255, 500, 800, 900, 920, 940, 950, 960, 970, 980, 990, 1010, 1020, 5000)
MAX_COPIED_BYTES = 2000
NUMBERS = (-1.0, 0.0, 0.5, 1e-300, 1.001, 3.0, 1e6, 1e300)


class JsonDamage:
    """A document that is being damaged.

    Args:
        document: Is changed in place.
    """

    def __init__(self, document: Any, rng: random.Random) -> None:
        self._document, self._rng = document, rng
        self._raw: list[bytes] = []
        self._results = list(_find_results(document))

    def damage(self, times: int) -> None:
        """Damage the document at `times` places."""
        for _ in range(times):
            place = self._pick_place()
            if place is not None:
                self._damage_place(*place)

    def to_bytes(self) -> bytes:
        """Return the document's text with the raw values in it."""
        text = orjson.dumps(self._document)
        for number, raw in enumerate(self._raw):
            text = text.replace(_mark(number).encode(), raw, 1)
        return text

    def _pick_place(self) -> Place | None:
        """Pick a place by descending from the top or from a result.

        So the few fields that matter are as likely as the many that do not.
        """
        rng, here, place = self._rng, self._document, None
        if self._results and rng.random() < 0.4:
            here = rng.choice(self._results)
        while isinstance(here, (dict, list)) and here:
            key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(min(len(here), 50))
            place, here = (here, key), here[key]
            if rng.random() < 0.08:
                break
        return place

    def _damage_place(self, holder: Any, key: Any) -> None:
        rng, value = self._rng, holder[key]
        action = rng.random()
        if action < 0.3:
            holder[key] = pick_odd_value(rng)
        elif action < 0.4:
            del holder[key]
        elif action < 0.55:
            holder[key] = _change(value, rng)
        elif action < 0.65:
            holder[key] = rng.choice(([value], {"a": value}, {"0": value, "id": value}, [value, value], [[value]]))
        elif action < 0.75:
            holder[key] = self._copy_of_another()
        elif action < 0.8 and isinstance(holder, dict):
            holder[rng.choice(("id", "type", "value", "result", "to_name", "labels", "rle", "", "x" * 300))] = value
        elif action < 0.85 and isinstance(holder, dict):
            twice = orjson.dumps(rng.choice(ODD_VALUES)) + b"," + orjson.dumps(key) + b":"
            holder[key] = self._put_raw(twice + orjson.dumps(rng.choice(ODD_VALUES)))
        elif action < 0.88:
            holder[key] = self._put_raw(rng.choice(RAW_VALUES))
        elif action < 0.95:
            holder[key] = self._put_raw(nest(rng.choice(DEPTHS), rng))
        else:
            holder[key] = [value] * (rng.choice((0, 2, 20, 600)) if len(orjson.dumps(value)) < MAX_COPIED_BYTES else 1)

    def _copy_of_another(self) -> Any:
        place = self._pick_place()
        text = orjson.dumps(place[0][place[1]]) if place is not None else b"null"
        return orjson.loads(text) if len(text) < MAX_COPIED_BYTES else None

    def _put_raw(self, raw: bytes) -> str:
        self._raw.append(raw)
        return _mark(len(self._raw) - 1)[1:-1]


def _find_results(document: Any) -> Iterator[Any]:
    """Yield the results in a document: a context's prompts, and what drafts, annotations and predictions hold."""
    waiting = [document]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if "from_name" in here:
                yield here
            waiting += here.values()
        elif isinstance(here, list) and here and isinstance(here[0], dict):
            waiting += here


def pick_odd_value(rng: random.Random) -> Any:
    """Return an odd value that may be changed: a copy, so that the same seed gives the same requests."""
    return orjson.loads(orjson.dumps(rng.choice(ODD_VALUES)))


def nest(depth: int, rng: random.Random) -> bytes:
    """Return the text of a value with `depth` levels of lists, objects or both around it."""
    openings, closings = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"id":', b"}]"), (b'{"result":[', b"]}")))
    depth = depth if len(openings) in (1, 5) else depth // 2
    return openings * depth + rng.choice((b"1", b"null", b'"x"', b"[]")) + closings * depth


def damage_text(text: bytes, rng: random.Random) -> bytes:
    """Damage bytes: cut, encoded otherwise, or with bytes in them that were not there."""
    action = rng.randrange(9)
    at = rng.randrange(len(text) + 1)
    if action == 0:
        return text[:at]
    if action == 1:
        return text[:at] + text[at + rng.randrange(1, 20) :]
    if action == 2:
        return text[:at] + bytes([rng.randrange(256)]) + text[at:]
    if action == 3:
        return text.decode(errors="replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))
    if action == 4:
        return text + rng.choice((b"\x00", b"{}", b" \n", b"]", b"\xef\xbb\xbf", text))
    if action == 5:
        return b"\xef\xbb\xbf" + text
    if action == 6:
        return b"[" * rng.choice(DEPTHS) + text
    if action == 7:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    return rng.choice((b"", b"null", b"[]", b'""', b"0", b"{}", b"true", nest(5000, rng), b'{"tasks":[{}]}'))


def _change(value: Any, rng: random.Random) -> Any:
    """Return a similar value of the same type."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        changed = value * rng.choice(NUMBERS)
        return int(changed) if isinstance(value, int) and abs(changed) < 2**63 and rng.random() < 0.5 else changed
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        return rng.choice(
            (
                value[:at],
                value[at:] + value[:at],
                value + value,
                value.upper(),
                f" {value} ",
                value[:at] + "é\0" + value[at:],
            )
        )
    if isinstance(value, list):
        return rng.choice(
            (value[::-1], value[1:], value + value[:5], [], {str(n): v for n, v in enumerate(value[:50])})
        )
    return rng.choice((list(value), list(value.values()), dict(list(value.items())[::2]), {}, [value]))


def _mark(number: int) -> str:
    return f'"@raw-{number}@"'
