"""The note of a region: Label Studio's `meta.text`, in which a person may write and this backend lists classes.

    {"id": …, "type": "brush", "meta": {"text": ["red ring 0.97, red circle 0.02\\nedge unclear"]}, "value": …}

The page has one field for it and saves its lines as one text.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

from backend.label_studio.results.fields import Result
from backend.values import ClassScore

MIN_SHOWN = 0.005  # rounds to 0.01
_CLASS = re.compile(r"(.+?) [01]\.\d\d(?:, |$)")


def build_note(scores: Sequence[ClassScore]) -> str:
    """List classes with their probabilities, best first, without those that round to 0; "" without classes."""
    shown = list(scores[:1]) + [score for score in scores[1:] if score.score >= MIN_SHOWN]
    return ", ".join(f"{score.name} {score.score:.2f}" for score in shown)


def build_meta(lines: Sequence[str]) -> dict[str, list[str]]:
    """Build the `meta` of a region whose note has at least one line."""
    return {"text": ["\n".join(lines)]}


def parse_notes(result: Result) -> tuple[str, ...]:
    """Return the lines of a result's note; () for none, or one of the wrong type."""
    meta = result.get("meta")
    text = meta.get("text") if isinstance(meta, Mapping) else None
    texts = [text] if isinstance(text, str) else text if isinstance(text, list) else []
    return tuple(line for text in texts if isinstance(text, str) for line in text.splitlines() if line.strip())


def is_own_note(line: str, classes: Container[str]) -> bool:
    """Whether a line is one that `build_note` writes of these classes, and not a person's."""
    end = 0
    for match in _CLASS.finditer(line):
        if match.start() != end or match[1] not in classes:
            return False
        end = match.end()
    return end == len(line) > 0
