"""A real Prometheus with the configuration and the rules of deploy/monitoring, and promtool."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.paths import ROOT
from tests.servers import free_port

MONITORING = ROOT / "deploy" / "monitoring"
START_SECONDS = 60


def find_program(name: str) -> str | None:
    """Find `prometheus` or `promtool`, installed or unpacked by scripts/setup/unpack_package.sh."""
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.programs' / 'usr' / 'bin'}")


def load_rules() -> list[dict[str, Any]]:
    """Return every rule of the rule files that prometheus.yml names."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    files = [yaml.safe_load((MONITORING / name).read_text(encoding="utf-8")) for name in config["rule_files"]]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


@dataclass
class Prometheus:
    """A server with a copy of deploy/monitoring, which scrapes and evaluates each second.

    Args:
        folder: For the copy and the data.
        target: Host and port of the backend.
    """

    folder: Path
    target: str
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    def start(self) -> None:
        shutil.copytree(MONITORING, self.folder / "config")
        path = self.folder / "config" / "prometheus.yml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (scrape,) = config["scrape_configs"]
        scrape["static_configs"] = [{"targets": [self.target]}]
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        (self.folder / "config" / scrape["basic_auth"]["password_file"]).write_text("secret\n", encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        options = [f"--config.file={path}", f"--storage.tsdb.path={self.folder / 'data'}"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(find_program("prometheus")), *options, f"--web.listen-address={address}"], stdout=log, stderr=log
            )
        self._wait_until_ready()

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an API call; raises AssertionError with Prometheus' message if that is an error."""
        reply = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20).json()
        assert reply["status"] == "success", f"{parameters}: {reply.get('error')}"
        return reply["data"]

    def query(self, expression: str) -> list[float]:
        """Return the values of all series of an instant query."""
        return [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.url}/-/ready", timeout=1).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.02)
        raise AssertionError(f"Prometheus did not start: {(self.folder / 'log').read_text()[-2000:]}")
