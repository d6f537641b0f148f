"""The backend's WSGI application in which DETECTOR may be `known_boxes`: `gunicorn tests.e2e.known_boxes_app:app`."""

from __future__ import annotations

from tests.e2e.known_boxes import register

register()

from backend.wsgi import app  # noqa: E402 - it reads the settings and begins to load the models

__all__ = ["app"]
