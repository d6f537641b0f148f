"""/predict bodies and task JSON → Task: which image, and what a person drew on it, in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.errors import BadPrompt, BadRequest, shorten
from backend.label_studio.config import SHAPES, LabelingConfig, parse_labeling_config
from backend.label_studio.requests.correctable_regions import EarlierRegion, find_earlier
from backend.label_studio.requests.draft_prompts import join_draft
from backend.label_studio.requests.ordinary_regions import drop_leaks
from backend.label_studio.requests.prompts import SEND_REMEDY, LabeledPrompt, parse_prompts
from backend.label_studio.requests.text_areas import holds_texts, parse_texts
from backend.label_studio.results import json_type_of, kind_of_region, objects_of, results_of

__all__ = ["LabeledPrompt", "PredictRequest", "Task", "parse_predict_request", "parse_project_id", "parse_task"]


@dataclass(frozen=True)
class Task:
    """One image of one project and the prompts on it; none when nobody clicked.

    Attributes:
        earlier: Masks on the page that the prompts may correct, newest first, not decoded.
        image_name: The Image tag that shows it; "" for the first.
        others: The task's other images, where nobody clicked, each without others.
        texts: What was typed instead: names of text areas and what is asked in each.
        is_predicted: A prediction with masks is there already. Label Studio shows people the newest prediction, so one
            without masks would hide them.
    """

    task_id: int | None
    project_id: str
    image_uri: str
    prompts: tuple[LabeledPrompt, ...] = ()
    earlier: tuple[EarlierRegion, ...] = ()
    image_name: str = ""
    others: tuple[Task, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    is_predicted: bool = False

    @property
    def images(self) -> tuple[Task, ...]:
        """This image and the others."""
        return (self, *self.others)

    def text_in(self, text_area: str | None) -> str | None:
        """What was typed into the text area of that name."""
        return dict(self.texts).get(text_area or "")


@dataclass(frozen=True)
class PredictRequest:
    """A parsed /predict body. `interactive`: a person drew something and waits."""

    tasks: tuple[Task, ...]
    config: LabelingConfig
    project_id: str
    interactive: bool


def parse_predict_request(body: Mapping[str, Any]) -> PredictRequest:
    """Parse the body of POST /predict.

    Of drafts, annotations and predictions only ids, kinds and labels are looked at and no mask is decoded, so a click
    costs about the same however many there are.

    Raises:
        BadRequest: No tasks, no labeling config, wrong types, no image in a task.
        BadConfig: The labeling config cannot carry an answer.
        BadPrompt: A prompt that cannot be answered.
    """
    if not isinstance(body, Mapping):
        raise BadRequest(f"The body is {json_type_of(body)}, not an object.", remedy=SEND_REMEDY)
    documents = body.get("tasks")
    if not isinstance(documents, list):
        raise BadRequest(f'"tasks" is {json_type_of(documents)}, not a list.', remedy=SEND_REMEDY)
    xml = body.get("label_config")
    if not isinstance(xml, str):
        raise BadRequest(f'"label_config" is {json_type_of(xml)}, not a string.', remedy=SEND_REMEDY)
    config = parse_labeling_config(xml)
    project_id = parse_project_id(body.get("project"))
    context_result = _context_result(body)
    if context_result is not None and len(documents) != 1:
        message = f"A prompt belongs to one task, but {len(documents)} tasks came with it."
        raise BadRequest(message, remedy=SEND_REMEDY)
    tasks = tuple(parse_task(document, config, context_result, project_id=project_id) for document in documents)
    return PredictRequest(tasks, config, project_id, interactive=context_result is not None)


def parse_project_id(project: object) -> str:
    """The project's id, "" if there is none. Label Studio sends "3.1795206950": the id and the time of its creation.

    Raises:
        BadRequest: No digits before the dot.
    """
    if project is None or project == "":
        return ""
    text = shorten(project) if isinstance(project, (str, int, float)) else ""
    project_id = text.partition(".")[0]
    if isinstance(project, bool) or not (project_id.isascii() and project_id.isdigit() and len(project_id) <= 18):
        message = f'"project" is "{shorten(project)}", which does not begin with the number of a project.'
        raise BadRequest(message, remedy='Send its id, as 3 or "3.1795206950".')
    return project_id


def parse_task(
    document: Mapping[str, Any],
    config: LabelingConfig,
    context_result: Sequence[Mapping[str, Any]] | None = None,
    *,
    project_id: str = "",
) -> Task:
    """Parse one task as Label Studio's API and /predict spell it, with the prompts of the context, if there is one.

    With prompts it is the image they were drawn on (their `to_name`). Without, it is the page's first image that the
    task has, and the others it has are its `others`. Its drafts may complete the prompts; see `drafts` for that,
    `leaks` for what is left out, `earlier` for corrections.

    Raises:
        BadRequest: Not a task, or no image under the keys that the labeling config names.
        BadPrompt: A prompt that cannot be answered.
    """
    data = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(data, Mapping):
        raise BadRequest(f'A task has "data" with the image; here it is {json_type_of(data)}.', remedy=SEND_REMEDY)
    task_id = document.get("id")
    project = project_id or parse_project_id(document.get("project"))
    own_id = task_id if isinstance(task_id, int) else None
    if not context_result:
        first, *others = [
            Task(own_id, project, _image_uri(data, image, task_id), image_name=image.image_name)
            for image in _shown_images(data, config)
        ]
        return replace(first, others=tuple(others), is_predicted=_has_predicted_masks(document))
    drawn_on = _image_of_prompts(context_result, config)
    task = Task(own_id, project, _image_uri(data, drawn_on, task_id), image_name=drawn_on.image_name)
    if holds_texts(context_result):
        return replace(task, texts=parse_texts(context_result, document))
    clicked = parse_prompts(drop_leaks(context_result, document, drawn_on), drawn_on)
    prompts = join_draft(clicked, context_result, document, drawn_on)
    return replace(task, prompts=prompts, earlier=find_earlier(clicked, context_result, document, drawn_on))


def _has_predicted_masks(document: Mapping[str, Any]) -> bool:
    predictions = objects_of(document.get("predictions"))
    return any(kind_of_region(result) in SHAPES for found in predictions for result in results_of(found))


def _shown_images(data: Mapping[str, Any], config: LabelingConfig) -> list[LabelingConfig]:
    """The images of the page that the task has; the first, whose absence is then an error, if it has none."""
    return [image for image in config.images if data.get(image.image_key)] or [config]


def _image_of_prompts(context_result: Sequence[Mapping[str, Any]], config: LabelingConfig) -> LabelingConfig:
    """The image that the prompts were drawn on; Label Studio sends those of one image at a time."""
    names = {result.get("to_name") for result in context_result if isinstance(result, Mapping)} - {None}
    if len(names) != 1 or not config.others:
        return config
    (name,) = names
    if not any(image.image_name == name for image in config.images):
        known = shorten(", ".join(image.image_name for image in config.images))
        message = f'The prompt was drawn on the image "{shorten(name)}", but those that can be answered are: {known}.'
        raise BadPrompt(message, remedy="Give that image a control for masks, such as BrushLabels with its toName.")
    return config.of_image(str(name))


def _context_result(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """What the person drew; None where nobody did."""
    params = _object(body, "params")
    context = _object(params, "context", "params.")
    if context is None:
        context = _object(body, "context")
    result = context.get("result") if context is not None else None
    if result is None:
        return None
    if not isinstance(result, list):
        raise BadRequest(f'"context.result" is {json_type_of(result)}, not a list.', remedy=SEND_REMEDY)
    return result


def _object(holder: Mapping[str, Any] | None, key: str, where: str = "") -> Mapping[str, Any] | None:
    """The object under a key; None where there is none. Anything else would be answered as if nobody had clicked."""
    found = holder.get(key) if holder is not None else None
    if found is None or isinstance(found, Mapping):
        return found
    raise BadRequest(f'"{where}{key}" is {json_type_of(found)}, not an object.', remedy=SEND_REMEDY)


def _image_uri(data: Mapping[str, Any], config: LabelingConfig, task_id: object) -> str:
    uri = data.get(config.image_key)
    if isinstance(uri, str) and uri.strip():
        return uri.strip()
    keys = shorten(", ".join(shorten(key) for key in data)) or "nothing"
    key = shorten(config.image_key)
    where = f'Task {shorten(task_id)} has no image under "{key}"'
    found = "an empty text" if isinstance(uri, str) else json_type_of(uri)
    message = f"{where} but {found}." if config.image_key in data else f"{where}, its data holds: {keys}."
    remedy = f'Import it with the key "{key}", or name its key in the Image tag (value="$…").'
    raise BadRequest(message, remedy=remedy)
