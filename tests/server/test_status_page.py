"""The status page, as a browser gets it."""

from __future__ import annotations

import base64
import html
import re
import time
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree

import pytest

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisStore
from backend.errors import CheckpointError, ImageUnavailable
from backend.projects.project_setup import bound_id
from backend.server import Credentials
from backend.server.version import VERSION
from backend.wiring import LoadedServices
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint, noise_png, predict_body, rectangle
from tests.server.fakes import ServerOnFakes, setup_body
from tests.servers import RedisServer


def figure(page: str, name: str) -> tuple[str, str]:
    """Value and note of a figure on the page."""
    pattern = rf'<dt>{name}</dt><dd class="value(?: bad)?">(.*?)</dd><dd class="soft">(.*?)</dd>'
    ((value, note),) = re.findall(pattern, page)
    return html.unescape(value), html.unescape(note)


def test_an_unreachable_image_is_on_the_page_with_its_remedy_and_escaped() -> None:
    hall = Hall(files={"a.png": ImageUnavailable("a.png <timed out>.", remedy="Check LABEL_STUDIO_URL.")})
    server = ServerOnFakes(hall)
    assert server.predict(predict_body("a.png", keypoint(50, 50))).status_code == 502
    page = server.page()
    assert "a.png &lt;timed out&gt;. Check LABEL_STUDIO_URL." in page
    assert "project 3, task 7, 1 point" in page


def test_the_page_shows_what_was_asked_and_what_was_answered(server: ServerOnFakes) -> None:
    box = rectangle(10, 10, 50, 50)
    for prompts in ([keypoint(50, 50), keypoint(20, 20)], [box, box], []):
        server.predict(predict_body("a.png", *prompts))
    page = server.page()
    for said in ("2 points: 1 mask: 200", "2 boxes: 2 masks: 200", "no prompt: nothing: 200"):
        assert f"project 3, task 7, {said}" in page


