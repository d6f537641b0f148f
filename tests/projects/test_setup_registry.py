from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from backend.cache import CacheCounts, EmbeddingCache, GuardedRedis, LocalStore, RedisDocuments, RedisStore
from backend.errors import BadConfig, BadProjectSettings
from backend.projects import ProjectSettings, ProjectSetups
from backend.projects.setup_registry import FRESH_SECONDS, SAVING_SECONDS, ProjectSetup
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

    def get(self, name: str) -> bytes | None:
        self.reads += 1
        return None if self.is_down else super().get(name)

    def put(self, name: str, document: bytes) -> None:
        if not self.is_down:
            self[name] = document


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


@pytest.mark.parametrize(
    "document", [b"{", b"[]", b'{"version": 2}', b'{"version": 1, "origin": 3}', b"\x80\x04K\x01."]
)
def test_an_invalid_document_is_ignored_and_logged(document: bytes, caplog) -> None:
    shared = Documents()
    setups = ProjectSetups(shared)
    setups.accept(PROJECT, "", CONFIG, None)
    (name,) = shared
    shared[name] = document
    assert ProjectSetups(shared).settings_for(PROJECT, CONFIG) == ProjectSettings()
    assert "Redis has an invalid document project-setup:v1:3.1795206950" in caplog.text


def test_the_document_is_json_with_a_version_and_round_trips() -> None:
    setup = ProjectSetup("http://ls", {"templates": ["a {}"]}, {"templates": ["a {}"]}, "ab", "cd", 5.5, "Wrong.")
    assert json.loads(setup.to_json())["version"] == 1
    assert ProjectSetup.from_json(setup.to_json()) == setup


def test_documents_outlive_the_process_in_a_real_redis_and_an_outage_is_logged_once(
    redis_server: RedisServer, caplog
) -> None:
    setups = ProjectSetups(RedisDocuments(GuardedRedis(redis_server.url, 0.3)))
    setups.accept(PROJECT, "", CONFIG, {"prefetch": 3})
    counts = CacheCounts()
    client = GuardedRedis(redis_server.url, 0.3, counts)
    documents = RedisDocuments(client)
    assert ProjectSetups(documents).settings_for(PROJECT, CONFIG) == ProjectSettings(prefetch=3)
    redis_server.stop()
    client.pause_seconds = 0.0
    assert [documents.get("x"), documents.get("x"), documents.put("x", b"1")] == [None, None, None]
    assert caplog.text.count("project settings are those that it read last") == 1
    assert (counts.redis_errors, counts.redis_down) == (3, True)
    cache = EmbeddingCache(LocalStore(0), RedisStore(client, 60))
    assert "Redis does not answer" in cache.description, "no embedding was asked for yet"


@pytest.mark.parametrize("project", ["https://a.org/?X-Amz-Signature=5ec7e7", "3\n", "3 4", "é", "x" * 101])
def test_a_project_id_that_is_no_plain_word_is_no_part_of_a_key_in_redis(project: str) -> None:
    documents = Documents()
    ProjectSetups(documents).accept(project, "http://label-studio", CONFIG, None)
    (name,) = documents
    assert re.fullmatch("project-setup:v1:[0-9a-f]{32}", name)


def test_a_project_id_of_label_studio_is_its_key_in_redis() -> None:
    documents = Documents()
    ProjectSetups(documents).accept("3.1795206950", "http://label-studio", CONFIG, None)
    assert list(documents) == ["project-setup:v1:3.1795206950"]
