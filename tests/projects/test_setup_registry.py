from __future__ import annotations

import json
import logging
import math
import re
from dataclasses import asdict
from typing import Any

import pytest
import redis

from backend.cache import CacheCounts, EmbeddingCache, GuardedRedis, LocalStore, RedisDocuments, RedisStore, Seal
from backend.cache.documents import MAX_DOCUMENT_BYTES, MAX_IN_USE, MAX_ONLY_STORED
from backend.errors import BadConfig, BadProjectSettings
from backend.projects import ProjectSettings, ProjectSetups
from backend.projects.project_setup import ProjectSetup
from backend.projects.setup_registry import FRESH_SECONDS, MAX_PROJECTS, SAVING_SECONDS
from tests.fakes import CONFIG
from tests.servers import RedisServer

PROJECT = "3.1795206950"
INVALID = {"clip_treshold": 0.5}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Documents(dict):
    """Dictionary in place of Redis that counts reads; `is_down` simulates an outage."""

    is_down, reads = False, 0

    def get(self, name: str, *, in_use: bool) -> bytes | None:
        self.reads += 1
        return None if self.is_down else super().get(name)

    def put(self, name: str, document: bytes, *, in_use: bool) -> bool:
        if not self.is_down:
            self[name] = document
        return not self.is_down


class Site:
    """Label Studio with one project and its backend."""

    def __init__(self, setups: ProjectSetups | None = None) -> None:
        self.clock = Clock()
        self.setups = setups or ProjectSetups(clock=self.clock)
        self.schema, self.stored = CONFIG, None

    def send(self, extra_params: Any) -> None:
        self.setups.accept(PROJECT, "http://ls", self.schema, extra_params)

    def open_page(self) -> None:
        self.send(self.stored)

    def save(self, extra_params: Any) -> None:
        """Like PATCH /api/ml/ID: /setup with the stored params, then with the new ones, then with the stored ones."""
        self.open_page()
        self.send(extra_params)
        self.stored = extra_params
        self.open_page()

    @property
    def settings(self) -> ProjectSettings:
        return self.setups.settings_for(PROJECT, self.schema)

    @property
    def complaint(self) -> str:
        return dict(self.setups.reports())[PROJECT].complaint


def test_extra_params_override_the_labeling_config_which_overrides_the_defaults() -> None:
    site = Site()
    site.schema = CONFIG.replace("<View>", '<View><!-- backend: {"prefetch": 2, "clip_threshold": 0.1} -->', 1)
    assert site.settings == ProjectSettings(prefetch=2, clip_threshold=0.1)
    site.save({"clip_threshold": 0.2})
    assert site.settings == ProjectSettings(prefetch=2, clip_threshold=0.2)


def test_the_next_setup_replaces_all_previous_settings() -> None:
    site = Site()
    site.save({"auto_label": True})
    site.save('{"prefetch": 7}')
    assert site.settings == ProjectSettings(prefetch=7)
    site.save(None)
    assert site.settings == ProjectSettings()


def test_projects_do_not_share_settings() -> None:
    site = Site()
    site.save({"auto_label": True})
    assert site.setups.settings_for("3.1795206951", CONFIG) == ProjectSettings()


def test_every_save_of_invalid_settings_is_rejected_and_pages_still_work() -> None:
    site = Site()
    site.save({"auto_label": True})
    for wait in (0, 5, 10 * SAVING_SECONDS):
        site.clock.now += wait
        with pytest.raises(
            BadProjectSettings, match=r"Unknown project setting 'clip_treshold'\. Did you mean clip_threshold"
        ):
            site.save(INVALID)
        site.open_page()
    assert site.settings == ProjectSettings(auto_label=True)
    assert site.complaint == ""


def test_adding_a_backend_with_invalid_settings_is_rejected_at_the_second_try_too() -> None:
    site = Site()
    for wait in (0, SAVING_SECONDS - 1):
        site.clock.now += wait
        with pytest.raises(BadProjectSettings):
            site.send(INVALID)
    site.save({"clip_threshold": 0.5})
    assert site.settings == ProjectSettings(clip_threshold=0.5)


def test_invalid_settings_that_were_stored_nevertheless_are_rejected_once_and_then_reported() -> None:
    site = Site()
    site.save({"auto_label": True})
    site.stored = INVALID
    with pytest.raises(BadProjectSettings):
        site.open_page()
    site.clock.now += SAVING_SECONDS
    for _ in range(3):
        site.open_page()
    assert site.settings == ProjectSettings(auto_label=True)
    assert site.complaint.startswith("Unknown project setting 'clip_treshold'.")


