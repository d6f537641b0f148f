"""The demo's backend has a new password in each run, which Label Studio's stored connections must learn."""

from __future__ import annotations

import json
from collections.abc import Callable

from backend.settings import Settings
from scripts.demo_circle.places import BackendLogin
from scripts.demo_circle.site import LabelStudioSite
from scripts.measuring.server import _to_environment
from tests.servers import Answer, LocalServer, Seen

URL = "http://127.0.0.1:9090"


def test_a_connection_of_an_earlier_run_gets_the_new_password(start_server: Callable[[], LocalServer]) -> None:
    label_studio, login = start_server(), BackendLogin.random()

    def respond(seen: Seen, handler: object) -> Answer:
        reply = [{"id": 4, "url": URL}] if seen.method == "GET" else {"id": 4}
        return 200, {"Content-Type": "application/json"}, json.dumps(reply).encode()

    label_studio.respond = respond
    assert LabelStudioSite(label_studio.url).connect_backend(3, URL, "SAM + CLIP", login) == 4
    listed, changed = label_studio.seen
    assert (listed.path, changed.method, changed.path) == ("/api/ml?project=3", "PATCH", "/api/ml/4")
    sent = json.loads(changed.body)
    assert (sent["auth_method"], sent["basic_auth_user"]) == ("BASIC_AUTH", login.user)
    assert sent["basic_auth_pass"] == login.password


def test_every_run_has_another_password_of_96_bits_that_settings_accept() -> None:
    logins = [BackendLogin.random() for _ in range(20)]
    assert len({login.password for login in logins}) == 20
    assert all(len(bytes.fromhex(login.password)) == 12 for login in logins)
    user, password = logins[0].pair
    settings = Settings.from_environment({"BASIC_AUTH_USER": user, "BASIC_AUTH_PASS": password})
    assert (settings.basic_auth_user, settings.basic_auth_pass) == (user, password)


def test_the_benchmark_measures_a_server_without_authentication_whatever_the_environment_says() -> None:
    given = {"BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS": "password", "API_TOKEN": "token", "TOP_K": "3"}
    environment = _to_environment(Settings.from_environment(given))
    assert Settings.from_environment({**given, **environment}) == Settings(top_k=3)
