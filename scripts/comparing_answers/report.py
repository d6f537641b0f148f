"""What is said at the end."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.comparing_answers.comparison import MASKS, REFUSED, SHAPES, Comparison
from scripts.comparing_answers.exchanges import Difference, Exchange

DIFFERENCES_SHOWN = 20
MESSAGES_SHOWN = 5


def summarize(comparison: Comparison, requests: Sequence[Exchange], commands: Sequence[Exchange]) -> str:
    """Everything that was counted, and the verdict in the last line."""
    lines = [
        *_list_first("differences", comparison.differences, DIFFERENCES_SHOWN),
        *_list_first("reworded messages", comparison.reworded, MESSAGES_SHOWN),
        *(f"note: {note}" for note in comparison.notes),
        f"{len(requests)} requests: {_count(map(_group, requests))}",
        f"  kinds of refusals: {len({e.kind for e in requests if e.answer.status >= REFUSED})}",
        f"  by HTTP status: {_count(exchange.answer.status for exchange in requests)}",
    ]
    if commands:
        lines.append(f"{len(commands)} steps with Label Studio: {_count(exchange.kind for exchange in commands)}")
        lines.append(f"  by exit status: {_count(e.answer.status for e in commands if e.request.startswith('python'))}")
    lines += [*_count_shapes(comparison), _largest(comparison), f"reworded messages: {len(comparison.reworded)}"]
    verdict = f"{len(comparison.differences)} differences" if comparison.differences else "same"
    return "\n".join([*lines, verdict])


def write_down(folder: Path, name: str, exchanges: Sequence[Exchange]) -> None:
    """One line of JSON for each exchange."""
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
        for exchange in exchanges:
            file.write(json.dumps(asdict(exchange), ensure_ascii=False) + "\n")


def _list_first(what: str, differences: Sequence[Difference], most: int) -> list[str]:
    if not differences:
        return []
    more = [f"… and {len(differences) - most} more"] if len(differences) > most else []
    return [f"{what}: {len(differences)}", *map(str, differences[:most]), *more, ""]


def _group(exchange: Exchange) -> str:
    """Kinds in few words: "click, plain brush" is a click, and what is refused is not told apart."""
    return re.split("[,:]", exchange.kind)[0]


def _count(values: object) -> str:
    counts = Counter(values)  # type: ignore[call-overload]
    return ", ".join(f"{value} {count}" for value, count in sorted(counts.items(), key=lambda item: str(item[0])))


def _count_shapes(comparison: Comparison) -> list[str]:
    lines = []
    for part in dict.fromkeys(part for part, _ in comparison.shapes):
        masks = sum(comparison.shapes[part, kind] for kind in MASKS)
        kinds = ", ".join(f"{kind} {comparison.shapes[part, kind]}" for kind in SHAPES)
        lines.append(f"masks compared, {part}: {masks} ({kinds})")
    return [*lines, f"  of these without a pixel: {comparison.empty}"]


def _largest(comparison: Comparison) -> str:
    return (
        f"largest difference of two scores: {comparison.largest_score:.3g}, "
        f"of two numbers: {comparison.largest_number:.3g}"
    )
