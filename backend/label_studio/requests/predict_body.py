"""Parser of /predict bodies: tasks, and the one request that applies to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.errors import BadPrompt, BadRequest, shorten
from backend.label_studio.config import ImageConfig, LabelingConfig, check_text_prompt, parse_labeling_config
from backend.label_studio.requests.commands import parse_typed
from backend.label_studio.requests.correctable_regions import find_correctable
from backend.label_studio.requests.draft_prompts import add_draft_prompts
from backend.label_studio.requests.limits import DEFAULT_LIMITS, RequestLimits
from backend.label_studio.requests.ordinary_regions import drop_ordinary_regions
from backend.label_studio.requests.page_state import read_page
from backend.label_studio.requests.prompts import MAX_PROMPTS, SEND_REMEDY, parse_prompts
from backend.label_studio.requests.request import ClassifyImage, Click, Request, TypedRequest
from backend.label_studio.requests.tasks import Task, parse_project_id, parse_task, parse_task_on
from backend.label_studio.requests.text_areas import comes_from_text_area, drop_messages, parse_texts, shows_message
from backend.label_studio.results import json_type_of


@dataclass(frozen=True)
class PredictBody:
    """/predict body with a parsed labeling config and unparsed tasks.

    Attributes:
        documents: The tasks as JSON.
        project_key: The project as Label Studio sends it; see `PageState`.
        context: What an annotator drew or typed; None if Label Studio sent the request by itself.
        limits: The limits that the rest of the body is parsed with.
    """

    documents: Sequence[Any]
    config: LabelingConfig
    project_id: str
    context: Sequence[Any] | None
    limits: RequestLimits = DEFAULT_LIMITS
    project_key: str = ""

    @property
    def prompted_images(self) -> frozenset[str]:
        """Names of the images that the results of the context refer to; not checked against the labeling config."""
        names = (result.get("to_name") for result in self.context or () if isinstance(result, Mapping))
        return frozenset(name for name in names if isinstance(name, str))

    def shows_message(self, name: str) -> bool:
        """Whether the page shows a text in this text area; see `text_areas.shows_message`."""
        return any(shows_message(self.context or (), document, name) for document in self.documents)


@dataclass(frozen=True)
class PredictRequest:
    """Parsed /predict body.

    Attributes:
        request: Applies to all tasks; None if the annotator drew or typed nothing that needs an answer.
    """

    tasks: tuple[Task, ...]
    config: LabelingConfig
    project_id: str
    request: Request | None


def parse_predict_body(body: Mapping[str, Any], limits: RequestLimits = DEFAULT_LIMITS) -> PredictBody:
    """Check the types in the body of POST /predict and parse its labeling config.

    Raises:
        BadRequest: Tasks or labeling config missing, or a value of the wrong type.
        BadConfig: The labeling config cannot hold predictions.
    """
    if not isinstance(body, Mapping):
        raise BadRequest(f"The request body must be a JSON object, but is {json_type_of(body)}.", remedy=SEND_REMEDY)
    documents = body.get("tasks")
    if not isinstance(documents, list):
        raise BadRequest(f'"tasks" must be a list, but is {json_type_of(documents)}.', remedy=SEND_REMEDY)
    xml = body.get("label_config")
    if not isinstance(xml, str):
        raise BadRequest(f'"label_config" must be a string, but is {json_type_of(xml)}.', remedy=SEND_REMEDY)
    config = parse_labeling_config(xml, limits.config)
    project_id = parse_project_id(body.get("project"))
    context = _context_result(body)
    if context is not None and len(documents) != 1:
        message = f"A request with prompts must have exactly one task, but has {len(documents)}."
        raise BadRequest(message, remedy=SEND_REMEDY)
    project_key = str(body["project"]) if project_id else ""
    return PredictBody(documents, config, project_id, context, limits, project_key)


def parse_predict_request(
    body: PredictBody, text_prompt: str | None = None, messages: str | None = None
) -> PredictRequest:
    """Parse the tasks and determine the request.

    Only ids, kinds and labels of drafts, annotations and predictions are read, and no mask is decoded, so the cost of a
    click hardly depends on their number.

    Args:
        text_prompt: Name of the text area that is the project's text prompt, from its setting.
        messages: Name of the text area that this backend answers in, from its setting; it never holds a prompt.

    Raises:
        BadRequest: A value of the wrong type, or a task without an image.
        BadConfig: The labeling config has no such text area.
        BadPrompt: A prompt that cannot be answered.
    """
    config, project_id = body.config, body.project_id
    if body.context is None:
        tasks = tuple(parse_task(document, config, project_id=project_id) for document in body.documents)
        return PredictRequest(tasks, config, project_id, ClassifyImage())
    (document,) = body.documents
    task, request = parse_prompted_task(
        document,
        config,
        body.context,
        text_prompt,
        messages=messages,
        project_id=project_id,
        project_key=body.project_key,
        max_prompts=body.limits.max_prompts,
    )
    return PredictRequest((task,), config, project_id, request)


def parse_prompted_task(
    document: Mapping[str, Any],
    config: LabelingConfig,
    context: Sequence[Mapping[str, Any]],
    text_prompt: str | None = None,
    *,
    messages: str | None = None,
    project_id: str = "",
    project_key: str = "",
    max_prompts: int = MAX_PROMPTS,
) -> tuple[Task, Click | TypedRequest | None]:
    """Parse one task with what an annotator drew or typed on it, and determine the request.

    The task's drafts may add to the prompts (see `draft_prompts`). Some results of the context are not prompts (see
    `ordinary_regions`).

    Args:
        document: The task.
        context: `context.result`; empty if the annotator deleted the prompts.
        text_prompt, messages: See `parse_predict_request`.
        project_key: See `PageState`.
        max_prompts: See `parse_prompts`.

    Raises:
        BadRequest, BadConfig, BadPrompt: See `parse_predict_request`.
    """
    context = drop_messages(context, messages)
    if not context:
        return parse_task(document, config, project_id=project_id), None
    _check_fields(context)
    image = _image_of_prompts(context, config)
    task = parse_task_on(document, image, project_id=project_id)
    task = replace(task, page=read_page(context, document, project_key))
    if comes_from_text_area(context):
        text = _prompted_text(parse_texts(context, document), config, text_prompt)
        return task, None if text is None else parse_typed(text, document, image, context)
    if not image.answers:  # the image can only be classified
        message = f'The labeling config has no control for masks on the image "{shorten(image.name)}".'
        raise BadPrompt(message, remedy="Add one, such as BrushLabels, whose toName is that image.")
    clicked = parse_prompts(drop_ordinary_regions(context, document, image), image, max_prompts)
    found = add_draft_prompts(clicked, context, document, image)
    if not found.prompts:
        return task, None
    correctable = find_correctable(clicked, context, document, image)
    return task, Click(found.prompts, correctable, found.waiting, found.beside)


def _prompted_text(texts: Sequence[tuple[str, str]], config: LabelingConfig, text_prompt: str | None) -> str | None:
    """Return the text in the project's text prompt; None if there is no text or it is in other areas."""
    if not texts or text_prompt is None:
        return None
    check_text_prompt(config, text_prompt)
    return dict(texts).get(text_prompt)


