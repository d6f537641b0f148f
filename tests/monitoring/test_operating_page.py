"""docs/operating.md, compared with what the backend exposes and logs."""

from __future__ import annotations

import json
import logging
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from backend.logs.formatters import JsonFormatter
from backend.logs.request_id import RequestIdFilter
from backend.runtime import EMBEDDING_SOURCES, STAGES
from backend.server.http_status import HTTP_STATUS
from backend.server.log_text import PROMPT_KINDS
from backend.settings import Settings
from tests.fakes import keypoint, predict_body
from tests.monitoring.conftest import BusyBackend
from tests.monitoring.prometheus import MONITORING, load_rules
from tests.paths import DOCS, ROOT
from tests.server.fakes import ServerOnFakes

PAGE = (DOCS / "operating.md").read_text(encoding="utf-8")
_UNSAID = {"le"}  # the label that every histogram has


def table_under(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table under a heading, without the table's own heading."""
    (_, section) = re.split(rf"^##+ {re.escape(heading)}$", PAGE, maxsplit=1, flags=re.MULTILINE)
    lines = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|--"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def codes(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_table_of_metrics_is_what_the_backend_exposes(busy_backend: BusyBackend) -> None:
    busy_backend.send_every_kind()
    exposed = {}
    for family in text_string_to_metric_families(busy_backend.metrics()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - _UNSAID
        exposed[name] = (family.type, labels)
    documented = {name.strip("`"): (kind, codes(labels)) for name, kind, labels, _ in table_under("Metrics")}
    assert documented == exposed


def test_the_values_of_labels_are_what_the_page_says(busy_backend: BusyBackend) -> None:
    busy_backend.send_every_kind()
    values: dict[tuple[str, str], set[str]] = {}
    for family in text_string_to_metric_families(busy_backend.metrics()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault((family.name, label), set()).add(value)
    about = {name.strip("`"): codes(text) for name, _, _, text in table_under("Metrics")}
    assert values["backend_stage_seconds", "stage"] == {row[0].strip("`") for row in table_under("Stages")}
    assert values["backend_click_seconds", "embedding"] == about["backend_click_seconds"]
    assert values["backend_waiting_work", "priority"] == about["backend_waiting_work"]
    assert values["backend_embeddings", "source"] == about["backend_embeddings_total"]
    assert values["backend_redis_problems", "kind"] == about["backend_redis_problems_total"]
    assert "unknown" in values["backend_requests", "endpoint"]


def test_the_stages_and_sources_are_those_of_the_record() -> None:
    assert [row[0].strip("`") for row in table_under("Stages")] == list(STAGES)
    fields = {name.strip("`"): about for name, _, about in table_under("Logs")}
    assert codes(fields["cache"]) == set(EMBEDDING_SOURCES)
    assert codes(fields["prompt"]) == set(PROMPT_KINDS)


def log_lines(caplog: pytest.LogCaptureFixture) -> list[dict]:
    """What the server logs as JSON for a click, several tasks, and a bug."""
    caplog.handler.addFilter(RequestIdFilter())
    server = ServerOnFakes()
    click = predict_body("a.png", keypoint(50, 50))
    with caplog.at_level(logging.INFO, logger="backend"):
        server.predict(click)
        opened = predict_body("a.png")
        server.predict({**opened, "tasks": opened["tasks"] * 2})
        server.hall.segmenter.decode = None  # a bug
        server.predict(click)
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_the_table_of_log_fields_is_what_a_line_has(caplog) -> None:
    lines = log_lines(caplog)
    rows = {name.strip("`"): place for name, place, _ in table_under("Logs")}
    assert list(rows) == list(dict.fromkeys(rows))
    assert {field for line in lines for field in line} == rows.keys()
    always = {name for name, place in rows.items() if place == "every line"}
    assert [line for line in lines if not always <= line.keys()] == []
    at_end = {name for name, place in rows.items() if place == "the end of a request"}
    ends = [line for line in lines if line["logger"] == "backend.server.request_log" and "status" in line]
    assert [line["status"] for line in ends] == [200, 200, 500]
    assert [line for line in ends if not at_end <= line.keys()] == []


def test_the_example_of_a_line_has_the_fields_of_a_click(caplog) -> None:
    example = json.loads(PAGE.split("```json\n")[1].split("\n```")[0])
    click = next(line for line in log_lines(caplog) if line["message"].startswith("project 3, task 7, 1 point: 1 mask"))
    assert list(example) == list(click)
    assert example["stages"].keys() < set(STAGES)


def test_every_status_of_an_error_is_explained() -> None:
    explained = [int(row[0]) for row in table_under("PredictErrors")]
    assert explained == sorted(set(HTTP_STATUS.values()))


def test_the_service_levels_are_those_of_the_rules() -> None:
    records = {rule["record"] for rule in load_rules() if "record" in rule}
    queries = set().union(*(codes(row[3]) for row in table_under("Service levels")))
    assert {name for query in queries for name in re.findall(r"job:[\w:]+", query)} <= records
    alerts = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    (slow,) = [alert for alert in alerts if alert["alert"] == "WarmClicksSlow"]
    (target,) = re.findall(r"at most ([\d.]+) s", table_under("Service levels")[0][1])
    assert f"p95_5m > {target} and" in slow["expr"]


def test_every_setting_that_the_page_names_exists() -> None:
    of_compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    of_requests = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"}
    names = {name for name, _, _ in Settings.documentation()} | of_compose | of_requests
    shouted = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE))
    assert shouted >= {"MAX_CONCURRENT_PREDICTIONS", "REDIS_URL"}
    assert shouted - names == set()


def test_each_alerts_severity_is_what_the_page_says() -> None:
    for rule in load_rules():
        if "alert" in rule:
            assert f"### {rule['alert']}\n\n{rule['labels']['severity']}. " in PAGE
