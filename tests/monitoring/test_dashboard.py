"""The dashboard and the rules, run by a real Prometheus on what a running backend exposes."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.monitoring.conftest import BusyBackend
from tests.monitoring.prometheus import MONITORING, Prometheus, load_rules

pytestmark = pytest.mark.slow

DATA_SECONDS = 90
VARIABLES = {"$__rate_interval": "15s", "$__range": "1m", "$job": "sam-clip-backend", "$instance": ".*"}
SELECTOR = re.compile(r"(?<![\w:])(?:(?:backend|process)_\w+|up)(?![\w:])(?:\{[^}]*\})?")


def load_dashboard() -> dict[str, Any]:
    return json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))


def queries_of_dashboard() -> dict[str, str]:
    """Panel and reference -> query, with the variables as Grafana fills them in."""
    found = {}
    for panel in load_dashboard()["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            found[f"{panel['title']} {target['refId']}"] = query
    return found


def wait_for_data(prometheus: Prometheus, backend: BusyBackend, queries: dict[str, str]) -> None:
    """Send traffic until each query returns finite numbers only; fail with those that do not in `DATA_SECONDS`."""
    end, missing = time.monotonic() + DATA_SECONDS, dict(queries)
    while missing and time.monotonic() < end:
        backend.send_every_kind()
        time.sleep(1)  # until the next scrape
        answers = {name: prometheus.query(query) for name, query in missing.items()}
        missing = {name: query for name, query in missing.items() if not is_data(answers[name])}
    assert missing == {}, {name: prometheus.query(query) for name, query in missing.items()}


def is_data(values: list[float]) -> bool:
    return bool(values) and all(map(math.isfinite, values))


def test_every_query_of_the_dashboard_and_every_rule_finds_data(
    prometheus: Prometheus, busy_backend: BusyBackend
) -> None:
    queries = queries_of_dashboard()
    assert len(queries) > 25
    assert not any("$" in query for query in queries.values())
    rules = load_rules()
    records = {rule["record"]: rule["record"] for rule in rules if "record" in rule}
    selectors = {found: found for rule in rules for found in SELECTOR.findall(rule["expr"])}
    assert len(selectors) > 12
    alert = {"an alert": 'ALERTS{alertname="PredictionsRefused",alertstate="firing"}'}
    wait_for_data(prometheus, busy_backend, {**queries, **records, **selectors, **alert})

    groups = prometheus.get("rules")["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
    assert health == {rule.get("record") or rule["alert"]: ("ok", None) for rule in rules}
    assert busy_backend.scraped_as == {("label-studio", "secret")}  # as the file says that prometheus.yml names
    for label in ("job", "instance"):  # the values that the dashboard's menus offer
        assert prometheus.get(f"label/{label}/values", **{"match[]": "backend_ready"})


def test_a_query_for_what_does_not_exist_is_noticed(prometheus: Prometheus, busy_backend: BusyBackend) -> None:
    busy_backend.send_every_kind()
    assert not is_data(prometheus.query("backend_no_such_metric"))
    assert not is_data(prometheus.query("vector(0) / vector(0)"))
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.query("rate(backend_requests_total)[5m]")


def panels_with_targets() -> Iterator[dict[str, Any]]:
    return (panel for panel in load_dashboard()["panels"] if panel["type"] != "row")


def test_each_panel_uses_the_variables_and_has_a_unit_and_a_place_of_its_own() -> None:
    places = set()
    for panel in panels_with_targets():
        place = panel["gridPos"]
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & places, panel["title"]
        places |= cells
        assert max(x for x, _ in cells) < 24
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            selectors = SELECTOR.findall(target["expr"])
            assert selectors
            assert all('job="$job"' in found and 'instance=~"$instance"' in found for found in selectors), target
    identifiers = [panel["id"] for panel in load_dashboard()["panels"]]
    assert len(identifiers) == len(set(identifiers))


def test_the_job_of_the_rules_is_that_of_the_scrape_configuration() -> None:
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = set(re.findall(r'job="([^"]+)"', (MONITORING / "alerts.yml").read_text(encoding="utf-8")))
    assert jobs == {scrape["job_name"] for scrape in config["scrape_configs"]}


def test_the_backend_password_is_not_in_the_configuration_itself() -> None:
    (scrape,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert set(scrape["basic_auth"]) == {"username", "password_file"}
