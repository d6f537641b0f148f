"""REDIS_URL in every misspelling: refused or read in one way, and never shown with a part of the password."""

from __future__ import annotations

import logging

import pytest

from backend.errors import BadSettings
from backend.safe_text import redact_address
from backend.settings import Settings
from backend.wiring import build_redis

PASSWORD = "p1a2s3s4"

MISSPELT = [
    "redis:/:{}@host:6379",
    "redis//:{}@host:6379",
    "rediss:{}@host",
    "rediss::{}@host",
    "redis://:{}",
    "redis://:{}@",
    "redis://:{}:host:6379",
    "redis://host:{}",
    "redis://host:6379/{}",
    "redis://host:6379/0#{}",
    "redis://host:6379#{}",
    "redis://:p@{}/w#rd@host:6379",
    "redis://:p@{}@127.0.0.1:9",
    "redis://:ab@{}/c@host:6379",
    "redis://:ab/{}@host:6379",
    "redis://:ab#{}@host:6379",
    "redis://:ab?{}@host:6379",
    "redis:///:{}@host",
    "redis:// :{}@host:6379",
    "redis://:{} @host",
    "redis://[::1:{}@host",
    "redis://:{}[@host:port",
    "redis://user:{}@host:99999",
    "redis://user:{}@host:port",
    "redis://:x\\{}@host",
    "REDIS://:{}@host",
    "http://:{}@host:6379",
    "unix://:{}",
    "unix:/{}@x",
    "unix://@{}@/tmp/redis.sock",
    "{}@host:6379",
    "{}",
]
ACCEPTED = [
    "redis://:{}@127.0.0.1:9/0",
    "rediss://user:{}@127.0.0.1:9",
    "redis://{}@127.0.0.1:9",
    "redis://127.0.0.1:9/0?password={}",
    "redis://127.0.0.1:9?passwrd={}",
    "redis://127.0.0.1:9/0?socket_timeout={}",
    "unix://:{}@/nowhere/redis.sock?db=1",
    "unix:///nowhere/redis.sock?password={}",
]


@pytest.mark.parametrize("spelling", MISSPELT)
def test_a_misspelt_redis_url_is_refused_without_a_part_of_the_password(spelling: str) -> None:
    with pytest.raises(BadSettings) as refused:
        Settings.from_environment({"REDIS_URL": spelling.format(PASSWORD)})
    assert PASSWORD not in f"{refused.value} {refused.value.__cause__}"
    assert "REDIS_URL is '" in refused.value.message


@pytest.mark.parametrize("spelling", ACCEPTED)
def test_nothing_that_is_said_about_a_redis_url_has_its_password(spelling: str, caplog) -> None:
    settings = Settings.from_environment({"REDIS_URL": spelling.format(PASSWORD), "REDIS_TIMEOUT_SECONDS": "0.05"})
    said = [repr(settings), settings.redacted_redis_url]
    try:
        redis = build_redis(settings)
        assert redis is not None and not redis.ping()
        assert "Redis does not answer" in caplog.text
    except BadSettings as error:
        said += [str(error)]
    assert PASSWORD not in " ".join([*said, caplog.text])


def test_the_log_of_an_outage_does_not_name_the_host_which_may_be_a_part_of_the_password(caplog) -> None:
    redis = build_redis(Settings(redis_url=f"redis://{PASSWORD}.invalid:9", redis_timeout_seconds=1))
    with caplog.at_level(logging.DEBUG):
        assert redis is not None and not redis.ping()
    assert "Redis does not answer (ConnectionError: " in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host", "redis://host"),
        ("redis://:p%40ss@host:6379/0?db=1", "redis://***@host:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("unix://:pass@/tmp/redis.sock", "unix://***@/tmp/redis.sock"),
        ("redis://host:0/0", "***"),
        ("redis://:p@ss@host", "***"),
        ("no url", "***"),
    ],
)
def test_an_address_is_shown_only_if_it_is_certainly_one(url: str, shown: str) -> None:
    assert redact_address(url) == shown


def test_the_secrets_of_the_settings_are_the_values_and_the_passwords_in_urls() -> None:
    settings = Settings(label_studio_api_key="token-1234", redis_url="redis://me:p%23ss@host:6379/0?password=other")
    assert settings.secrets == [
        "token-1234",
        "redis://me:p%23ss@host:6379/0?password=other",
        "p%23ss",
        "p#ss",
        "other",
    ]
