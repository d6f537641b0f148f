from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from backend.errors import BadSettings
from backend.settings import Settings
from tests.paths import ROOT

TOKEN, PASSWORD = "0123456789abcdef-token", "hunter2"
MINIMUMS = {
    "REDIS_TIMEOUT_SECONDS": 0.01,
    "CACHE_TTL_SECONDS": 1,
    "CACHE_MAX_BYTES": 0,
    "IMAGE_CACHE_MAX_BYTES": 0,
    "IMAGE_MAX_BYTES": 1,
    "IMAGE_MAX_PIXELS": 1,
    "IMAGE_TIMEOUT_SECONDS": 0.1,
    "MAX_BODY_BYTES": 1024,
    "MAX_CONCURRENT_PREDICTIONS": 1,
    "PREFETCH_TASKS": 0,
    "PREFETCH_MAX_BYTES": 0,
    "TOP_K": 1,
    "TORCH_THREADS": 0,
}
FLOATS = ["REDIS_TIMEOUT_SECONDS", "IMAGE_TIMEOUT_SECONDS"]
INTEGERS = sorted(MINIMUMS.keys() - set(FLOATS))


def refusal(**environment: str) -> BadSettings:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment(environment)
    return caught.value


# ---- what is read


def test_an_empty_environment_gives_the_demo_models_without_redis() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert (settings.sam_model, settings.clip_model, settings.redis_url) == ("demo", "demo-clip", "")


def test_the_environment_of_the_process_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOP_K", "7")
    assert Settings.from_environment().top_k == 7


def test_values_are_parsed_by_the_type_of_their_field_and_others_keys_are_ignored() -> None:
    environment = {"TOP_K": " 3 ", "IMAGE_TIMEOUT_SECONDS": "1.5", "WEIGHTS_DIR": " /weights ", "HOME": "/root"}
    settings = Settings.from_environment(environment)
    assert (settings.top_k, settings.image_timeout_seconds, settings.weights_dir) == (3, 1.5, "/weights")
    assert str(settings.weights_path) == "/weights"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_means_the_default(empty: str) -> None:
    assert Settings.from_environment({name: empty for name, _, _ in Settings.documentation()}) == Settings()


@pytest.mark.parametrize("text", ["1", "true", "True", "YES", "on", " on "])
def test_what_means_true(text: str) -> None:
    assert Settings.from_environment({"AUTO_LABEL": text}).auto_label is True


@pytest.mark.parametrize("text", ["0", "false", "False", "NO", "off"])
def test_what_means_false(text: str) -> None:
    assert Settings.from_environment({"AUTO_LABEL": text}).auto_label is False


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a.org,b.org:8000", {"a.org", "b.org:8000"}),
        (" A.org , b.org:80, ", {"a.org", "b.org:80"}),
        ("a.org", {"a.org"}),
        (",", set()),
    ],
)
def test_hosts_are_a_comma_separated_list_in_lower_case(text: str, hosts: set[str]) -> None:
    assert Settings.from_environment({"IMAGE_ALLOWED_HOSTS": text}).image_allowed_hosts == hosts


def test_the_log_level_may_be_in_lower_case() -> None:
    assert Settings.from_environment({"LOG_LEVEL": "warning"}).log_level == "WARNING"


@pytest.mark.parametrize("url", ["redis://redis:6379/0", "rediss://:pw@h", "unix:///tmp/redis.sock?db=1"])
def test_every_url_scheme_of_redis_is_accepted(url: str) -> None:
    assert Settings.from_environment({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(("name", "minimum"), MINIMUMS.items())
def test_the_minimum_itself_is_accepted(name: str, minimum: float) -> None:
    assert getattr(Settings.from_environment({name: str(minimum)}), name.lower()) == minimum


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().top_k = 3  # type: ignore[misc]


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings(top_q=3)  # type: ignore[call-arg]


# ---- what is refused


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("text", ["many", "1.5", "2000.0", "1e4", "nan", "0x800"])
def test_an_integer_is_a_whole_number(name: str, text: str) -> None:
    error = refusal(**{name: text})
    assert error.message == f"{name} is {text!r}, which is not a whole number."
    assert error.remedy == f"Set {name} to a whole number of at least {MINIMUMS[name]}."


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(name: str, text: str) -> None:
    error = refusal(**{name: text})
    assert error.message == f"{name} is {text!r}, which is not a finite number."
    assert error.remedy == f"Set {name} to a number of at least {MINIMUMS[name]}."


def test_a_text_is_not_a_number() -> None:
    error = refusal(IMAGE_TIMEOUT_SECONDS="20s")
    assert error.message == "IMAGE_TIMEOUT_SECONDS is '20s', which is not a number."
    assert error.remedy == "Set IMAGE_TIMEOUT_SECONDS to a number of at least 0.1."


@pytest.mark.parametrize(("name", "minimum"), MINIMUMS.items())
def test_a_number_below_its_minimum_is_refused(name: str, minimum: float) -> None:
    text = "0.001" if name in FLOATS else str(int(minimum) - 1)
    kind = "number" if name in FLOATS else "whole number"
    error = refusal(**{name: text})
    assert error.message == f"{name} is {text!r}, which is below the minimum of {minimum}."
    assert error.remedy == f"Set {name} to a {kind} of at least {minimum}."


@pytest.mark.parametrize("text", ["maybe", "2", "y", "t", "enabled"])
def test_only_the_documented_spellings_are_true_or_false(text: str) -> None:
    error = refusal(AUTO_LABEL=text)
    assert error.message == f"AUTO_LABEL is {text!r}, which is neither true nor false."
    assert error.remedy == "Set AUTO_LABEL to true or false."


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("LOG_LEVEL", "loud", "Set LOG_LEVEL to DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ("LOG_FORMAT", "xml", "Set LOG_FORMAT to text or json."),
        ("SAM_DTYPE", "int4", "Set SAM_DTYPE to auto, float32, float16 or bfloat16."),
    ],
)
def test_a_value_that_is_not_among_the_choices_is_refused_with_the_choices(name: str, text: str, remedy: str) -> None:
    error = refusal(**{name: text})
    assert error.message == f"{name} is {text!r}, which is not a known value."
    assert error.remedy == remedy


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9", "'http://127.0.0.1:9', which is not a redis://, rediss:// or unix:// URL."),
        (
            "redis://host:99999/0",
            "'***', which is a URL with an invalid host or port (is the password percent-encoded?).",
        ),
    ],
)
def test_a_redis_url_that_redis_would_not_read_is_refused(url: str, says: str) -> None:
    error = refusal(REDIS_URL=url)
    assert error.message == f"REDIS_URL is {says}"
    assert error.remedy == "Set REDIS_URL to a URL such as redis://host:6379/0, or leave it empty."


