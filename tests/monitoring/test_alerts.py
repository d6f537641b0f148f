"""The alert rules, tested by promtool with the series of alerts_test.yml."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.conftest import BusyBackend
from tests.monitoring.prometheus import MONITORING, find_program, load_rules
from tests.paths import ROOT

CASES = ROOT / "tests" / "monitoring" / "alerts_test.yml"
ALERTS = [rule for rule in load_rules() if "alert" in rule]


def run_promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(find_program("promtool")), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def copy_with_rules(folder: Path, rules: dict) -> Path:
    """Copy rules and cases to a folder, with other alerts."""
    shutil.copytree(MONITORING, folder / "deploy" / "monitoring")
    (folder / "deploy" / "monitoring" / "alerts.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    (folder / "tests" / "monitoring").mkdir(parents=True)
    return Path(shutil.copy(CASES, folder / "tests" / "monitoring"))


@pytest.mark.slow
def test_each_alert_fires_when_it_should_and_only_then(prometheus_programs: None) -> None:
    tested = run_promtool("test", "rules", CASES)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.slow
def test_alerts_that_never_fire_fail_the_cases(prometheus_programs: None, tmp_path: Path) -> None:
    silent = [{**rule, "expr": f"({rule['expr']}) and vector(0) > 1"} for rule in ALERTS]
    tested = run_promtool("test", "rules", copy_with_rules(tmp_path, {"groups": [{"name": "a", "rules": silent}]}))
    assert tested.returncode != 0
    failed = tested.stdout + tested.stderr
    assert [rule["alert"] for rule in ALERTS if f"alertname: {rule['alert']}," not in failed] == []


@pytest.mark.slow
def test_alerts_that_fire_at_once_fail_the_cases(prometheus_programs: None, tmp_path: Path) -> None:
    eager = [{key: value for key, value in rule.items() if key != "for"} for rule in ALERTS]
    tested = run_promtool("test", "rules", copy_with_rules(tmp_path, {"groups": [{"name": "a", "rules": eager}]}))
    assert tested.returncode != 0
    assert "alertname: BackendDown, time: 5m" in tested.stdout + tested.stderr


@pytest.mark.slow
def test_promtool_accepts_the_configuration(prometheus_programs: None) -> None:
    checked = run_promtool("check", "config", MONITORING / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    expected = [(case["alertname"], bool(case["exp_alerts"])) for test in cases for case in test["alert_rule_test"]]
    assert set(expected) == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


def test_each_alert_has_a_severity_and_leads_to_its_paragraph() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"
        assert f"### {rule['alert']}\n" in page
    headings = [line[4:] for line in page.split("## Alerts")[1].split("\n## ")[0].splitlines() if line[:4] == "### "]
    assert headings == [rule["alert"] for rule in ALERTS]


@pytest.mark.slow
def test_the_names_of_metrics_follow_the_conventions_that_promtool_checks(
    prometheus_programs: None, busy_backend: BusyBackend
) -> None:
    """Base units, `_total` for counters alone, a HELP for each."""
    busy_backend.send_every_kind()
    metrics = busy_backend.metrics()
    checked = run_promtool("check", "metrics", text=metrics)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    wrong = run_promtool("check", "metrics", text=metrics.replace("backend_cache_bytes", "backend_cache_megabytes"))
    assert "backend_cache_megabytes use base unit" in wrong.stdout + wrong.stderr
