"""A second backend beside the one of the session, with other models."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from scripts.demo_circle.places import LOOPBACK, ROOT, BackendLogin, free_port
from scripts.demo_circle.stage import BACKEND_SECONDS, Opened, Stage


@dataclass(frozen=True)
class OtherBackend:
    """A running backend and its login."""

    url: str
    login: BackendLogin

    @property
    def url_with_login(self) -> str:
        """Its address for a browser, which would otherwise ask for the password."""
        user, password = self.login.pair
        return self.url.replace("://", f"://{user}:{password}@")

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        with requests.Session() as session:
            session.trust_env = False
            document: dict[str, Any] = session.get(f"{self.url}/health", auth=self.login.pair, timeout=30).json()
        return document

    def is_ready(self) -> bool:
        """Whether its models are loaded."""
        try:
            return bool(self.health()["ready"])
        except (requests.ConnectionError, requests.Timeout):
            return False


@contextlib.contextmanager
def other_backend(
    stage: Stage, opened: Opened, app: str = "backend.wsgi:app", **settings: object
) -> Iterator[OtherBackend]:
    """Start a backend with these settings beside the demo's, and stop it in the end.

    Args:
        app: Its WSGI application.
        settings: Values of environment variables by their names.
    """
    port = free_port()
    backend = OtherBackend(f"http://{LOOPBACK}:{port}", opened.backend_login)
    environment = stage.command_environment(opened.token) | {
        "BASIC_AUTH_USER": backend.login.user,
        "BASIC_AUTH_PASS": backend.login.password,
        "WEBHOOK_SECRET": "",
        "TORCH_THREADS": "1",
        **{name: str(value) for name, value in settings.items()},
    }
    argv = [sys.executable, "-m", "gunicorn", "-b", f"{LOOPBACK}:{port}", app]
    log = stage.folder.log(f"backend-{port}")
    program = stage.programs.start("The other backend", argv, environment, log, ROOT)
    try:
        stage.programs.wait_until(program, backend.is_ready, BACKEND_SECONDS)
        yield backend
    finally:
        stage.programs.stop(program)
