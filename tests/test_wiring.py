"""The object graph, built from settings with the demo models."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from redis import Redis

from backend import wiring
from backend.errors import ImageForbidden
from backend.label_studio.config import ConfigLimits
from backend.label_studio.requests import RequestLimits
from backend.models.registry import DEMO_CLIP, DEMO_SAM
from backend.predict import ModelFacts
from backend.settings import Settings
from backend.values import ClassName
from backend.wiring import (
    LoadedServices,
    build_cache,
    build_limits,
    build_predictor,
    build_redis,
    build_services,
    build_setups,
)
from tests.cache.samples import embedding, expect
from tests.servers import LocalServer, RedisServer


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def services() -> LoadedServices:
    return build_services(Settings(device="cpu"))


def test_facts_are_those_of_the_loaded_files(services: LoadedServices) -> None:
    sam, clip = sha256(DEMO_SAM), sha256(DEMO_CLIP)
    assert services.facts == ModelFacts(
        sam_name="demo",
        sam_sha256=sam,
        clip_name="demo-clip",
        clip_sha256=clip,
        clip_problem="",
        device="cpu",
        encoder_dtype="float32",
        model_version=f"demo-{sam[:8]}+demo-clip-{clip[:8]}",
        is_demo=True,
        sam_family="sam1",
        detector_name="none",
        detector_sha256="",
        detector_problem="DETECTOR is none",
    )
    assert services.facts.has_clip
    assert services.predictor.model_version == services.facts.model_version


def test_predictor_and_services_share_the_executor(services: LoadedServices) -> None:
    assert services.predictor.executor is services.executor


def test_without_clip_the_facts_say_why(caplog: pytest.LogCaptureFixture) -> None:
    off = build_services(Settings(device="cpu", clip_model="none")).facts
    assert (off.has_clip, off.clip_sha256, off.clip_problem) == (False, "", "CLIP_MODEL is none")
    assert off.model_version == f"demo-{off.sam_sha256[:8]}"
    with caplog.at_level(logging.ERROR):
        missing = build_services(Settings(device="cpu", clip_model="ViT-B-32", weights_dir="/nowhere")).facts
    assert not missing.has_clip
    assert missing.clip_name == "ViT-B-32"
    assert missing.clip_problem.startswith("There is no CLIP checkpoint at /nowhere/")
    assert f"Could not load CLIP; masks will have no classes. {missing.clip_problem}" in caplog.text


def test_models_from_other_files_are_not_the_demo(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(DEMO_SAM.read_bytes())
    assert build_services(Settings(device="cpu", clip_model="none")).facts.is_demo
    assert not build_services(Settings(device="cpu", clip_model="none", sam_checkpoint=str(other))).facts.is_demo


def test_the_demo_clip_reads_only_its_words_and_other_weights_of_its_architecture_read_any(tmp_path: Path) -> None:
    cup, other_file = [ClassName("coffee cup")], tmp_path / "clip.safetensors"
    shutil.copy(DEMO_CLIP, other_file)
    for pretrained, knows in (("", False), (str(other_file), True)):
        predictor = build_predictor(Settings(device="cpu", clip_pretrained=pretrained))
        assert predictor.labeler.knows(cup) is knows
        predictor.executor.close()


def test_a_predictor_for_commands_has_the_same_version_and_starts_no_warmer(services: LoadedServices) -> None:
    before = [thread.name for thread in threading.enumerate()].count("warmer")
    predictor = build_predictor(Settings(device="cpu"))
    assert predictor.model_version == services.facts.model_version
    assert [thread.name for thread in threading.enumerate()].count("warmer") == before


def test_embeddings_and_project_settings_share_one_client_so_an_outage_is_met_once(caplog) -> None:
    settings = Settings(redis_url="redis://127.0.0.1:9/0", redis_timeout_seconds=0.3)
    redis = build_redis(settings)
    setups, cache = build_setups(settings, redis), build_cache(settings, redis)
    with caplog.at_level(logging.WARNING):
        setups.settings_for("3.1795206950", "<View/>")
        assert cache.find("a", expect) is None
    assert (caplog.text.count("Redis does not answer"), cache.counts.redis_errors) == (1, 1)


def test_the_signing_key_signs_embeddings_and_project_settings(redis_server: RedisServer) -> None:
    settings = Settings(redis_url=redis_server.url, cache_signing_key="a key of more than sixteen characters")
    redis, made = build_redis(settings), embedding()
    build_cache(settings, redis).try_compute("a", expect, lambda: made)
    build_setups(settings, redis).accept("3.1795206950", "", "", {"prefetch": 3})
    client = Redis.from_url(redis_server.url)
    (entry,), (document,) = client.keys("codec4-*:a"), client.keys("document-*:project-setup:*")
    assert [client.get(name)[:4] for name in (entry, document)] == [b"LSH1", b"LSH1"]
    assert build_setups(settings, redis).settings_for("3.1795206950", "<View/>").prefetch == 3
    unsigned = settings.model_copy(update={"cache_signing_key": ""})
    assert build_cache(unsigned, redis).find("a", expect) is None
    assert build_setups(unsigned, redis).settings_for("3.1795206950", "<View/>").prefetch is None


def test_limits_of_requests_come_from_the_settings_whose_defaults_they_are_anywhere_else() -> None:
    assert build_limits(Settings()) == RequestLimits()
    own = build_limits(Settings(max_prompts=1, max_controls=2, max_classes=3))
    assert own == RequestLimits(1, ConfigLimits(max_controls=2, max_classes=3))


def test_without_a_redis_url_there_is_no_client_and_everything_stays_in_the_process() -> None:
    settings = Settings(redis_url="")
    redis = build_redis(settings)
    assert redis is None
    assert build_cache(settings, redis).description == "in this process"


def test_the_fetcher_follows_label_studios_storages_into_the_networks_of_the_settings_only(
    start_server: Callable[[], LocalServer],
) -> None:
    label_studio, storage = start_server(), start_server()
    label_studio.respond = lambda seen, handler: (303, {"Location": f"{storage.url}/a.png"}, b"")
    storage.respond = lambda seen, handler: (200, {}, b"image")
    closed = Settings(label_studio_url=label_studio.url, label_studio_api_key="t")
    opened = Settings(**dict(closed) | {"image_allowed_networks": frozenset({ip_network("127.0.0.0/8")})})
    with pytest.raises(ImageForbidden, match="IMAGE_ALLOWED_NETWORKS"):
        wiring._build_fetcher(closed).fetch("s3://bucket/key", 7, "2")
    assert wiring._build_fetcher(opened).fetch("s3://bucket/key", 7, "2") == b"image"
