"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.predict import ModelFacts
from backend.prefetch import Warmer
from backend.wiring import LoadedServices
from tests.fakes import Hall
from tests.server.fakes import FACTS, ServerOnFakes


@pytest.fixture
def facts() -> ModelFacts:
    """Of models that are not the demo's."""
    return replace(FACTS, sam_name="vit_b", clip_name="ViT-B-32", is_demo=False)


@pytest.fixture
def services(facts: ModelFacts) -> Iterator[LoadedServices]:
    hall = Hall()
    executor = hall.predictor.executor
    yield LoadedServices(hall.predictor, facts, hall.cache, executor, Warmer(hall.predictor))
    executor.close()


@pytest.fixture
def server() -> ServerOnFakes:
    """With models that are loaded."""
    return ServerOnFakes()
