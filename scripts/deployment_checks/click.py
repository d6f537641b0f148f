"""Check of the whole way: Label Studio calls the backend, which fetches an image and answers a click with a mask.

It runs in a project of its own, which is deleted at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import requests

from backend.geometry import mask_iou
from backend.label_studio.results import decode_brush
from backend.values import Size
from scripts.demo_circle.site import keypoint
from scripts.demo_circle.targets import click_scene, encode_png
from scripts.demo_world.scenes import Scene, click_point
from scripts.deployment_checks.findings import CheckFailed, Finding, State
from scripts.deployment_checks.http import Site, json_object

Json = dict[str, Any]
TITLE = "Backend check (may be deleted)"
CONFIG = """<View>
  <Labels name="label" toName="image"><Label value="object"/></Labels>
  <Image name="image" value="$image"/>
  <Brush name="mask" toName="image"/>
  <KeyPoint name="click" toName="image" smart="true"/>
</View>"""
CLICK_SECONDS = 120.0  # Label Studio's own timeout is 100 s
RIGHT_IOU = 0.6
PERMISSION_REMEDY = "Use the token of a user who may create projects."
ADDRESS_REMEDY = (
    "Label Studio refuses ML backends on private addresses: start it with "
    "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS=false."
)


class ClickCheck:
    """A click through Label Studio in a temporary project.

    Args:
        site: Label Studio.
        authorization: The Authorization header for it.
        backend_url: The backend's URL as seen from Label Studio.
        login: User and password for Label Studio's connection; None for none.
    """

    def __init__(
        self, site: Site, authorization: Mapping[str, str], backend_url: str, login: tuple[str, str] | None
    ) -> None:
        self._site, self._authorization = site, dict(authorization)
        self._backend_url, self._login = backend_url, login

    def run(self) -> Finding:
        """Connect the backend, click an object, and compare the mask with the drawn object."""
        with self._project() as project:
            backend = self._connect(project)
            name, scene = click_scene(0)
            task = self._upload(project, name, encode_png(scene))
            return _judge(self._click(backend, task, scene), scene)

    @contextmanager
    def _project(self) -> Iterator[int]:
        document = self._ask(
            "POST", "/api/projects/", "create a project", json={"title": TITLE, "label_config": CONFIG}
        )
        project = int(document["id"])
        try:
            yield project
        finally:
            self._site.ask("DELETE", f"/api/projects/{project}/", headers=self._authorization)

    def _connect(self, project: int) -> int:
        body: Json = {"project": project, "url": self._backend_url, "title": "Check", "is_interactive": True}
        if self._login is not None:
            body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": self._login[0], "basic_auth_pass": self._login[1]}
        response = self._send("POST", "/api/ml", json=body)
        if response.status_code == 201:
            return int(response.json()["id"])
        detail = _detail(response)
        if "reserved network address" in detail or "banned" in detail.lower():
            raise CheckFailed(f"Label Studio may not call {self._backend_url}: {detail}", ADDRESS_REMEDY)
        remedy = "Give the URL at which Label Studio reaches the backend (--backend-from-label-studio)."
        if self._login is None or "401" in detail or "password" in detail:
            remedy += " If it requires authentication, set BASIC_AUTH_USER and BASIC_AUTH_PASS for this command."
        raise CheckFailed(f"Label Studio cannot use the backend at {self._backend_url}: {detail}", remedy)

    def _upload(self, project: int, name: str, content: bytes) -> int:
        path = f"/api/projects/{project}/import?return_task_ids=true"
        document = self._ask("POST", path, "upload an image", files={"file": (name, content, "image/png")})
        return int(document["task_ids"][0])

    def _click(self, backend: int, task: int, scene: Scene) -> list[Json]:
        height, width = scene.pixels.shape[:2]
        prompts = keypoint(*click_point(scene.objects[0].mask), (width, height), "object")
        body = {"task": task, "context": {"result": prompts}}
        path = f"/api/ml/{backend}/interactive-annotating"
        document = self._ask("POST", path, "send a click", json=body, timeout=CLICK_SECONDS)
        if errors := document.get("errors"):
            raise CheckFailed(f"The backend refused the click: {'; '.join(map(str, errors))}", _click_remedy(errors))
        return list((document.get("data") or {}).get("result") or [])

    def _ask(self, method: str, path: str, what: str, **arguments: Any) -> Json:
        response = self._send(method, path, **arguments)
        if not response.ok:
            remedy = PERMISSION_REMEDY if response.status_code in (401, 403) else "Look into Label Studio's log."
            raise CheckFailed(
                f"Label Studio refused to {what} (HTTP {response.status_code}): {_detail(response)}", remedy
            )
        return json_object(response)

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self._site.ask(method, path, headers=self._authorization, **{"timeout": 60.0, **arguments})


def _judge(result: list[Json], scene: Scene) -> Finding:
    brush = next((region for region in result if region.get("type") == "brush"), None)
    if brush is None:
        raise CheckFailed("The backend answered the click without a mask.", "Look into the backend's log.")
    height, width = scene.pixels.shape[:2]
    mask = decode_brush(brush["value"]["rle"], Size(width, height))
    x, y = click_point(scene.objects[0].mask)
    if not mask[int(y), int(x)]:
        raise CheckFailed("The mask does not cover the click.", "Check that the checkpoint belongs to SAM_MODEL.")
    iou, share = mask_iou(mask, scene.objects[0].mask), float(np.mean(mask))
    if iou < RIGHT_IOU:
        text = f"a mask of {share:.0%} of the image, with an IoU of {iou:.2f} with the clicked object"
        return Finding(State.WARNING, text, "Weights for photographs may read the drawn test image differently.")
    return Finding(State.OK, f"a click through Label Studio gives a mask with an IoU of {iou:.2f}")


def _click_remedy(errors: list[Any]) -> str:
    text = " ".join(map(str, errors))
    if "401" in text:
        return "The connection's user and password differ from the backend's BASIC_AUTH_USER and BASIC_AUTH_PASS."
    if "502" in text or "could not be fetched" in text or "403" in text:
        return (
            "The backend cannot fetch Label Studio's images: check its own LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
        )
    return "The backend's status page and log have the reason."


def _detail(response: requests.Response) -> str:
    """Return Label Studio's own words, at most 300 characters."""
    document = json_object(response)
    errors = document.get("validation_errors")
    texts = [str(text) for listed in errors.values() for text in listed] if isinstance(errors, dict) else []
    return (" ".join(texts) or str(document.get("detail") or response.text))[:300]
