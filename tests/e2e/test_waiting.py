"""Waiting for a page: a passing error is looked over, one that stays is told."""

from __future__ import annotations

from itertools import chain, repeat
from pathlib import Path
from unittest.mock import Mock

import pytest
from selenium.common.exceptions import JavascriptException, WebDriverException

from tests.e2e import labeling_page
from tests.e2e.labeling_page import LabelingPage


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabelingPage:
    """A page of which nothing but its picture is looked at."""
    monkeypatch.setattr(labeling_page, "WAIT_SECONDS", 0.3)
    return LabelingPage(Mock(), "http://127.0.0.1:9", tmp_path)


def test_an_error_that_stays_is_in_the_message(page: LabelingPage) -> None:
    look = Mock(side_effect=JavascriptException("store is undefined"))
    with pytest.raises(AssertionError, match="waited in vain for a region: store is undefined; see "):
        page.wait("a region", look)
    assert look.call_count > 1


def test_an_error_that_passes_is_not(page: LabelingPage) -> None:
    page.wait("a region", Mock(side_effect=[JavascriptException("store is undefined"), True]))
    looks = Mock(side_effect=chain([JavascriptException("store is undefined")], repeat(False)))
    with pytest.raises(AssertionError, match="waited in vain for a region; see "):
        page.wait("a region", looks)


def test_any_other_error_ends_the_waiting_at_once(page: LabelingPage) -> None:
    look = Mock(side_effect=WebDriverException("the browser has ended"))
    with pytest.raises(AssertionError, match="waited in vain for the form"):
        page.wait("the form", look)
    assert look.call_count == 1
