"""A click, the tick and a correction, as requests of Label Studio's page to the application."""

from __future__ import annotations

import numpy as np
import pytest

from backend.values import Prompt
from tests.fakes import FakeClassifier, Hall
from tests.server.fakes import ServerOnFakes
from tests.server.test_typed_commands import Page


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page before a fake SAM that is not sure of other objects."""
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 1.0)
    return Page(ServerOnFakes(Hall(classifier=FakeClassifier())))


def last_prompt(page: Page) -> Prompt:
    return page.server.hall.segmenter.decoded[-1]


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_correction_continues_the_clicks_of_the_mask_that_was_ticked(page: Page, is_saved: bool) -> None:
    page.click(20, 15, prompt_id="first")
    (region,) = page.masks()
    page.accept()
    if is_saved:
        page.save_draft()
    page.click(20, 16, prompt_id="second", positive=False)
    assert list(page.masks()) == [region]
    assert np.allclose(last_prompt(page).point_coords, ((20.5, 15.5), (20.5, 16.5)))
    assert last_prompt(page).point_labels == (1, 0)


def test_a_correction_of_a_mask_that_was_made_tighter_corrects_it_as_it_is(page: Page) -> None:
    page.click(20, 15, prompt_id="first")
    (mask,) = page.type("tighter")
    page.accept()
    page.click(20, 16, prompt_id="second", positive=False)
    assert last_prompt(page).mask_logits.max() == mask.sum()  # as the fake turns a mask into logits