def test_a_labeling_config_that_becomes_invalid_is_reported_and_the_last_settings_stay_in_force() -> None:
    site = Site()
    site.schema = CONFIG.replace("<View>", '<View><!-- backend: {"prefetch": 2} -->', 1)
    site.save({"auto_label": True})
    site.schema = CONFIG.replace("<View>", '<View><!-- backend: {"prefetch": 2000} -->', 1)
    site.open_page()
    assert site.complaint.startswith("prefetch is 2000.")
    assert site.settings == ProjectSettings(auto_label=True, prefetch=2)
    site.schema = CONFIG
    site.open_page()
    assert site.complaint == ""
    assert site.settings == ProjectSettings(auto_label=True)


def test_a_backend_for_an_invalid_labeling_config_is_rejected() -> None:
    site = Site()
    site.schema = "<View/>"
    with pytest.raises(BadConfig, match="no Image tag"):
        site.save(None)


def test_a_shape_that_the_labeling_config_lacks_is_rejected() -> None:
    with pytest.raises(
        BadConfig, match='The setting answer is "ellipse", but the labeling config has no EllipseLabels'
    ):
        Site().save({"answer": "ellipse"})


def test_a_text_prompt_that_the_labeling_config_lacks_is_rejected() -> None:
    with pytest.raises(BadConfig, match='The setting text_prompt is "query", but no TextArea without perRegion'):
        Site().save({"text_prompt": "query"})


def test_without_a_project_nothing_is_stored_and_every_invalid_setup_is_rejected() -> None:
    setups = ProjectSetups(Documents())
    for _ in range(2):
        with pytest.raises(BadProjectSettings):
            setups.accept("", "", CONFIG, INVALID)
    setups.accept("", "", CONFIG, {"auto_label": True})
    assert setups.settings_for("", CONFIG) == ProjectSettings()
    assert setups.reports() == []


def test_a_problem_is_logged_once_and_not_for_every_page(caplog) -> None:
    site = Site()
    site.save(None)
    site.schema = "<View/>"
    with caplog.at_level(logging.WARNING):
        site.open_page()
        site.open_page()
    assert caplog.text.count("no Image tag") == 1


def test_a_replica_that_never_saw_setup_reads_the_settings_from_redis() -> None:
    shared = Documents()
    Site(ProjectSetups(shared)).save({"auto_label": True})
    assert ProjectSetups(shared).settings_for(PROJECT, CONFIG) == ProjectSettings(auto_label=True)


def test_a_rejection_is_shared_by_all_replicas() -> None:
    shared, clock = Documents(), Clock()
    with pytest.raises(BadProjectSettings):
        ProjectSetups(shared, clock=clock).accept(PROJECT, "", CONFIG, INVALID)
    clock.now += SAVING_SECONDS
    ProjectSetups(shared, clock=clock).accept(PROJECT, "", CONFIG, INVALID)


def test_clicks_read_redis_at_intervals(monkeypatch) -> None:
    shared, now = Documents(), [100.0]
    monkeypatch.setattr("backend.projects.setup_registry.time.monotonic", lambda: now[0])
    here, other = ProjectSetups(shared), ProjectSetups(shared)
    for _ in range(50):
        assert here.settings_for(PROJECT, CONFIG) == ProjectSettings()
    assert shared.reads == 1
    other.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    assert here.settings_for(PROJECT, CONFIG) == ProjectSettings()
    now[0] += FRESH_SECONDS
    assert here.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)


def test_during_an_outage_of_redis_the_process_keeps_its_settings_and_rewrites_lost_ones(monkeypatch) -> None:
    shared, now = Documents(), [100.0]
    monkeypatch.setattr("backend.projects.setup_registry.time.monotonic", lambda: now[0])
    setups = ProjectSetups(shared)
    setups.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    shared.is_down = True
    now[0] += FRESH_SECONDS
    assert setups.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    shared.is_down = False
    shared.clear()
    now[0] += FRESH_SECONDS
    assert setups.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    assert ProjectSetups(shared).settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)


