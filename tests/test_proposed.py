"""Automatic masks kept for the next text."""

from __future__ import annotations

import numpy as np

from backend.proposed import ProposedCache, ProposedMasks, pack
from backend.values import Candidate


def proposed(count: int = 1, shape: tuple[int, int] = (9, 11)) -> ProposedMasks:
    rng = np.random.default_rng(count)
    candidates = [Candidate(rng.random(shape) < 0.5, 0.9) for _ in range(count)]
    return pack(candidates, shape, np.zeros((count, 4), np.float32))


def test_masks_come_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random((9, 11)) < 0.5 for _ in range(3)]
    kept = pack([Candidate(mask, 0.5 + i / 10) for i, mask in enumerate(masks)], (9, 11), np.zeros((3, 4), np.float32))
    assert all(np.array_equal(one, other) and one.dtype == bool for one, other in zip(kept.masks(), masks, strict=True))
    assert kept.scores == (0.5, 0.6, 0.7)
    assert kept.nbytes == 3 * 13 + 3 * 16  # 99 pixels are 13 bytes


def test_an_image_without_masks_is_kept_too() -> None:
    empty = pack([], (9, 11), np.zeros((0, 1), np.float32))
    assert empty.masks() == []
    cache = ProposedCache()
    assert cache.get_or_compute("a", lambda: empty) is cache.get_or_compute("a", lambda: proposed())


def test_the_oldest_go_when_there_is_no_room() -> None:
    cache, made = ProposedCache(max_bytes=2 * 29), []

    def ask(key: str) -> None:
        cache.get_or_compute(key, lambda: made.append(key) or proposed())  # type: ignore[func-returns-value]

    for key in "abaca":
        ask(key)
    assert made == ["a", "b", "c"]
    ask("b")
    assert made == ["a", "b", "c", "b"]


def test_what_is_larger_than_all_room_is_not_kept() -> None:
    cache = ProposedCache(max_bytes=20)
    first = cache.get_or_compute("a", proposed)
    assert cache.get_or_compute("a", proposed) is not first
