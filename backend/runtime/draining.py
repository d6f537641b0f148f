"""Draining: how the server tells the application that it is about to stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IS_DRAINING = "backend.is_draining"  # key in the WSGI environment; absent under servers that do not tell


def is_draining(environ: Mapping[str, Any]) -> bool:
    """Return whether the server was told to stop before this request."""
    return bool(environ.get(IS_DRAINING))
