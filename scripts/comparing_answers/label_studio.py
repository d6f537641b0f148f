"""A Label Studio of our own, started fresh, and what its REST API is asked for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import requests

from scripts.comparing_answers.exchanges import CouldNotRun, Json
from scripts.comparing_answers.picture_server import LOOPBACK
from scripts.comparing_answers.programs import Program, clean_environment, free_port

START_SECONDS = 480.0
ANSWER_SECONDS = 120.0
USER = "compare@example.com"
_PREFIX_LENGTH = 9  # of an upload's name: eight hexadecimal digits and a dash


class LabelStudio:
    """A context: within, Label Studio is up at `url` and lets the holder of `token` in.

    Args:
        program: The `label-studio` of an environment.
        folder: For its data and its log.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        port = free_port()
        self.url, self.token = f"http://{LOOPBACK}:{port}", secrets.token_hex(20)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Token {self.token}"
        data = folder / "label-studio"
        data.mkdir(parents=True, exist_ok=True)
        argv = [str(program), "start", "--no-browser", "--internal-host", LOOPBACK, "-p", str(port)]
        argv += ["--data-dir", str(data), "--username", USER, "--password", secrets.token_hex(12)]
        argv += ["--user-token", self.token]
        self._program = Program("Label Studio", argv, data, _environment(self.url, data), folder / "label-studio.log")

    def __enter__(self) -> LabelStudio:
        self._program.__enter__()
        try:
            self._program.wait_until(self._is_up, START_SECONDS)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._session.close()
        self._program.__exit__(None, None, None)

    def create_project(self, title: str, label_config: str) -> int:
        """Returns its number."""
        return int(self._ask("POST", "/api/projects/", json={"title": title, "label_config": label_config})["id"])

    def upload(self, project: int, pictures: Mapping[str, bytes]) -> None:
        """Make a task of each picture; every one in a field of its own, for of equal names the last counts."""
        files = {f"file{n}": (name, data, "image/png") for n, (name, data) in enumerate(pictures.items())}
        self._ask("POST", f"/api/projects/{project}/import", files=files)

    def tasks(self, project: int) -> dict[str, Json]:
        """The tasks with all that is stored of them, by the name that their picture had before it was uploaded."""
        page = self._ask("GET", f"/api/tasks?project={project}&page_size=1000&fields=all")
        named = {task["data"]["image"].rpartition("/")[2][_PREFIX_LENGTH:]: task for task in page["tasks"]}
        return {name: named[name] for name in sorted(named)}

    def predictions(self, task: int) -> list[Json]:
        """All of a task, in the order in which they were made."""
        found = self._ask("GET", f"/api/predictions/?task={task}")
        return sorted(found["results"] if isinstance(found, dict) else found, key=lambda one: one["id"])

    def annotate(self, task: int, annotation: Json) -> None:
        """Save an annotation: its `result`, and whether it was cancelled."""
        self._ask("POST", f"/api/tasks/{task}/annotations/", json=annotation)

    def _is_up(self) -> bool:
        try:
            answer = self._session.get(f"{self.url}/health", timeout=5)
        except requests.RequestException:
            return False
        return answer.ok and "UP" in answer.text

    def _ask(self, method: str, path: str, **arguments: object) -> Json:
        """Raises `CouldNotRun` with Label Studio's words where it refuses."""
        try:
            answer = self._session.request(method, self.url + path, timeout=ANSWER_SECONDS, **arguments)  # type: ignore[arg-type]
        except requests.RequestException as error:
            raise CouldNotRun(f"Label Studio did not answer {method} {path}: {error}") from error
        if not answer.ok:
            raise CouldNotRun(f"Label Studio refused {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


def _environment(url: str, data: Path) -> dict[str, str]:
    """It makes no outside request, and accepts a legacy token."""
    return clean_environment(
        LABEL_STUDIO_HOST=url,
        LABEL_STUDIO_BASE_DATA_DIR=str(data),
        LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN="true",
        LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS="false",
        LABEL_STUDIO_COLLECT_ANALYTICS="false",
        LABEL_STUDIO_LATEST_VERSION_CHECK="false",
        SENTRY_DSN="",
        FRONTEND_SENTRY_DSN="",
    )
