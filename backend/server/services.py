"""Protocols of the services that the routes use; `wiring` builds them, and the server does not import `wiring`."""

from __future__ import annotations

from typing import Protocol

from backend.cache import EmbeddingCache
from backend.errors import BackendError
from backend.predict import ModelFacts, TaskPredictor
from backend.prefetch import Warmer
from backend.runtime import PriorityExecutor


class Services(Protocol):
    """Services that exist once the models are loaded (`wiring.LoadedServices`)."""

    @property
    def predictor(self) -> TaskPredictor: ...
    @property
    def facts(self) -> ModelFacts: ...
    @property
    def cache(self) -> EmbeddingCache: ...
    @property
    def executor(self) -> PriorityExecutor: ...
    @property
    def warmer(self) -> Warmer: ...


class Loader(Protocol):
    """Background loader of the services (`runtime.BackgroundLoader`)."""

    @property
    def ready(self) -> bool: ...
    @property
    def error(self) -> BackendError | None: ...
    def get(self, timeout_seconds: float = 0.0) -> Services: ...
