"""What the demo makes of the state of its backend."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.demo_circle.places import BackendLogin
from scripts.demo_circle.processes import DemoError
from scripts.demo_circle.stage import Stage
from tests.servers import LocalServer


def is_ready(start_server: Callable[[], LocalServer], status: int, document: dict[str, Any]) -> bool:
    backend = start_server()
    backend.respond = lambda seen, handler: (status, {}, json.dumps(document).encode())
    stage = SimpleNamespace(ports=SimpleNamespace(backend_url=backend.url), backend_login=BackendLogin.random())
    return Stage._backend_is_ready(stage)


@pytest.mark.parametrize("ready", [True, False])
def test_a_backend_is_waited_for_while_its_models_load(start_server: Callable[[], LocalServer], ready: bool) -> None:
    assert is_ready(start_server, 200, {"status": "UP", "ready": ready}) is ready


def test_a_backend_whose_models_failed_to_load_ends_the_demo(start_server: Callable[[], LocalServer]) -> None:
    with pytest.raises(DemoError, match=r"The backend cannot start: .*sam\.pth is damaged"):
        is_ready(start_server, 503, {"status": "DOWN", "ready": False, "error": "sam.pth is damaged."})
