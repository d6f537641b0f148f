"""Client of Label Studio's HTTP API with a logged-in session, as the demo's user."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from backend.label_studio.results import MESSAGE_ID
from scripts.demo_circle.places import BackendLogin
from scripts.demo_circle.processes import DemoError

Json = dict[str, Any]
_TIMEOUT_SECONDS = 120.0


class LabelStudioSite:
    """Session of one user. Every method raises DemoError with the refused request and Label Studio's response."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # two local programs need no proxy

    def is_up(self) -> bool:
        """Return whether it is up."""
        try:
            answer = self._session.get(f"{self.url}/health", timeout=2)
        except requests.RequestException:
            return False
        return answer.ok and "UP" in answer.text

    def log_in(self, username: str, password: str) -> None:
        """Log in with the login page's form."""
        self._request("GET", "/user/login/")
        form = {"email": username, "password": password, "csrfmiddlewaretoken": self._csrf_token}
        answer = self._request("POST", "/user/login/", data=form, allow_redirects=False)
        if answer.status_code != requests.codes.found:
            raise DemoError(
                f"Label Studio refused the login of {username} with the demo's password.",
                remedy="If the password was changed, start again with --reset, which deletes the demo's data.",
            )

    def personal_access_token(self, known: str | None) -> str:
        """Return a personal access token: the `known` one while it is valid, otherwise a new one.

        A user has at most one, and Label Studio shows it in full only once, so an unknown token is revoked.
        """
        if known and self._is_valid(known):
            return known
        for listed in self._json("GET", "/api/token/"):
            self._request("POST", "/api/token/blacklist/", json={"refresh": listed["token"]})
        return str(self._json("POST", "/api/token/")["token"])

    def _is_valid(self, token: str) -> bool:
        answer = self._session.post(f"{self.url}/api/token/refresh/", json={"refresh": token}, timeout=_TIMEOUT_SECONDS)
        return answer.ok

    def find_project(self, title: str) -> int | None:
        """Return the id of the oldest project with exactly this title."""
        projects = self._json("GET", "/api/projects/?page_size=1000")["results"]
        return min((int(project["id"]) for project in projects if project["title"] == title), default=None)

    def create_project(self, title: str, label_config: str, description: str) -> int:
        """Create a project; return its id."""
        body = {"title": title, "label_config": label_config, "description": description}
        return int(self._json("POST", "/api/projects/", json=body)["id"])

    def project(self, project: int) -> Json:
        """Return the project's settings."""
        document: Json = self._json("GET", f"/api/projects/{project}/")
        return document

    def next_task(self, project: int) -> int:
        """Return the id of the task that Label Studio gives out next, as for "Label All Tasks"."""
        return int(self._json("GET", f"/api/projects/{project}/next")["id"])

    def upload_images(self, project: int, images: Mapping[str, bytes]) -> dict[str, int]:
        """Create one task per image; return the task ids by file name."""
        # Label Studio keeps only the last of several files in fields of the same name
        files = {
            f"file{n}": (name, content, mimetypes.guess_type(name)[0] or "application/octet-stream")
            for n, (name, content) in enumerate(images.items())
        }
        self._json("POST", f"/api/projects/{project}/import", files=files)
        return {name: task for name, task in self.tasks_by_name(project).items() if name in images}

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> None:
        """Create tasks with this data; their images are not looked at."""
        self._request("POST", f"/api/projects/{project}/import", json=[{"data": task} for task in tasks])

    def tasks_by_name(self, project: int) -> dict[str, int]:
        """Return task ids by the image's original name; Label Studio prepends eight hex digits and a dash."""
        page = self._json("GET", f"/api/tasks?project={project}&page_size=10000&fields=all")
        return {_image_of(task["data"]).rsplit("/", 1)[-1][9:]: int(task["id"]) for task in page["tasks"]}

    def task(self, task: int) -> Json:
        """Return the task with its annotations and predictions."""
        document: Json = self._json("GET", f"/api/tasks/{task}")
        return document

    def connect_backend(self, project: int, url: str, title: str, login: BackendLogin) -> int:
        """Connect the backend for interactive use, or update an existing connection; return its id."""
        body = {"project": project, "url": url, "title": title, "is_interactive": True}
        body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": login.user, "basic_auth_pass": login.password}
        for backend in self._json("GET", f"/api/ml?project={project}"):
            return int(self._json("PATCH", f"/api/ml/{backend['id']}", json=body)["id"])
        return int(self._json("POST", "/api/ml", json=body)["id"])

    def predict_interactively(self, backend: int, task: int, prompts: Sequence[Json]) -> list[Json]:
        """Send `prompts` as the labeling page does; return the backend's results without what it says in words."""
        body = {"task": task, "context": {"result": list(prompts)}}
        answer = self._json("POST", f"/api/ml/{backend}/interactive-annotating", json=body)
        if answer.get("errors"):
            raise DemoError(
                f"The backend refused a click on task {task}: {'; '.join(map(str, answer['errors']))}",
                remedy="See logs/backend.log in the data directory.",
            )
        results = (answer.get("data") or {}).get("result") or []
        return [result for result in results if result.get("id") != MESSAGE_ID]

    def annotate(self, task: int, result: Sequence[Json], **fields: Any) -> int:
        """Submit an annotation; return its id."""
        body = {"result": list(result), **fields}
        return int(self._json("POST", f"/api/tasks/{task}/annotations", json=body)["id"])

    def import_predictions(self, project: int, predictions: Sequence[Json]) -> None:
        """Store predictions with their "task"."""
        self._request("POST", f"/api/projects/{project}/import/predictions", json=list(predictions))

    def invite_link(self) -> str:
        """Return the sign-up URL for another user."""
        return self.url + str(self._json("GET", "/api/invite")["invite_url"])

    @property
    def _csrf_token(self) -> str:
        return str(self._session.cookies.get("csrftoken", ""))

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        return self._request(method, path, **arguments).json()

    def _request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {"X-CSRFToken": self._csrf_token, "Referer": self.url}
        try:
            answer = self._session.request(
                method, self.url + path, headers=headers, timeout=_TIMEOUT_SECONDS, **arguments
            )
        except requests.RequestException as error:
            raise DemoError(
                f"Label Studio did not respond to {method} {path}: {error}",
                remedy="See logs/label-studio.log in the data directory.",
            ) from error
        if not answer.ok:
            raise DemoError(
                f"Label Studio refused {method} {path} with {answer.status_code}: {answer.text[:500]}",
                remedy="Start again with --reset; if that does not help, see logs/label-studio.log.",
            )
        return answer


