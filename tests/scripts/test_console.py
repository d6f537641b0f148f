"""The commands' errors: two lines, what and remedy, no traceback, an exit status that says so."""

from __future__ import annotations

import pytest

from backend.errors import BackendError, BadSettings
from scripts.console import INTERRUPTED, read_settings, run_command


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_an_error_that_a_person_can_mend_becomes_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise BackendError("The cup is empty.", remedy="Fill it.")

    assert run_command(command) == 1
    assert capsys.readouterr().err == "error: The cup is empty.\n  help: Fill it.\n"


def test_ctrl_c_ends_with_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        raise KeyboardInterrupt

    assert run_command(command) == INTERRUPTED
    assert capsys.readouterr().err.startswith("interrupted; completed work is kept")


def test_the_status_of_a_command_is_passed_on() -> None:
    assert run_command(lambda: 7) == 7


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://from-environment")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "from-environment")
    settings = read_settings("http://given", None)
    assert (settings.label_studio_url, settings.label_studio_api_key) == ("http://given", "from-environment")


@pytest.mark.parametrize(
    ("url", "key", "what", "variable"),
    [
        (None, "token", "The address of Label Studio is missing.", "LABEL_STUDIO_URL"),
        ("http://given", None, "The token for Label Studio is missing.", "LABEL_STUDIO_API_KEY"),
    ],
)
def test_a_missing_connection_is_named_with_its_option_and_variable(
    url: str | None, key: str | None, what: str, variable: str
) -> None:
    with pytest.raises(BadSettings) as caught:
        read_settings(url, key)
    assert caught.value.message == what
    assert variable in caught.value.remedy
