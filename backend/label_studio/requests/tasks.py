"""Parser of tasks: JSON to `Task`, with the images that the task shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import BadRequest, shorten
from backend.label_studio.config import SHAPES, ImageConfig, LabelingConfig
from backend.label_studio.requests.page_state import PageState
from backend.label_studio.requests.prompts import SEND_REMEDY
from backend.label_studio.results import json_type_of, kind_of_region, objects_of, results_of


@dataclass(frozen=True)
class TaskImage:
    """One image of a task.

    Attributes:
        name: Name of the Image tag that shows it.
        uri: URI in the task data.
        task_id: None if the document has no id.
        project_id: "" if it is unknown.
    """

    name: str
    uri: str
    task_id: int | None = None
    project_id: str = ""


@dataclass(frozen=True)
class Task:
    """Task of one project.

    Attributes:
        images: The images that the task data has, in the order of the labeling config. A task with prompts has only the
            image that they were drawn on.
        is_predicted: Whether it has a prediction with masks. Label Studio shows the newest prediction, so a new one
            without masks would hide them.
        predicted_by: Model versions of its predictions.
        page: What a request with prompts or a text shows of the page; None for any other.
    """

    task_id: int | None
    project_id: str
    images: tuple[TaskImage, ...]
    is_predicted: bool = False
    predicted_by: frozenset[str] = frozenset()
    page: PageState | None = field(default=None, compare=False)


def parse_project_id(project: object) -> str:
    """Return the project id, "" if there is none. Label Studio sends "3.1795206950": the id and the creation time.

    Raises:
        BadRequest: The part before the dot is not a number.
    """
    if project is None or project == "":
        return ""
    text = shorten(project) if isinstance(project, (str, int, float)) else ""
    project_id = text.partition(".")[0]
    if isinstance(project, bool) or not (project_id.isascii() and project_id.isdigit() and len(project_id) <= 18):
        message = f'"project" must start with a project id, but is "{shorten(project)}".'
        raise BadRequest(message, remedy='Send the id, such as 3 or "3.1795206950".')
    return project_id


def parse_task(document: Mapping[str, Any], config: LabelingConfig, *, project_id: str = "") -> Task:
    """Parse one task in the format of Label Studio's API and /predict. Its drafts and annotations are not read.

    Raises:
        BadRequest: Not a task, or no image under the keys that the labeling config refers to.
    """
    data = task_data(document)
    task_id, project = _task_id(document), project_id or parse_project_id(document.get("project"))
    shown = config.images_in(data) or [config.images[0]]  # raises for the missing image
    images = tuple(TaskImage(image.name, _image_uri(data, image, task_id), task_id, project) for image in shown)
    return Task(task_id, project, images, _has_predicted_masks(document), _model_versions(document))


def parse_task_on(document: Mapping[str, Any], image: ImageConfig, *, project_id: str = "") -> Task:
    """Parse one image of a task.

    Raises:
        BadRequest: Not a task, or the image is missing.
    """
    data, task_id = task_data(document), _task_id(document)
    project = project_id or parse_project_id(document.get("project"))
    return Task(task_id, project, (TaskImage(image.name, _image_uri(data, image, task_id), task_id, project),))


def task_data(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the task's data. Raises `BadRequest` if there is none."""
    data = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(data, Mapping):
        raise BadRequest(f'"data" of a task must be an object, but is {json_type_of(data)}.', remedy=SEND_REMEDY)
    return data


def _task_id(document: Mapping[str, Any]) -> int | None:
    task_id = document.get("id")
    return task_id if isinstance(task_id, int) and not isinstance(task_id, bool) else None


def _has_predicted_masks(document: Mapping[str, Any]) -> bool:
    predictions = objects_of(document.get("predictions"))
    return any(kind_of_region(result) in SHAPES for prediction in predictions for result in results_of(prediction))


def _model_versions(document: Mapping[str, Any]) -> frozenset[str]:
    versions = (prediction.get("model_version") for prediction in objects_of(document.get("predictions")))
    return frozenset(version for version in versions if isinstance(version, str))


def _image_uri(data: Mapping[str, Any], image: ImageConfig, task_id: object) -> str:
    uri = data.get(image.data_key)
    if isinstance(uri, str) and uri.strip():
        return uri.strip()
    keys = shorten(", ".join(shorten(key) for key in data)) or "none"
    key = shorten(image.data_key)
    message = f'Task {shorten(task_id)} has no image under "{key}"'
    actual = "an empty string" if isinstance(uri, str) else json_type_of(uri)
    reason = f"the value is {actual}" if image.data_key in data else f"its data has the keys: {keys}"
    remedy = f'Import the image under the key "{key}", or write its key into the Image tag (value="$…").'
    raise BadRequest(f"{message}; {reason}.", remedy=remedy)
