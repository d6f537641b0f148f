"""Startup of the demo, in order: Redis, Label Studio, the backend, two projects with images."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from scripts.demo_circle.places import (
    LOOPBACK,
    PASSWORD,
    ROOT,
    USERNAME,
    BackendLogin,
    DemoFolder,
    Ports,
    label_studio_environment,
)
from scripts.demo_circle.processes import DemoError, Program, Programs
from scripts.demo_circle.site import LabelStudioSite
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.scenes import Scene

CLICK_TITLE = "Click on an object"
PREANNOTATED_TITLE = "Review what the models found"
LABEL_STUDIO = ROOT / ".venv-label-studio" / "bin" / "label-studio"
LABEL_STUDIO_SECONDS = 480.0
BACKEND_SECONDS = 300.0
REDIS_SECONDS = 15.0
_BACKEND_REMEDY = "Fix the reported error; logs/backend.log in the data directory has details."

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """The running demo: the site, its token, the backend's login, the two projects and the backend's id in each."""

    site: LabelStudioSite
    token: str
    backend_login: BackendLogin
    click_project: int
    click_backend: int
    preannotated_project: int
    preannotated_backend: int


class Stage:
    """Context manager that starts the demo and always stops every started program on exit."""

    def __init__(
        self, folder: DemoFolder, ports: Ports, say: Say, *, label_studio: Path = LABEL_STUDIO, with_redis: bool = True
    ) -> None:
        self.folder, self.ports = folder, ports
        self._say, self._label_studio, self._with_redis = say, label_studio, with_redis
        self.backend_login = BackendLogin.random()
        self.programs = Programs()
        self._label_studio_program: Program | None = None

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.programs.stop_all()

    def open(self, click: Mapping[str, Scene], preannotated: Mapping[str, Scene]) -> Opened:
        """Start the programs, create what is missing in Label Studio, connect the backend to both projects.

        Raises:
            DemoError: A port is in use, Label Studio is not installed, or a program did not start.
        """
        self._require_label_studio()
        self.ports.require_free()
        self.folder.prepare()
        redis_url = self._start_redis()
        site = self._start_label_studio()
        token = self._log_in(site)
        backend = self._start_backend(token, redis_url)
        first = self._project(site, CLICK_TITLE, "Click objects to annotate them.", click)
        second = self._project(site, PREANNOTATED_TITLE, "Review the predicted masks and classes.", preannotated)
        self._say("Backend: loading the models …")
        self.programs.wait_until(backend, self._backend_is_ready, BACKEND_SECONDS)
        url = self.ports.backend_url
        login = self.backend_login
        connections = [site.connect_backend(project, url, "SAM + CLIP", login) for project in (first, second)]
        return Opened(site, token, login, first, connections[0], second, connections[1])

    def open_label_studio(self) -> tuple[LabelStudioSite, str]:
        """Start Label Studio alone; return the site, logged in, and a personal access token.

        Raises:
            DemoError: As `open`.
        """
        self._require_label_studio()
        self.ports.require_free()
        self.folder.prepare()
        site = self._start_label_studio()
        return site, self._log_in(site)

    def command_environment(self, token: str, redis_url: str = "") -> dict[str, str]:
        """Build the environment of the backend and the commands: Label Studio's connection and the shared cache."""
        connection = {"LABEL_STUDIO_URL": self.ports.label_studio_url, "LABEL_STUDIO_API_KEY": token}
        connection["RUNS_DIR"] = str(self.folder.path / "runs")
        return {**os.environ, **connection, "REDIS_URL": redis_url or self._redis_url(), "NO_PROXY": LOOPBACK}

    def _redis_url(self) -> str:
        return self.ports.redis_url if self._with_redis and shutil.which("redis-server") else ""

    def _require_label_studio(self) -> None:
        if not os.access(self._label_studio, os.X_OK):
            raise DemoError(
                f"Label Studio is not installed at {self._label_studio}.",
                remedy="Run `make demo`, which installs it, or pass an installed one with --label-studio PATH.",
            )

    def _start_redis(self) -> str:
        """Start redis-server if it is installed; return its URL, or ""."""
        program = shutil.which("redis-server") if self._with_redis else None
        if program is None:
            self._say("Redis: not used, the backend uses its in-process cache")
            return ""
        options = {"port": self.ports.redis, "bind": LOOPBACK, "dir": self.folder.redis, "save": "60 1"}
        options |= {"maxmemory": "512mb", "maxmemory-policy": "allkeys-lru"}
        argv = [program, *(text for key, value in options.items() for text in (f"--{key}", str(value)))]
        redis = self.programs.start("Redis", argv, os.environ, self.folder.log("redis"), self.folder.redis)
        self.programs.wait_until(redis, lambda: listens(self.ports.redis), REDIS_SECONDS)
        self._say(f"Redis: {self.ports.redis_url}")
        return self.ports.redis_url

    def _start_label_studio(self) -> LabelStudioSite:
        is_first = not any(self.folder.label_studio.iterdir())
        self._say("Label Studio: starting …" + (" (creating its database, about half a minute)" if is_first else ""))
        argv = [str(self._label_studio), "start", "--no-browser", "--internal-host", LOOPBACK]
        argv += ["-p", str(self.ports.label_studio), "--data-dir", str(self.folder.label_studio)]
        argv += ["--username", USERNAME, "--password", PASSWORD]
        environment = label_studio_environment(self.folder, self.ports)
        log = self.folder.log("label-studio")
        program = self.programs.start("Label Studio", argv, environment, log, self.folder.label_studio)
        site = LabelStudioSite(self.ports.label_studio_url)
        self.programs.wait_until(program, site.is_up, LABEL_STUDIO_SECONDS)
        self._label_studio_program = program
        return site

    def restart_label_studio(self) -> None:
        """Kill Label Studio and start it again with its data; return when it is up."""
        if self._label_studio_program is not None:
            self.programs.stop(self._label_studio_program)
        self._start_label_studio()

    def _log_in(self, site: LabelStudioSite) -> str:
        site.log_in(USERNAME, PASSWORD)
        state = self.folder.read_state()
        token = site.personal_access_token(state.get("token"))
        self.folder.write_state({**state, "token": token})
        return token

    def _start_backend(self, token: str, redis_url: str) -> Program:
        address = f"{LOOPBACK}:{self.ports.backend}"
        argv = [sys.executable, "-m", "gunicorn", "-b", address]
        environment = self.command_environment(token, redis_url) | {
            "BASIC_AUTH_USER": self.backend_login.user,
            "BASIC_AUTH_PASS": self.backend_login.password,
            "WEBHOOK_SECRET": "",  # Label Studio's webhooks carry none
        }
        return self.programs.start(
            "The backend", [*argv, "backend.wsgi:app"], environment, self.folder.log("backend"), ROOT
        )

    def _backend_is_ready(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(f"{self.ports.backend_url}/health", auth=self.backend_login.pair, timeout=2)
        except requests.RequestException:
            return False
        if not answer.ok:  # while the models load, only /ready is not OK
            raise DemoError(f"The backend cannot start: {answer.text.strip()}", remedy=_BACKEND_REMEDY)
        return bool(answer.json()["ready"])

    def _project(self, site: LabelStudioSite, title: str, description: str, scenes: Mapping[str, Scene]) -> int:
        """Find or create the project of this title, and upload the missing scenes."""
        project = site.find_project(title)
        if project is None:
            label_config = (ROOT / "label_config.xml").read_text(encoding="utf-8")
            project = site.create_project(title, label_config, description)
        missing = {name: scenes[name] for name in scenes.keys() - site.tasks_by_name(project).keys()}
        if missing:
            site.upload_images(project, {name: encode_png(missing[name]) for name in sorted(missing)})
            self._say(f"Label Studio: project {project}, {title!r}, {len(missing)} images uploaded")
        return project


def listens(port: int) -> bool:
    """Return whether this port accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
