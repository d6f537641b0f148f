"""Tests of this folder are marked by what their fixtures start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import pytest_collection_modifyitems


class Item:
    """A collected test, as far as marking goes."""

    def __init__(self, *fixtures: str, folder: str = "e2e", is_slow: bool = False) -> None:
        self.fixturenames, self.markers, self.path = fixtures, [], Path("tests", folder, "test_pages.py")
        self._own = {"slow": pytest.mark.slow} if is_slow else {}

    def get_closest_marker(self, name: str) -> pytest.MarkDecorator | None:
        return self._own.get(name)

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.markers.append(marker.name)


def test_a_test_is_marked_by_the_most_that_its_fixtures_start() -> None:
    browser, label_studio, neither = Item("page", "chromium", "label_studio"), Item("label_studio"), Item("tmp_path")
    pytest_collection_modifyitems([browser, label_studio, neither])
    assert (browser.markers, label_studio.markers, neither.markers) == (["browser"], ["label_studio"], [])


def test_the_longest_files_come_first_and_keep_their_order() -> None:
    """Those of this folder, then those with a slow test, whole; so each file stays in one piece."""
    cache, first, second = Item(folder="cache"), Item(), Item()
    quick, slow = Item(folder="export"), Item(folder="export", is_slow=True)
    items = [cache, first, quick, slow, second]
    pytest_collection_modifyitems(items)
    assert items == [first, second, quick, slow, cache]