def _check_fields(context: Sequence[Mapping[str, Any]]) -> None:
    """Check the types of the fields by which results are told apart; what they hold is checked where it is read.

    Raises:
        BadRequest: A type or a name that is not a string, or an id that is neither a string nor a whole number.
    """
    for result in context:
        if not isinstance(result, Mapping):
            continue  # `parse_prompts` refuses it
        for key in ("type", "from_name", "to_name", "id"):
            value = result.get(key)
            if value is None or isinstance(value, str) or (key == "id" and type(value) is int):
                continue
            message = f'"{key}" of a prompt must be a string, but is {json_type_of(value)}.'
            raise BadRequest(message, remedy=SEND_REMEDY)


def _image_of_prompts(context: Sequence[Mapping[str, Any]], config: LabelingConfig) -> ImageConfig:
    """Return the image that the prompts were drawn on. Label Studio sends prompts of one image at a time."""
    names = {result.get("to_name") for result in context if isinstance(result, Mapping)} - {None}
    if len(names) != 1 or len(config.images) == 1:
        return config.images[0]
    (name,) = names
    if not any(image.name == name for image in config.images):
        known = shorten(", ".join(image.name for image in config.images))
        message = f'The labeling config has no control for the image "{shorten(name)}" (available images: {known}).'
        raise BadPrompt(message, remedy="Add a control for masks, such as BrushLabels, whose toName is that image.")
    return config.image(str(name))


def _context_result(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return `context.result`; None if the request has no context."""
    params = _object(body, "params")
    context = _object(params, "context", "params.")
    if context is None:
        context = _object(body, "context")
    result = context.get("result") if context is not None else None
    if result is None:
        return None
    if not isinstance(result, list):
        raise BadRequest(f'"context.result" must be a list, but is {json_type_of(result)}.', remedy=SEND_REMEDY)
    return result


def _object(holder: Mapping[str, Any] | None, key: str, where: str = "") -> Mapping[str, Any] | None:
    """Return the object under a key; None if it is missing. Other types raise, so that no click is silently ignored."""
    value = holder.get(key) if holder is not None else None
    if value is None or isinstance(value, Mapping):
        return value
    raise BadRequest(f'"{where}{key}" must be an object, but is {json_type_of(value)}.', remedy=SEND_REMEDY)
