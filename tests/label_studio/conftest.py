"""Fixtures of the recorded Label Studio project."""

from __future__ import annotations

import pytest

from backend.label_studio.config import ImageConfig, LabelingConfig, parse_labeling_config
from tests.recorded import load_payload


@pytest.fixture
def page() -> LabelingConfig:
    """Return the labeling config of the project that the payloads were recorded in."""
    return parse_labeling_config(load_payload("setup")["schema"])


@pytest.fixture
def config(page: LabelingConfig) -> ImageConfig:
    """Return the only image of that page."""
    return page.image("image")
