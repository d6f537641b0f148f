"""Tests of this folder are marked by what their fixtures start."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import pytest_collection_modifyitems


class Item:
    """A collected test, as far as marking goes."""

    def __init__(self, *fixtures: str) -> None:
        self.fixturenames, self.markers = fixtures, []

    def add_marker(self, marker: pytest.MarkDecorator) -> None:
        self.markers.append(marker.name)


def test_a_test_is_marked_by_the_most_that_its_fixtures_start() -> None:
    browser, label_studio, neither = Item("page", "chromium", "label_studio"), Item("label_studio"), Item("tmp_path")
    pytest_collection_modifyitems([browser, label_studio, neither])
    assert (browser.markers, label_studio.markers, neither.markers) == (["browser"], ["label_studio"], [])