def _image_of(data: Mapping[str, Any]) -> str:
    """Return the only field of an uploaded task, whatever its name."""
    (image,) = data.values()
    return str(image)


def keypoint(x: float, y: float, size: tuple[int, int], label: str = "", *, positive: bool = True) -> list[Json]:
    """Build a smart key point as Label Studio 1.23 sends it for a plain KeyPoint: the point, then the picked label.

    Args:
        x, y: In pixels of the image; the centre of pixel (0, 0) is (0.5, 0.5).
        size: Width and height of the image.
        label: The picked label; "" for none, which the page sends as an empty list without a second result.

    Returns:
        x and y in percent, `is_positive` beside `value`; both results have the same id and the same value.
    """
    labels = [label] if label else []
    value = {"x": 100 * x / size[0], "y": 100 * y / size[1], "width": 0.25, "labels": labels}
    point = _prompt("click", "keypoint", value, size) | {"is_positive": positive}
    return [point, *_label_of(point)]


def rectangle(box_xyxy: tuple[float, float, float, float], size: tuple[int, int], label: str = "") -> list[Json]:
    """Build a smart rectangle as Label Studio 1.23 sends it for a plain Rectangle: the box, then the picked label.

    `box_xyxy` is in pixels of the image. The box itself has no `labels`.
    """
    left, top, right, bottom = box_xyxy
    width, height = size
    value = {
        "x": 100 * left / width,
        "y": 100 * top / height,
        "width": 100 * (right - left) / width,
        "height": 100 * (bottom - top) / height,
        "rotation": 0,
    }
    box = _prompt("box", "rectangle", value, size)
    return [box, *_label_of({**box, "value": {**value, "labels": [label] if label else []}})]


def _label_of(prompt: Json) -> list[Json]:
    """Build the second result of a prompt with a label: the same, under the name of the row of labels."""
    return [{**prompt, "from_name": "label", "type": "labels"}] if prompt["value"]["labels"] else []


def _prompt(from_name: str, kind: str, value: Json, size: tuple[int, int]) -> Json:
    return {
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": value,
        "id": secrets.token_hex(5),
        "from_name": from_name,
        "to_name": "image",
        "type": kind,
        "origin": "manual",
    }