VALID = {"version": 2, **asdict(ProjectSetup())}


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'{"version": 2}',
        b"\x80\x04K\x01.",
        *(
            json.dumps(VALID | changes).encode()
            for changes in (
                {"version": 1},
                {"origin": 3},
                {"origin": "x" * 101},
                {"answered": "x" * 33},
                {"complaint": "x" * 1001},
                {"refused_at": math.inf},
                {"refused_at": math.nan},
                {"extra_params": {"clip_threshold": 2}},
                {"extra_params": {"unknown": 2}},
                {"in_force": {"templates": ["no braces"]}},
            )
        ),
    ],
)
def test_an_invalid_document_is_ignored_and_logged(document: bytes, caplog) -> None:
    assert ProjectSetup.from_json(json.dumps(VALID).encode()) == ProjectSetup()
    shared = Documents()
    setups = ProjectSetups(shared)
    setups.accept(PROJECT, "", CONFIG, None)
    (name,) = shared
    shared[name] = document
    assert ProjectSetups(shared).settings_for(PROJECT, CONFIG) == ProjectSettings()
    assert "Redis has an invalid document project-setup:v2:3.1795206950" in caplog.text


def test_a_rejection_in_the_far_future_rejects_nothing_for_ever() -> None:
    shared, clock = Documents(), Clock()
    setups = ProjectSetups(shared, clock=clock)
    with pytest.raises(BadProjectSettings):
        setups.accept(PROJECT, "", CONFIG, INVALID)
    (name,) = shared
    shared[name] = json.dumps(json.loads(shared[name]) | {"refused_at": clock.now + 10**9}).encode()
    ProjectSetups(shared, clock=clock).accept(PROJECT, "", CONFIG, INVALID)


def test_the_document_is_json_with_a_version_and_round_trips() -> None:
    setup = ProjectSetup("http://ls", {"templates": ["a {}"]}, {"templates": ["a {}"]}, "ab", "cd", 5.5, "Wrong.")
    assert json.loads(setup.to_json())["version"] == 2
    assert ProjectSetup.from_json(setup.to_json()) == setup


@pytest.mark.parametrize("character", ["a", "ü", "😀", "\ud800", "\x01", '"'])
def test_the_largest_settings_fit_into_a_document(character: str) -> None:
    shared = Documents()
    templates = [f"{{}}{n:02}{character * 198}" for n in range(32)]
    ProjectSetups(shared).accept(PROJECT, "x" * 10**6, CONFIG, {"templates": templates})
    (document,) = shared.values()
    assert len(document) <= MAX_DOCUMENT_BYTES
    assert ProjectSetups(shared).settings_for(PROJECT, CONFIG).templates == tuple(templates)


def test_extra_params_are_stored_as_parsed_and_not_as_sent() -> None:
    shared = Documents()
    setups = ProjectSetups(shared)
    schema = CONFIG.replace("<View>", '<View><!-- backend: {"prefetch": 2, "clip_threshold": 0.1} -->', 1)
    extra_params = {"auto_label": " " * 10**6 + "True", "clip_threshold": "0." + "0" * 10**6 + "5", "prefetch": None}
    setups.accept(PROJECT, "", schema, extra_params)
    (document,) = shared.values()
    assert len(document) < 1000
    for replica in (setups, ProjectSetups(shared)):
        settings = replica.settings_for(PROJECT, schema)
        assert (settings.auto_label, settings.clip_threshold, settings.prefetch) == (True, 0.0, None)


@pytest.mark.parametrize("project", ["x" * 10**6, "\ud800", "3\n2026 ERROR forged"])
def test_an_id_that_cannot_be_label_studios_is_kept_by_its_digest(redis_server: RedisServer, project: str) -> None:
    client = GuardedRedis(redis_server.url, 5.0)
    setups = ProjectSetups(RedisDocuments(client))
    setups.accept(project, "", CONFIG, {"prefetch": 7})
    assert client.is_healthy
    assert ProjectSetups(RedisDocuments(client)).settings_for(project, CONFIG) == ProjectSettings(prefetch=7)
    ((shown, _),) = setups.reports()
    assert re.fullmatch("[0-9a-f]{32}", shown)


