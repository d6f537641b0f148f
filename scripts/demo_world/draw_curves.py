"""Curves of the share of errors found by the share of a queue that was reviewed, as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 480, 360, 48
COLOURS = ("#1f6fb4", "#d0651b", "#3a8f3a", "#8a4fa3")


@dataclass(frozen=True)
class Curve:
    """A name and the share of errors among the first 0, 1, … N items."""

    name: str
    shares: Sequence[float]


def draw_curves(curves: Sequence[Curve], first_part: float = 0.25) -> str:
    """Draw the curves, the diagonal of a random order, and a line at the first part of the queue."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in range(0, 101, 25):
        (x, y), (left, bottom) = _at(tick / 100, tick / 100), _at(0, 0)
        right, top = _at(1, 1)
        lines += [
            f'<path d="M{left} {y}H{right}M{x} {bottom}V{top}" stroke="#ddd" fill="none"/>',
            f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{tick} %</text>',
            f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick} %</text>',
        ]
    x, y = _at(first_part, 0)
    lines += [
        _path([(0, 0), (1, 1)], "#999", dashes="4 4"),
        _path([(first_part, 0), (first_part, 1)], "#999"),
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">reviewed, lowest score first</text>',
        f'<text transform="translate(12 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">errors found</text>',
    ]
    for number, (curve, colour) in enumerate(zip(curves, COLOURS, strict=False)):
        last = max(len(curve.shares) - 1, 1)
        lines.append(_path([(place / last, share) for place, share in enumerate(curve.shares)], colour, width=2))
        x, y = _at(1, 0)
        lines.append(
            f'<text x="{x - 8}" y="{y - 12 - 18 * number}" text-anchor="end" fill="{colour}">{curve.name}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _path(points: Sequence[tuple[float, float]], colour: str, *, width: int = 1, dashes: str = "") -> str:
    places = " ".join(f"{x:g},{y:g}" for x, y in (_at(*point) for point in points))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _at(x: float, y: float) -> tuple[float, float]:
    """Convert shares to pixels of the picture."""
    return round(MARGIN + x * (WIDTH - 1.5 * MARGIN), 1), round(HEIGHT - MARGIN - y * (HEIGHT - 1.5 * MARGIN), 1)
