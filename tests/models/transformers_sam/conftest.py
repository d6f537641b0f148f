from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from backend.models.transformers_sam.segmenter import TransformersSam
from backend.values import Pixels, Size
from tests.models.transformers_sam.tiny_models import FAMILIES, build_tiny, write_folder


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tiny(family: str) -> Any:
    """The tiny model of the family; not to be changed."""
    return build_tiny(family)


@pytest.fixture
def segmenter(tiny: Any, family: str) -> TransformersSam:
    return TransformersSam(tiny, family=family, device="cpu")


@pytest.fixture(scope="session")
def picture() -> Callable[[Size], Pixels]:
    """Smooth coloured noise of any size."""

    def draw(size: Size) -> Pixels:
        noise = np.random.default_rng(0).normal(size=(size.height, size.width, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 4)
        return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)

    return draw


@pytest.fixture
def folder(tiny: Any, family: str, tmp_path: Path) -> Path:
    """A folder with the tiny model."""
    return write_folder(tmp_path / family, family, tiny.state_dict())


@pytest.fixture
def float32_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings as exact as the library's."""
    monkeypatch.setattr("backend.models.device_segmenter.DeviceSegmenter.embedding_dtype", np.dtype(np.float32))