@pytest.mark.parametrize("flood", [3000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_setups_of_many_projects_leave_a_bounded_number_of_keys_and_the_settings_of_projects_in_use(
    redis_server: RedisServer, flood: int
) -> None:
    raw = redis.Redis.from_url(redis_server.url)
    here, other = (ProjectSetups(RedisDocuments(GuardedRedis(redis_server.url, 5.0))) for _ in range(2))
    here.accept(PROJECT, "http://ls", CONFIG, {"prefetch": 3})
    assert here.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    empty_bytes = raw.info("memory")["used_memory"]
    for number in range(flood):
        here.accept(f"{number}.1800000000", "http://ls", CONFIG, {"prefetch": 7})
    bound = MAX_IN_USE + MAX_ONLY_STORED + 2  # the two sets
    assert raw.dbsize() <= bound
    assert all(raw.ttl(name) > 0 for name in raw.scan_iter())
    assert raw.info("memory")["used_memory"] - empty_bytes < bound * 2000
    for setups in (here, other):
        assert setups.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    assert len(here.reports()) <= MAX_PROJECTS
    assert other.settings_for(f"{flood - 1}.1800000000", CONFIG) == ProjectSettings(prefetch=7)


def test_without_redis_setups_of_many_projects_evict_none_in_use() -> None:
    setups = ProjectSetups()
    setups.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    assert setups.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    for number in range(3 * MAX_PROJECTS):
        setups.accept(f"{number}.1800000000", "", CONFIG, {"prefetch": 7})
        setups.settings_for(f"{number}.1900000000", CONFIG)
    assert setups.settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    assert len(setups.reports()) <= MAX_PROJECTS


def test_a_project_is_in_use_from_its_first_prediction_even_where_its_setup_is_fresh(redis_server: RedisServer) -> None:
    raw = redis.Redis.from_url(redis_server.url)
    documents = RedisDocuments(GuardedRedis(redis_server.url, 5.0), max_only_stored=1)
    setups = ProjectSetups(documents)
    setups.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    assert raw.zcard("documents:in-use") == 0
    setups.settings_for(PROJECT, CONFIG)
    assert raw.zcard("documents:in-use") == 1
    for number in range(3):
        setups.accept(f"{number}.1800000000", "", CONFIG, {"prefetch": 7})
    assert ProjectSetups(documents).settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)


def test_what_expires_in_redis_is_there_again_after_the_next_page(redis_server: RedisServer) -> None:
    documents = RedisDocuments(GuardedRedis(redis_server.url, 5.0))
    ProjectSetups(documents).accept(PROJECT, "", CONFIG, {"prefetch": 3})
    redis.Redis.from_url(redis_server.url).flushall()
    replica = ProjectSetups(documents)
    schema = CONFIG.replace("<View>", '<View><!-- backend: {"auto_label": true} -->', 1)
    assert replica.settings_for(PROJECT, schema) == ProjectSettings(auto_label=True)
    replica.accept(PROJECT, "", schema, {"prefetch": 3})
    assert replica.settings_for(PROJECT, schema) == ProjectSettings(auto_label=True, prefetch=3)


@pytest.mark.parametrize("key", ["", "a key of more than sixteen characters"])
def test_settings_of_another_project_under_this_ones_name_are_not_used(redis_server: RedisServer, key: str) -> None:
    raw, documents = (
        redis.Redis.from_url(redis_server.url),
        RedisDocuments(GuardedRedis(redis_server.url, 5.0), Seal(key)),
    )
    ProjectSetups(documents).accept("4.1795206951", "", CONFIG, {"prefetch": 9})
    name = documents.key_of("project-setup:v2:4.1795206951")
    raw.rename(name, name.replace("4.1795206951", PROJECT))
    assert ProjectSetups(documents).settings_for(PROJECT, CONFIG) == ProjectSettings()


def test_documents_outlive_the_process_in_a_real_redis_and_an_outage_is_logged_once(
    redis_server: RedisServer, caplog
) -> None:
    setups = ProjectSetups(RedisDocuments(GuardedRedis(redis_server.url, 5.0)))
    setups.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    counts = CacheCounts()
    client = GuardedRedis(redis_server.url, 5.0, counts)
    documents = RedisDocuments(client)
    assert ProjectSetups(documents).settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    redis_server.stop()
    client.pause_seconds = 0.0
    assert [documents.get("x", in_use=True), documents.get("x", in_use=True)] == [None, None]
    assert not documents.put("x", b"1", in_use=True)
    assert caplog.text.count("project settings are those that it read last") == 1
    assert (counts.redis_errors, counts.redis_down) == (3, True)
    cache = EmbeddingCache(LocalStore(0), RedisStore(client, 60))
    assert "Redis does not answer" in cache.description, "no embedding was asked for yet"


@pytest.mark.parametrize("project", ["https://a.org/?X-Amz-Signature=5ec7e7", "3\n", "3 4", "é", "x" * 101])
def test_a_project_id_that_is_no_plain_word_is_no_part_of_a_key_in_redis(project: str) -> None:
    documents = Documents()
    ProjectSetups(documents).accept(project, "http://label-studio", CONFIG, None)
    (name,) = documents
    assert re.fullmatch("project-setup:v2:[0-9a-f]{32}", name)


def test_a_project_id_of_label_studio_is_its_key_in_redis() -> None:
    documents = Documents()
    ProjectSetups(documents).accept("3.1795206950", "http://label-studio", CONFIG, None)
    assert list(documents) == ["project-setup:v2:3.1795206950"]
