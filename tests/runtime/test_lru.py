from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from backend.runtime import LeastRecentlyUsed


def store(max_cost: int, max_prefetched: int = 0) -> LeastRecentlyUsed[str, int]:
    """Values cost what they are."""
    return LeastRecentlyUsed(max_cost, lambda value: value, max_prefetched)


def kept(lru: LeastRecentlyUsed[str, int], keys: str) -> str:
    return "".join(key for key in keys if key in lru)


def test_the_least_recently_used_goes_first_and_a_look_is_no_use() -> None:
    lru = store(30)
    for key in "abc":
        lru.put(key, 10)
    assert lru.get("a") == 10
    assert "b" in lru
    lru.put("d", 10)
    assert kept(lru, "abcd") == "acd"


def test_without_a_cost_the_bound_is_a_count() -> None:
    lru = LeastRecentlyUsed[str, str](2)
    for key in "abc":
        lru.put(key, "value")
    assert (kept(lru, "abc"), lru.cost) == ("bc", 2)


def test_a_value_over_the_whole_budget_is_not_kept_and_drives_none_out() -> None:
    lru = store(30)
    lru.put("a", 10)
    lru.put("b", 31)
    assert kept(lru, "ab") == "a"
    lru.put("a", 31)
    assert (kept(lru, "a"), lru.cost) == ("", 0)


def test_what_is_put_ahead_never_drives_out_what_is_in_use() -> None:
    lru = store(100, max_prefetched=40)
    for key in "abc":
        lru.put(key, 20)
    for key in "vwxyz":
        lru.put(key, 20, prefetch=True)
    assert (kept(lru, "abcvwxyz"), lru.cost) == ("abcyz", 100)


def test_what_is_in_use_beyond_its_own_share_makes_room_for_what_comes_prefetched() -> None:
    lru = store(100, max_prefetched=40)
    for key in "abcde":
        lru.put(key, 20)
    lru.put("z", 20, prefetch=True)
    assert kept(lru, "abcdez") == "bcdez"
    lru.put("y", 20, prefetch=True)
    lru.put("x", 20, prefetch=True)
    assert kept(lru, "abcdezyx") == "cdeyx"


def test_what_was_put_ahead_is_in_use_once_somebody_gets_it() -> None:
    lru = store(100, max_prefetched=20)
    lru.put("z", 20, prefetch=True)
    assert lru.get("z") == 20
    lru.put("y", 20, prefetch=True)
    assert kept(lru, "zy") == "zy"


def test_what_is_in_use_is_not_degraded_by_being_put_ahead_again() -> None:
    lru = store(100, max_prefetched=20)
    lru.put("a", 20)
    lru.put("a", 20, prefetch=True)
    lru.put("z", 20, prefetch=True)  # fills the budget of prefetched entries
    assert kept(lru, "az") == "az"


def test_a_large_value_in_use_drives_out_what_came_ahead_and_not_itself() -> None:
    lru = store(100, max_prefetched=60)
    lru.put("z", 50, prefetch=True)
    lru.put("a", 80)
    assert kept(lru, "za") == "a"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.booleans(), st.booleans())))
def test_the_budgets_hold_and_the_last_value_in_use_is_always_there(steps) -> None:
    lru = LeastRecentlyUsed[int, int](60, lambda value: value, 25)
    for key, value, prefetch, look in steps:
        if look:
            lru.get(key)
        else:
            lru.put(key, value, prefetch=prefetch)
        kept_values = [
            value for key in range(6) if key in lru and (value := lru._used.get(key, lru._prefetched.get(key)))
        ]
        assert lru.cost == sum(kept_values) <= 60
        assert sum(lru._prefetched.values()) <= 25
        if not prefetch and not look:
            assert key in lru


def test_many_threads_leave_the_books_straight() -> None:
    lru = LeastRecentlyUsed[int, int](50, lambda value: value, 20)

    def work(seed: int) -> None:
        for step in range(2000):
            key = (seed * step) % 13
            lru.put(key, key, prefetch=step % 3 == 0)
            lru.get((key + 1) % 13)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (3, 5, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lru.cost == sum(key for key in range(13) if key in lru) <= 50


def test_items_are_the_prefetched_ones_and_then_those_in_use_from_the_least_recently_used_on() -> None:
    lru = store(30, max_prefetched=10)
    for key in "abc":
        lru.put(key, 5)
    lru.put("d", 5, prefetch=True)
    lru.get("a")
    lru.peek("b")
    assert lru.items() == [("d", 5), ("b", 5), ("c", 5), ("a", 5)]
    assert [lru.is_in_use(key) for key in "adx"] == [True, False, False]
    lru.get("d")
    assert lru.is_in_use("d")


def test_a_value_is_replaced_in_its_place_only_while_it_is_there() -> None:
    cache = LeastRecentlyUsed[str, list[int]](10, len, 4)
    old, new = [1, 2], [1, 2, 3]
    cache.put("a", old, prefetch=True)
    assert cache.replace("a", old, new)
    assert cache.peek("a") is new and cache.cost == 3 and not cache.is_in_use("a")  # prefetched still
    assert not cache.replace("a", old, [1])
    assert not cache.replace("b", old, [1])
    assert cache.peek("a") is new and cache.peek("b") is None


def test_discarding_removes_what_matches_whether_used_or_prefetched() -> None:
    cache = LeastRecentlyUsed[str, int](10, lambda value: value, 5)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("c", 1, prefetch=True)
    cache.discard(lambda key, value: value == 1)
    assert [key for key in "abc" if key in cache] == ["b"] and cache.cost == 2
