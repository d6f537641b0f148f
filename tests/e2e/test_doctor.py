"""scripts.doctor against a real Label Studio and backend: as they should be, and broken in one way at a time."""

from __future__ import annotations

import pytest

from scripts.demo_circle.stage import Opened, Stage
from scripts.doctor import main
from tests.servers import free_port


@pytest.fixture
def environment(opened: Opened, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The backend's own variables, as the doctor reads them."""
    for name, value in {
        "LABEL_STUDIO_URL": stage.ports.label_studio_url,
        "LABEL_STUDIO_API_KEY": opened.token,
        "REDIS_URL": stage.ports.redis_url,
        "BASIC_AUTH_USER": opened.backend_login.user,
        "BASIC_AUTH_PASS": opened.backend_login.password,
        "API_TOKEN": "",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def check(stage: Stage, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, str]]:
    """Exit status, and each step's line with its remedy."""
    status = main(["--backend", stage.ports.backend_url, *options])
    name, steps = "", dict[str, str]()
    for line in capsys.readouterr().out.splitlines():
        if line.strip().startswith("help: "):
            steps[name] += f" {line.strip()}"
        elif ": " in line:
            name, _, text = line[10:].partition(": ")
            steps[name] = f"{line[:8].strip()} {text}"
    return status, steps


def test_a_sound_deployment_passes_up_to_a_mask_and_leaves_no_project(environment, opened, stage, capsys) -> None:
    before = opened.site._json("GET", "/api/projects/?page_size=1000")["count"]
    status, steps = check(stage, capsys)
    assert (status, list(steps)) == (
        0,
        ["Label Studio", "token", "import", "Redis", "backend", "authentication", "models", "embedding cache", "click"],
    )
    assert steps["Label Studio"].startswith("ok version 1.23.")
    assert steps["token"].startswith("ok personal access token of demo@example.com")
    assert steps["import"] == "ok the time of an import of predictions does not grow with the project"
    assert steps["authentication"] == "ok strangers are refused, the given credentials are accepted"
    assert steps["click"].startswith("ok a click through Label Studio gives a mask with an IoU of 0.")
    assert opened.site._json("GET", "/api/projects/?page_size=1000")["count"] == before


def test_a_wrong_password_is_found_before_the_click(environment, stage, capsys) -> None:
    environment.setenv("BASIC_AUTH_PASS", "wrong")
    status, steps = check(stage, capsys)
    assert status == 1
    assert steps["authentication"].startswith("FAILED The backend refused the given credentials (HTTP 401).")
    assert steps["click"] == "skipped needs authentication"


def test_a_token_that_label_studio_does_not_know_is_found(environment, opened, stage, capsys) -> None:
    environment.setenv("LABEL_STUDIO_API_KEY", "0" * 40)
    status, steps = check(stage, capsys)
    assert status == 1
    assert steps["token"].startswith("FAILED Label Studio refused the legacy token:")
    assert "help: Copy a personal access token" in steps["token"]
    header, payload, signature = opened.token.split(".")
    environment.setenv("LABEL_STUDIO_API_KEY", f"{header}.{payload}.{signature[::-1]}")
    assert "refused the personal access token" in check(stage, capsys)[1]["token"]


def test_a_backend_that_label_studio_cannot_reach_is_found(environment, stage, capsys) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}"
    status, steps = check(stage, capsys, "--backend-from-label-studio", elsewhere)
    assert status == 1
    assert steps["backend"].startswith("ok") and steps["click"].startswith("FAILED Label Studio cannot use the backend")
    assert elsewhere in steps["click"] and "--backend-from-label-studio" in steps["click"]


def test_programs_that_are_not_there_are_named_with_their_address(environment, stage, capsys) -> None:
    label_studio, redis = (f"{scheme}://127.0.0.1:{free_port()}" for scheme in ("http", "redis"))
    environment.setenv("LABEL_STUDIO_URL", label_studio)
    environment.setenv("REDIS_URL", redis)
    status, steps = check(stage, capsys)
    assert status == 1
    assert f"FAILED Label Studio at {label_studio} cannot be reached: connection refused." in steps["Label Studio"]
    assert f"FAILED Redis at {redis} does not answer" in steps["Redis"]
    assert steps["token"] == "skipped needs Label Studio"
