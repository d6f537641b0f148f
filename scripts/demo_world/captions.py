"""Training captions for the demo's CLIP: classes, colours, shapes and backgrounds."""

from __future__ import annotations

import numpy as np

from backend.models.registry import DEMO_TEMPLATES
from scripts.demo_world.scenes import BACKGROUNDS, COLOURS, SHAPES

SYNONYMS = {
    "circle": ("disc", "dot"),
    "square": ("box",),
    "triangle": (),
    "star": (),
    "ring": ("donut",),
    "cross": ("plus",),
    "ellipse": ("oval",),
    "crescent": ("moon",),
}
TEMPLATES = (*DEMO_TEMPLATES, "{}", "a photo of the {}.", "the {}.")


def class_sentences(rng: np.random.Generator) -> list[str]:
    """Return one sentence per class, in the order of CLASS_NAMES."""
    return [_sentence(rng, f"{c} {_word(rng, s)}") for c in COLOURS for s in SHAPES]


def colour_sentences(rng: np.random.Generator) -> list[str]:
    """Return one sentence per colour: "red", "a red object.", …"""
    return [_sentence(rng, rng.choice(["{}", "{}", "{} object", "{} shape", "{} thing"]).format(c)) for c in COLOURS]


def shape_sentences(rng: np.random.Generator) -> list[str]:
    """Return one sentence per shape: "star", "a donut.", …"""
    return [_sentence(rng, _word(rng, s)) for s in SHAPES]


def background_sentences(rng: np.random.Generator) -> list[str]:
    """Return one sentence per background: "wood", "a photo of a wood background.", …"""
    return [_sentence(rng, rng.choice(["{}", "{} background"]).format(b)) for b in BACKGROUNDS]


def _word(rng: np.random.Generator, shape: str) -> str:
    return shape if rng.random() < 0.75 or not SYNONYMS[shape] else str(rng.choice(SYNONYMS[shape]))


def _sentence(rng: np.random.Generator, words: str) -> str:
    return str(rng.choice(TEMPLATES, p=[0.35, 0.35, 0.1, 0.1, 0.1])).format(words)
