"""The status page, as a browser gets it."""

from __future__ import annotations

import re
from dataclasses import replace

from backend.errors import CheckpointError, ImageUnavailable
from backend.projects.project_setup import bound_id
from backend.server.status_page import format_time
from backend.wiring import LoadedServices
from tests.fakes import CONFIG, Hall, keypoint, predict_body, rectangle
from tests.server.fakes import ServerOnFakes, setup_body


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
    assert errors.count("a.png is away.") == 1
    assert "(3 times, this was the last)" in errors
    assert "ZeroDivisionError" not in errors


def test_projects_with_default_settings_are_one_line_after_the_others(server: ServerOnFakes) -> None:
    for project, extra in (("3.1", ""), ("4.1", '{"prefetch": 5}'), ("5.1", "")):
        body = {"project": project, "schema": CONFIG, "hostname": "http://ls", "extra_params": extra}
        assert server.client.post("/setup", json=body).status_code == 200
    page = server.page()
    special, plain = "<b>Project 4</b> of http://ls: prefetch = 5", "Project <b>5, 3</b> of http://ls: defaults"
    assert page.index(special) < page.index(plain)


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
    for row in (
        "<tr><th>State</th><td>Ready.</td></tr>",
        "<tr><th>SAM</th><td>demo (SHA-256 0123456789ab). Demo models, trained only on the demo&#39;s coloured shapes."
        "</td></tr>",
        "<tr><th>CLIP</th><td>demo-clip (SHA-256 fedcba987654)</td></tr>",
        "<tr><th>Device</th><td>cpu, encoder in float32</td></tr>",
        "<tr><th>Model version</th><td>fake-1</td></tr>",
        "<tr><th>Embeddings</th><td>cached in this process, 0.0 MiB in memory</td></tr>",
        "<tr><th>Cache</th><td>hits in this process: 1, in Redis: 0; computed: 1; Redis errors: 0; damaged entries: 0"
        "</td></tr>",
        "<tr><th>Model queue</th><td>0 jobs waiting</td></tr>",
    ):
        assert row in page
    assert '<h1 class="ok">' in page


def test_a_fresh_page_says_that_there_is_nothing_yet(server: ServerOnFakes) -> None:
    page = server.page()
    _, errors, predictions, projects = page.split("<h2>")
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
    assert "<td>none: CLIP_MODEL is none</td>" in server.page()


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
    (numbers,) = re.findall(r"<p>Project <b>(.*?)</b> of http://ls: defaults</p>", server.page())
    assert numbers.split(", ") == [str(number) for number in range(60, 10, -1)]


def test_a_time_is_shown_in_utc() -> None:
    assert format_time(86_400 + 3 * 3600 + 4 * 60 + 5.9) == "1970-01-02 03:04:05 UTC"
