"""What is built from the settings: one Redis client for everything in a process."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from backend.errors import BadSettings
from backend.settings import Settings
from backend.wiring import build_cache, build_redis, build_setups

SETTINGS = Settings.from_environment()


def test_embeddings_and_project_settings_share_one_client_so_an_outage_is_met_once(caplog) -> None:
    settings = replace(SETTINGS, redis_url="redis://127.0.0.1:9/0", redis_timeout_seconds=0.3)
    redis = build_redis(settings)
    setups, cache = build_setups(redis), build_cache(settings, redis)
    with caplog.at_level(logging.WARNING):
        setups.settings_for("3.1795206950", "<View/>")
        assert cache.find("a") is None
    assert (caplog.text.count("Redis does not answer"), cache.counts.redis_errors) == (1, 1)


def test_without_a_redis_url_there_is_no_client_and_everything_stays_in_the_process() -> None:
    settings = replace(SETTINGS, redis_url="")
    redis = build_redis(settings)
    assert redis is None
    assert build_cache(settings, redis).description == "in this process"


def test_an_invalid_redis_url_is_refused_with_its_remedy() -> None:
    with pytest.raises(BadSettings, match=r"REDIS_URL is 'http://127.0.0.1:9': .*Write redis://host:6379/0"):
        build_redis(replace(SETTINGS, redis_url="http://127.0.0.1:9"))
