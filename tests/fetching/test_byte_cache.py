"""The budget of the image cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.fetching.byte_cache import CachedImage, ImageCache


def image(nbytes: int) -> CachedImage:
    return CachedImage(bytes(nbytes), checked_at=0.0)


def test_the_least_recently_used_goes_first() -> None:
    cache = ImageCache(max_bytes=30)
    for key in "abc":
        cache.put(key, image(10))
    assert cache.get("a") is not None
    cache.put("d", image(10))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_an_image_over_the_whole_budget_is_not_kept_and_drives_none_out() -> None:
    cache = ImageCache(max_bytes=30)
    cache.put("a", image(10))
    cache.put("b", image(31))
    assert cache.get("a") is not None and cache.get("b") is None


def test_an_image_that_outgrew_the_budget_is_forgotten() -> None:
    cache = ImageCache(max_bytes=30)
    cache.put("a", image(10))
    cache.put("a", image(31))
    assert cache.get("a") is None and cache.cost == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40))))
def test_the_budget_holds(puts: list[tuple[int, int]]) -> None:
    cache = ImageCache(max_bytes=60)
    for key, nbytes in puts:
        cache.put(key, image(nbytes))
        kept = [found for found in map(cache.get, range(6)) if found]
        assert cache.cost == sum(len(found.content) for found in kept) <= 60
