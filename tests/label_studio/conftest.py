"""Label Studio's own project, as it was recorded."""

from __future__ import annotations

import pytest

from backend.label_studio.config import ImageConfig, LabelingConfig, parse_labeling_config
from tests.recorded import load_payload


@pytest.fixture
def page() -> LabelingConfig:
    """The labeling config of the project that the payloads were recorded in."""
    return parse_labeling_config(load_payload("setup")["schema"])


@pytest.fixture
def config(page: LabelingConfig) -> ImageConfig:
    """The only image of that page."""
    return page.image("image")