def test_all_wrong_variables_are_named_at_once() -> None:
    error = refusal(TOP_K="0", IMAGE_TIMEOUT_SECONDS="nan", AUTO_LABEL="maybe", LOG_LEVEL="loud", CACHE_MAX_BYTES="9")
    assert error.message == (
        "IMAGE_TIMEOUT_SECONDS is 'nan', which is not a finite number. "
        "AUTO_LABEL is 'maybe', which is neither true nor false. "
        "TOP_K is '0', which is below the minimum of 1. "
        "LOG_LEVEL is 'loud', which is not a known value."
    )
    assert error.remedy == (
        "Set IMAGE_TIMEOUT_SECONDS to a number of at least 0.1. "
        "Set AUTO_LABEL to true or false. "
        "Set TOP_K to a whole number of at least 1. "
        "Set LOG_LEVEL to DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )


def test_a_long_value_is_shortened() -> None:
    assert refusal(TOP_K="x" * 5000).message == f"TOP_K is '{'x' * 59}…', which is not a whole number."


# ---- secrets


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@host:6379/0",
        f"redis:/:{PASSWORD}@host",
        f"default:{PASSWORD}@host:6379",
        f"redis://:{PASSWORD}/1@host:6379",  # urllib takes what precedes the slash for a port
        f"redis://:{PASSWORD}",
        f"http://host?password={PASSWORD}",
        f"http://host?password=@{PASSWORD}",
        f"http://:1?{PASSWORD}@host",
        PASSWORD,
    ],
)
def test_an_error_shows_no_secret(url: str) -> None:
    error = refusal(REDIS_URL=url, LABEL_STUDIO_API_KEY=TOKEN, TOP_K="0")
    assert error.message.startswith("REDIS_URL is '")
    shown = f"{error} {error.__cause__} {error.__cause__!r}"
    assert PASSWORD not in shown
    assert TOKEN not in shown


def test_the_settings_themselves_show_no_secret() -> None:
    settings = Settings(label_studio_api_key=TOKEN, redis_url=f"redis://:{PASSWORD}@host:6379/0")
    assert TOKEN not in repr(settings) + str(settings)
    assert PASSWORD not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://user:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hunt%23er2@host:6379/0", "redis://***@host:6379/0"),
        ("redis://host:6379/0?password=hunter2", "redis://host:6379/0"),
        ("unix://user:hunter2@/tmp/redis.sock?db=1", "unix://***@/tmp/redis.sock"),
    ],
)
def test_the_address_of_redis_is_shown_without_its_password(url: str, shown: str) -> None:
    assert Settings(redis_url=url).redacted_redis_url == shown


# ---- the start of a server


def test_a_server_exits_with_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOP_K", "0")
    with pytest.raises(SystemExit) as exited:
        Settings.from_environment_or_exit()
    assert exited.value.code == (
        "The backend cannot start. TOP_K is '0', which is below the minimum of 1. "
        "Set TOP_K to a whole number of at least 1."
    )


def test_a_wrong_log_level_ends_the_server_without_a_traceback() -> None:
    environment = {**os.environ, "LOG_LEVEL": "loud"}
    command = [sys.executable, "-c", "import backend.wsgi"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == (
        "The backend cannot start. LOG_LEVEL is 'loud', which is not a known value. "
        "Set LOG_LEVEL to DEBUG, INFO, WARNING, ERROR or CRITICAL.\n"
    )


def test_importing_settings_loads_no_other_library_than_pydantic() -> None:
    code = (
        "import sys, pydantic.main, pydantic.fields, pydantic.functional_validators\n"
        "before = set(sys.modules)\n"
        "import backend.settings\n"
        "new = {name.partition('.')[0] for name in sys.modules.keys() - before} - set(sys.stdlib_module_names)\n"
        "sys.exit(' '.join(sorted(new - {'backend', 'pydantic', 'pydantic_core'})))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == ""


# ---- what the documentation shows


def test_documentation_has_a_row_for_each_field_with_its_default_and_a_sentence() -> None:
    rows = {name: (default, about) for name, default, about in Settings.documentation()}
    assert list(rows) == [name.upper() for name in Settings.model_fields]
    assert rows["TOP_K"][0] == "5"
    assert rows["REDIS_TIMEOUT_SECONDS"][0] == "0.5"
    assert rows["AUTO_LABEL"][0] == "false"
    assert rows["IMAGE_ALLOWED_HOSTS"][0] == rows["REDIS_URL"][0] == ""
    assert all(about for _, about in rows.values())
