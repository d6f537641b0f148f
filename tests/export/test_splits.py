"""Splits of a data set: groups stay whole, classes are everywhere, the same seed gives the same answer."""

from __future__ import annotations

import random
import time
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from backend.export.splits import SplitRow, assign_splits

USUAL = {"train": 0.8, "val": 0.1, "test": 0.1}
FRACTIONS = st.sampled_from(
    [
        USUAL,
        {"train": 0.5, "val": 0.5},
        {"train": 0.34, "val": 0.33, "test": 0.33},
        {"train": 1.0},
        {"test": 0.97, "val": 0.03},
    ]
)
OBJECTS = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 6), max_size=4)
ROWS = st.lists(st.tuples(OBJECTS, st.sampled_from(["", "", "", "film 1", "film 2", "film 3"])), max_size=60).map(
    lambda pairs: [SplitRow(number, objects, group) for number, (objects, group) in enumerate(pairs, start=1)]
)


def sizes(assigned: dict[int, str]) -> dict[str, int]:
    return dict(Counter(assigned.values()))


def classes_in(rows: list[SplitRow], assigned: dict[int, str]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(assigned[row.image_id], Counter()).update(row.objects)
    return found


def test_ten_images_of_one_class_become_eight_one_and_one() -> None:
    rows = [SplitRow(number, {"bird": 1}) for number in range(10)]
    assert sizes(assign_splits(rows, USUAL)) == {"train": 8, "val": 1, "test": 1}


def test_each_class_is_shared_out_by_the_fractions() -> None:
    rows = [SplitRow(number, {"bird": 1}) for number in range(100)]
    rows += [SplitRow(number, {"cat": 2}) for number in range(100, 150)]
    rows += [SplitRow(number, {}) for number in range(150, 170)]
    assigned = assign_splits(rows, USUAL)
    assert sizes(assigned) == {"train": 136, "val": 17, "test": 17}
    assert classes_in(rows, assigned) == {
        "train": Counter(bird=80, cat=80),
        "val": Counter(bird=10, cat=10),
        "test": Counter(bird=10, cat=10),
    }


def test_a_class_of_three_images_is_in_each_split() -> None:
    """By its fractions alone all three would be in train: it wants 2.4, 1.4 and 0.4 of them, the others 0.3."""
    rows = [SplitRow(number, {"bird": 1}) for number in range(97)]
    rows += [SplitRow(number, {"lynx": 1}) for number in range(97, 100)]
    found = classes_in(rows, assign_splits(rows, USUAL))
    assert [found[split]["lynx"] for split in USUAL] == [1, 1, 1]


def test_scarce_classes_that_share_images_are_still_in_each_split() -> None:
    """Three classes of three images each, three of the images shared: there is one way for each class and split."""
    shared = [{"a": 1, "c": 1}, {"b": 1, "c": 1}, {"c": 1}, {"a": 1}, {"a": 1}, {"b": 1}, {"b": 1}]
    rows = [SplitRow(number, objects) for number, objects in enumerate([*shared, *[{"d": 1}] * 53])]
    for seed in range(20):
        found = classes_in(rows, assign_splits(rows, USUAL, seed))
        assert all(found[split][name] == 1 for split in USUAL for name in "abc"), seed


@given(ROWS, FRACTIONS, st.integers())
def test_groups_are_never_split_and_sizes_stay_within_one_group_of_the_fractions(
    rows: list[SplitRow], fractions: dict[str, float], seed: int
) -> None:
    assigned = assign_splits(rows, fractions, seed)
    assert set(assigned) == {row.image_id for row in rows}
    assert set(assigned.values()) <= set(fractions)
    for group in {row.group for row in rows} - {""}:
        assert len({assigned[row.image_id] for row in rows if row.group == group}) == 1
    largest = max(Counter(row.group or row.image_id for row in rows).values(), default=0)
    for split, fraction in fractions.items():
        size, wanted = sizes(assigned).get(split, 0), fraction * len(rows)
        assert wanted - (len(fractions) - 1) * largest - 1e-3 <= size <= wanted + largest + 1e-3


@given(st.lists(st.integers(3, 30), min_size=1, max_size=6), st.integers())
def test_each_class_with_enough_images_is_in_each_split_where_there_is_room(counts: list[int], seed: int) -> None:
    rows = [SplitRow(0, {})] * 0
    for name, count in zip("abcdef", counts, strict=False):
        rows += [SplitRow(len(rows) + number, {name: 1}) for number in range(count)]
    rows += [SplitRow(len(rows) + number, {}) for number in range(10 * len(counts))]  # each split wants a place a class
    found = classes_in(rows, assign_splits(rows, USUAL, seed))
    assert all(found[split][name] for split in USUAL for name in "abcdef"[: len(counts)])


@given(ROWS, FRACTIONS, st.integers(), st.randoms())
def test_the_same_seed_gives_the_same_answer_in_whatever_order_the_rows_come(
    rows: list[SplitRow], fractions: dict[str, float], seed: int, order: random.Random
) -> None:
    shuffled = order.sample(rows, len(rows))
    assert assign_splits(shuffled, fractions, seed) == assign_splits(rows, fractions, seed)


def test_another_seed_gives_another_answer() -> None:
    rows = [SplitRow(number, {"bird": 1}) for number in range(100)]
    assert assign_splits(rows, USUAL, 0) != assign_splits(rows, USUAL, 1)


def test_one_picture_in_the_documents_of_two_annotators_counts_once() -> None:
    rows = [SplitRow(number // 2, {"bird": 1}) for number in range(20)]
    assert sizes(assign_splits(rows, USUAL)) == {"train": 8, "val": 1, "test": 1}


def test_one_image_goes_to_the_largest_split_and_none_to_none() -> None:
    assert assign_splits([SplitRow(7, {"bird": 1})], {"val": 0.2, "train": 0.8}) == {7: "train"}
    assert assign_splits([], USUAL) == {}


def test_a_video_of_half_the_images_goes_to_train() -> None:
    rows = [SplitRow(number, {"bird": 1}, "film" if number < 50 else "") for number in range(100)]
    assigned = assign_splits(rows, USUAL)
    assert {assigned[number] for number in range(50)} == {"train"}
    assert sizes(assigned) == {"train": 80, "val": 10, "test": 10}


def test_twenty_thousand_images_of_eighty_classes_take_seconds() -> None:
    chance = random.Random(0)
    rows = [
        SplitRow(number, Counter(f"class {int(80 * chance.random() ** 3)}" for _ in range(chance.randrange(12))))
        for number in range(20_000)
    ]
    before = time.process_time()
    assigned = assign_splits(rows, USUAL)
    assert time.process_time() - before < 10
    assert sizes(assigned) == {"train": 16_000, "val": 2_000, "test": 2_000}
    found = classes_in(rows, assigned)
    total = sum(found.values(), Counter())
    for split, fraction in USUAL.items():
        for name, count in found[split].items():
            assert abs(count - fraction * total[name]) <= 0.1 * fraction * total[name] + 3, (split, name)