def test_repeated_errors_are_one_line_and_failed_probes_are_not_shown(monkeypatch) -> None:
    hall = Hall(files={"a.png": ImageUnavailable("a.png is away.", remedy="Upload it.")})
    server = ServerOnFakes(hall)
    for _ in range(3):
        server.predict(predict_body("a.png", keypoint(50, 50)))
    monkeypatch.setattr(server.metrics, "render", lambda: 1 // 0)
    assert server.client.get("/metrics").status_code == 500
    errors, _ = server.page().split("<h2>Last predictions</h2>")
    assert errors.count("<li>") == 1
    assert errors.count("a.png is away.") == 1
    assert "(3 times, this was the last)" in errors
    assert "ZeroDivisionError" not in errors


def test_projects_with_default_settings_are_one_line_after_the_others(server: ServerOnFakes) -> None:
    for project, extra in (("3.1", ""), ("4.1", '{"prefetch": 5}'), ("5.1", "")):
        body = {"project": project, "schema": CONFIG, "hostname": "http://ls", "extra_params": extra}
        assert server.client.post("/setup", json=body).status_code == 200
    page = server.page()
    special = "<b>Project 4</b> of http://ls: prefetch = 5"
    links = ", ".join(f'<a href="http://ls/projects/{n}/data" rel="noreferrer">{n}</a>' for n in (5, 3))
    assert page.index(special) < page.index(f"<p>Project {links} of http://ls: defaults</p>")
    assert '<a href="http://ls/projects/4/data" rel="noreferrer">Tasks</a>' in page


def test_a_project_whose_first_setup_was_refused_is_not_listed(server: ServerOnFakes) -> None:
    refused = server.client.post(
        "/setup", json={"project": "98.1", "schema": "<View/>", "hostname": "", "extra_params": ""}
    )
    assert refused.status_code == 422
    assert "Project 98" not in server.page()


def test_the_page_shows_the_settings_in_force_and_what_is_wrong_with_the_last_ones(server: ServerOnFakes) -> None:
    client = server.client
    client.post("/setup", json=setup_body(auto_label=True))
    client.post("/setup", json=setup_body(auto_label=True) | {"schema": "<View><Broken"})
    page = server.page()
    assert "<b>Project 3</b> of http://ls: auto_label = true" in page
    assert "Not in force: The labeling config cannot be parsed as XML" in page


def test_the_page_has_the_models_and_the_counts_of_the_cache(server: ServerOnFakes) -> None:
    for _ in range(2):
        server.predict(predict_body("a.png", keypoint(50, 50)))
    page = server.page()
    for name, value in (
        ("SAM", "demo (family sam1, SHA-256 0123456789ab)"),
        ("CLIP", "demo-clip (SHA-256 fedcba987654)"),
        ("Detector", "none: DETECTOR is none"),
        ("Device", "cpu, encoder in float32"),
        ("Model version", "fake-1"),
        ("Note", "Demo models were trained only on the demo&#39;s coloured shapes."),
    ):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert figure(page, "Cache hit rate") == (
        "50 %",
        "hits in this process: 1, in Redis: 0; computed: 1; 0.0 MiB in memory",
    )
    assert figure(page, "Redis") == ("not used", "embeddings are kept in this process only")
    assert figure(page, "Model queue") == ("0", "jobs waiting")
    assert figure(page, "Predictions a minute") == ("2.0", "in the last five minutes")
    assert f"release {VERSION} · up " in page
    assert '<h1 class="ok">' in page
    assert '<p class="state">Ready.</p>' in page


def test_clicks_on_encoded_images_and_first_clicks_have_latencies_of_their_own(server: ServerOnFakes) -> None:
    for source, durations in (("memory", [0.012] * 3), ("redis", [0.018]), ("computed", [1.7])):
        for seconds in durations:
            server.metrics.add_click(source, seconds)
    page = server.page()
    # Half of four durations: the second of the three in (10, 15] ms. 95 %: 0.8 of the one in (15, 20] ms.
    assert figure(page, "Click") == ("13 ms", "median; 95 % within 19 ms; 4 since the start, image already encoded")
    # One in (1, 2.5] s: half and 0.95 of the way.
    assert figure(page, "First click on an image") == (
        "1.8 s",
        "median; 95 % within 2.4 s; 1 since the start, waits for the encoder",
    )


def test_an_unreachable_redis_is_marked(redis_server: RedisServer) -> None:
    cache = EmbeddingCache(LocalStore(10**7), RedisStore(GuardedRedis(redis_server.url, 1.0), 60))
    server = ServerOnFakes(Hall(classifier=FakeClassifier(), cache=cache))
    server.predict(predict_body("a.png", keypoint(50, 50)))
    assert figure(server.page(), "Redis") == ("up", "errors: 0; damaged entries: 0")
    redis_server.stop()
    cache.holds("another")
    page = server.page()
    value, note = figure(page, "Redis")
    assert (value, note.split("; ")[0]) == ("no answer", "embeddings are computed in this process")
    assert '<dd class="value bad">no answer</dd>' in page


def test_an_error_fades_when_a_later_click_succeeds_and_is_back_when_it_returns() -> None:
    hall = Hall(files={"a.png": ImageUnavailable("a.png is away.", remedy="Upload it."), "b.png": noise_png(40, 30, 2)})
    server = ServerOnFakes(hall)

    def click(image: str) -> tuple[str, str]:
        server.predict(predict_body(image, keypoint(50, 50)))
        errors = server.page().split("<h2>Errors</h2>")[1].split("</section>")[0]
        current, _, past = errors.partition('<details class="past">')
        return current, past

    current, past = click("a.png")
    assert "a.png is away." in current and not past
    for count, words in ((1, "1 such request has succeeded"), (2, "2 such requests have succeeded")):
        current, past = click("b.png")
        assert "a.png is away." not in current and "<p>No current errors.</p>" in current
        assert "a.png is away." in past and f"Since then {words}." in past, count
    current, past = click("a.png")
    assert "a.png is away." in current and not past


def test_a_request_is_linked_to_its_task_in_label_studio(server: ServerOnFakes) -> None:
    body = predict_body("a.png", keypoint(50, 50))
    server.predict(body)
    assert "?task=" not in server.page()
    server.client.post("/setup", json=setup_body())
    assert '<a href="http://ls/projects/3/data?task=7" rel="noreferrer">project 3, task 7, 1 point' in server.page()


def test_a_refused_setup_is_past_only_after_a_good_one_of_the_same_project(server: ServerOnFakes) -> None:
    assert server.client.post("/setup", json=setup_body(clip_threshold=1.7)).status_code == 422
    other = setup_body() | {"project": "4.1"}
    assert server.client.post("/setup", json=other).status_code == 200
    assert '<details class="past">' not in server.page()
    assert server.client.post("/setup", json=setup_body()).status_code == 200
    assert '<details class="past">' in server.page()


def test_every_time_can_be_read_without_a_script_and_by_one(server: ServerOnFakes) -> None:
    server.predict(predict_body("a.png", keypoint(50, 50)))
    times = re.findall(r'<time datetime="(\S+)">(.+?)</time>', server.page())
    assert len(times) == 3  # of the start, of the click, and of the page
    for for_machines, for_people in times:
        assert for_people == for_machines.replace("T", " ").replace("Z", " UTC")
        assert abs(datetime.fromisoformat(for_machines.replace("Z", "+00:00")).timestamp() - time.time()) < 60


def test_the_page_runs_only_its_own_script_and_loads_only_its_icon(server: ServerOnFakes) -> None:
    first, second = (server.client.get("/", headers={"Accept": "text/html"}) for _ in range(2))
    nonces = [re.findall(r'<(script|style) nonce="([\w-]{20,})">', reply.text) for reply in (first, second)]
    assert [[tag for tag, _ in found] for found in nonces] == [["style", "script"]] * 2
    assert len({nonce for found in nonces for _, nonce in found}) == 2  # a new one for each page
    policy = first.headers["Content-Security-Policy"].split("; ")
    nonce = nonces[0][0][1]
    assert {"default-src 'none'", f"script-src 'nonce-{nonce}'", f"style-src 'nonce-{nonce}'"} <= set(policy)
    assert "frame-ancestors 'none'" in policy and "unsafe" not in str(policy)
    assert first.text.count("<script") == first.text.count("<style") == 1
    assert not re.search(r" on\w+=| style=|<(img|iframe|object|form|base)\b", first.text)
    assert re.findall(r'(?:src|href)="([^"]+)"', first.text) == ["favicon.ico", "health", "ready", "metrics"]


def test_a_browsers_own_requests_are_not_among_the_errors_but_a_wrong_password_is() -> None:
    server = ServerOnFakes(credentials=Credentials(user="me", password="correct-horse"))
    for path in ("/", "/favicon.ico"):  # a browser's first requests, before it asks for the password
        assert server.client.get(path).status_code == 401
    headers = {"Authorization": "Basic " + base64.b64encode(b"me:correct-horse").decode()}
    icon = server.client.get("/favicon.ico", headers=headers)
    assert (icon.status_code, icon.content_type) == (200, "image/svg+xml")
    assert ElementTree.fromstring(icon.text).tag == "{http://www.w3.org/2000/svg}svg"
    page = server.client.get("/", headers=headers | {"Accept": "text/html"}).text
    assert "<li>" not in page
    assert server.client.get("/", headers={"Authorization": "Basic x"}).status_code == 401
    page = server.client.get("/", headers=headers | {"Accept": "text/html"}).text
    assert page.count("<li>") == 1 and "The user name or the password is wrong" in page


def test_the_chart_shows_each_minute_that_had_predictions() -> None:
    server = ServerOnFakes(Hall(files={"a.png": ImageUnavailable("a.png is away.", remedy="Upload it.")}))
    assert "<svg" not in server.page()
    server.predict(predict_body("a.png", keypoint(50, 50)))
    page = server.page()
    assert 'aria-label="1 predictions in the last hour, 1 of them with a problem; at most 1 in a minute"' in page
    assert page.count('<rect class="failed"') == 1 and 'y="0.0" width="8" height="100.0"' in page


def test_a_fresh_page_says_that_there_is_nothing_yet(server: ServerOnFakes) -> None:
    page = server.page()
    _, errors, predictions, projects, _ = page.split("<h2>")
    assert "<p>None.</p>" in errors
    assert "<p>None yet. Click in Label Studio, then reload this page.</p>" in predictions
    assert "<p>None yet. Open one in Label Studio.</p>" in projects


def test_the_mark_of_the_page_is_red_without_models_and_yellow_without_classes(services: LoadedServices) -> None:
    def fail() -> LoadedServices:
        raise CheckpointError("sam.pth is damaged.", remedy="Fetch it again.")

    broken = ServerOnFakes(build=fail)
    broken.wait_for_error()
    assert '<h1 class="bad">' in broken.page()
    without_clip = replace(services, facts=replace(services.facts, clip_sha256="", clip_problem="CLIP_MODEL is none"))
    server = ServerOnFakes(build=lambda: without_clip)
    server.loader.get(10)
    assert '<h1 class="warn">' in server.page()
    assert "<dd>none: CLIP_MODEL is none</dd>" in server.page()
    assert "Ready, but masks get no classes: CLIP is not loaded." in server.page()
    facts = replace(services.facts, detector_name="llmdet_tiny", detector_problem="There is no detector at x.")
    server = ServerOnFakes(build=lambda: replace(services, facts=facts))
    server.loader.get(10)
    assert '<h1 class="warn">' in server.page()
    assert "<dd>none: There is no detector at x.</dd>" in server.page()
    assert "Ready, but the detector is not loaded." in server.page()


def test_everything_that_came_from_outside_is_escaped(server: ServerOnFakes) -> None:
    body = setup_body(templates=["<i>{}"]) | {"project": "<u>3", "hostname": "<b>ls"}
    assert server.client.post("/setup", json=body).status_code == 200
    page = server.page()
    name = bound_id("<u>3")
    assert f"<b>Project {name}</b> of &lt;b&gt;ls: templates = [&#34;&lt;i&gt;{{}}&#34;]</p>" in page
    assert [tag for tag in ("<i>", "<u>", "<b>ls") if tag in page] == []


def test_of_many_projects_the_last_fifty_are_listed(server: ServerOnFakes) -> None:
    for number in range(1, 61):
        server.client.post("/setup", json=setup_body() | {"project": f"{number}.1"})
    (links,) = re.findall(r"<p>Project (.*?) of http://ls: defaults</p>", server.page())
    assert re.findall(r">(\d+)</a>", links) == [str(number) for number in range(60, 10, -1)]


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb as WCAG 2 defines it."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_the_contrast_that_wcag_asks_for_in_both_colour_schemes(server: ServerOnFakes) -> None:
    assert luminance("#fff") == pytest.approx(1) and luminance("#777777") == pytest.approx(0.1845, abs=1e-4)
    palettes = [dict(re.findall(r"--(\w+):(#\w+)", part)) for part in re.findall(r":root{(.*?)}", server.page())]
    assert len(palettes) == 2
    for palette in palettes:
        for text in ("text", "soft", "link", "bad"):
            for ground in ("page", "card"):
                darker, lighter = sorted(luminance(palette[name]) for name in (text, ground))
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground, palette)
