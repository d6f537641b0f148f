"""What a person can do about a model that does not fit into memory: a smaller one, as the registry knows them."""

from __future__ import annotations

from backend.errors import OutOfMemory
from backend.models.registry import DETECTORS, SEGMENTERS

CLIP = "CLIP"  # name of any CLIP model here
_MORE_MEMORY = "give this process more memory"
MAX_SIZE_RATIO = 0.75  # of a suggested detector or model of another family; a saving of less is not worth other masks


def find_smaller(name: str) -> str | None:
    """Return the next smaller segmenter or detector with the same abilities; None if there is none.

    A segmenter of the same family comes first, then the largest of another family that is clearly smaller. The size is
    that of the published weights. The demo's models, which know only drawn shapes, are never suggested.
    """
    if name in SEGMENTERS:
        return _smaller_segmenter(name)
    if name in DETECTORS:
        limit = DETECTORS[name].published.megabytes * MAX_SIZE_RATIO
        smaller = [entry for entry in DETECTORS.values() if entry.published.megabytes < limit]
        return max(smaller, key=lambda entry: entry.published.megabytes).name if smaller else None
    return None


def _smaller_segmenter(name: str) -> str | None:
    entry = SEGMENTERS[name]
    if entry.published is None:
        return None
    limits = {True: entry.published.megabytes, False: entry.published.megabytes * MAX_SIZE_RATIO}
    smaller = [
        (other.family == entry.family, other.published.megabytes, other.name)
        for other in SEGMENTERS.values()
        if other.published is not None
        and other.abilities >= entry.abilities
        and other.published.megabytes < limits[other.family == entry.family]
    ]
    return max(smaller)[2] if smaller else None


def out_of_memory(name: str, places: str, subject: str) -> OutOfMemory:
    """Build the error of a model that does not fit into memory.

    Args:
        name: Of the registry, or `CLIP`.
        places: Where memory ran out: "the CPU", "cuda and on the CPU".
        subject: What needed it: "an image", "8 points at once".
    """
    return OutOfMemory(f"{name} ran out of memory on {places} with {subject}.", remedy=_remedy_for(name))


def _remedy_for(name: str) -> str:
    smaller = find_smaller(name)
    if smaller is not None:
        setting = "SAM_MODEL" if name in SEGMENTERS else "DETECTOR"
        return f"Set {setting}={smaller}, the next smaller model, or {_MORE_MEMORY}."
    if name in DETECTORS:
        return f"Set DETECTOR=none, or {_MORE_MEMORY}."
    if name == CLIP:
        return "Set CLIP_MODEL to a smaller model, or to none for masks without classes."
    if name in SEGMENTERS:
        return f"There is no smaller model; {_MORE_MEMORY}."
    return f"Choose a smaller model, or {_MORE_MEMORY}."
